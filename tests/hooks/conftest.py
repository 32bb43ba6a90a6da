"""A message, a case and an entry for hooks to be called with, and a way to write a hook module on the spot."""

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from listener.hooks import Case, Entry
from listener.message.model import Address, Attachment, InboundMessage

RAW = b"From: ann@example.com\r\nSubject: Printer\r\n\r\nIt is on fire.\r\n"


@pytest.fixture
def message() -> InboundMessage:
    return InboundMessage(
        message_id="one@example.com",
        subject="Printer",
        from_=(Address("Ann", "ann@example.com"),),
        text="It is on fire.\n",
        attachments=(Attachment("fire.jpg", "image/jpeg", 3, "ab" * 32, None, "attachment"),),
    )


@pytest.fixture
def case() -> Case:
    return Case("C-1", "support", "Printer", "ann@example.com", "open", is_new=True, reference=None)


@pytest.fixture
def entry() -> Entry:
    return Entry(7, "support", "INBOX", "k" * 64, 1, 1_800_000_000.0, lambda: RAW)


@pytest.fixture
def write_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], str]]:
    """`write_hook(module, source)` → the name `python:module:TheHook`; the module is forgotten afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    written: list[str] = []

    def write(module: str, source: str) -> str:
        (tmp_path / f"{module}.py").write_text(textwrap.dedent(source))
        written.append(module)
        return f"python:{module}:TheHook"

    yield write
    for module in written:
        sys.modules.pop(module, None)
