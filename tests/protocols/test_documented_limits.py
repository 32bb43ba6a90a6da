"""The limits in docs/protocols.md are those of the code."""

import importlib
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "protocols.md"
ROWS = re.findall(r"^\| `([\w.]+)\.([A-Z_]+)` \| (\S+) \|", PAGE.read_text("utf-8"), re.M)


@pytest.mark.parametrize(("module", "name", "value"), ROWS, ids=[f"{module}.{name}" for module, name, _ in ROWS])
def test_a_documented_limit_is_the_one_that_holds(module: str, name: str, value: str) -> None:
    assert getattr(importlib.import_module(f"listener.protocols.{module}"), name) == float(value)


def test_every_limit_of_imap_is_documented() -> None:
    documented = {f"{module}.{name}" for module, name, _ in ROWS}
    folder = Path(importlib.import_module("listener.protocols").__file__).parent
    paths = [folder / f"{name}.py" for name in ("connection", "dial", "wire")]
    for path in [*paths, *(folder / "imap").glob("*.py")]:
        module = ".".join(path.relative_to(folder).with_suffix("").parts)
        for name in re.findall(r"^((?:MAX|PAGE)_[A-Z_]+|[A-Z_]+_SECONDS|BATCH|[A-Z]+_WINDOW) =", path.read_text("utf-8"), re.M):
            if f"{module}.{name}" not in UNREMARKABLE:
                assert f"{module}.{name}" in documented


UNREMARKABLE = {
    "imap.grammar.MAX_TEXT",
    "imap.grammar.MAX_LITERAL_DIGITS",
    "imap.answers.MAX_UID",
    "imap.answers.MAX_SIZE",
    "imap.answers.MAX_FOUND",
    "imap.told.MAX_ALERTS",
    "imap.listing.MAX_GAPS",
    "imap.acknowledging.MAX_REFUSALS",
}
"""Bounds on nonsense that nobody will meet."""
