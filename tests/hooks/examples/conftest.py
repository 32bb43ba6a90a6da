"""The examples of docs/hooks.md, taken from the page itself, so that what is tested is what people read."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "hooks.md"


@pytest.fixture
def example(monkeypatch):
    """`example("sql_tickets")` → the module made of the block that begins with `# sql_tickets.py`."""

    def load(name):
        [source] = re.findall(rf"```python\n(# {name}\.py\n.*?)```", PAGE.read_text(), re.DOTALL)
        module = ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, f"docs/hooks.md: {name}.py", "exec"), module.__dict__)
        return module

    return load


@pytest.fixture
def script():
    """The one shell script of the page."""
    [source] = re.findall(r"```sh\n(#!/bin/sh\n.*?)```", PAGE.read_text(), re.DOTALL)
    return source
