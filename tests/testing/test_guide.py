"""docs/testing.md is true: its example of a hook and its tests passes, and it names all that can be scripted and imported."""

import inspect
import re
from pathlib import Path

from listener import testing
from listener.testing.imap import Script

GUIDE = Path(__file__).parents[2] / "docs" / "testing.md"


def blocks():
    return re.findall(r"```python\n(.*?)```", GUIDE.read_text("utf-8"), re.S)


async def test_the_example_of_a_hook_and_its_tests_passes():
    names = {}
    exec(blocks()[0], names)
    tests = [value for name, value in names.items() if name.startswith("test_")]
    assert len(tests) == 3
    for test in tests:
        await test()


def test_every_example_is_python():
    for number, block in enumerate(blocks()):
        compile(block, f"example {number}", "exec", flags=0x2000)  # PyCF_ALLOW_TOP_LEVEL_AWAIT


def test_everything_that_is_exported_is_named():
    text = GUIDE.read_text("utf-8")
    assert [name for name in testing.__all__ if name not in text and name != "Envelope"] == []


def test_everything_that_a_script_can_do_is_named():
    words = set(re.findall(r"\w+", GUIDE.read_text("utf-8")))
    assert [name for name in inspect.signature(Script.on).parameters if name != "self" and name not in words] == []
