"""What is printed is harmless, whoever wrote it and wherever it goes."""

import io
import json

from hypothesis import given
from hypothesis import strategies as st

from listener.commands.printing import Printer, harmless, json_line

FORBIDDEN = [*map(chr, range(0x20)), *map(chr, range(0x7F, 0xA0)), "\u202e", "\u2066", "\u200f", "\u2028", "\ud800"]


@given(st.text(st.characters() | st.sampled_from(FORBIDDEN)))
def test_no_text_carries_anything_that_a_terminal_would_obey(text):
    assert not set(harmless(text)) & set(FORBIDDEN)


@given(st.text(st.characters() | st.sampled_from(FORBIDDEN)))
def test_json_stays_the_same_value(text):
    line = json_line({"subject": text})
    assert not set(line) & set(FORBIDDEN)
    assert json.loads(line) == {"subject": text}


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


def test_a_terminal_gets_a_table_without_markup_of_strangers():
    stream = Terminal()
    Printer(stream=stream).rows([{"id": 1, "subject": "[red]not markup[/red] \x1b[2J"}], ("id", "subject"), empty="none")
    out = stream.getvalue()
    assert "[red]not markup[/red] \\u001b[2J" in out
    assert "\x1b[2J" not in out


def test_a_narrow_terminal_cuts_what_is_long_and_never_what_is_copied_into_the_next_command(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    row = {
        "id": 123456,
        "account": "support",
        "state": "quarantined",
        "received_at": "2026-11-22T15:29:32+00:00",
        "from": "somebody.with.a.long.name@customers.example.com",
        "subject": "An offer that is far too long for one line of a terminal",
        "case": "LGT3AS3WDVXYZ",
        "reason": "rule: spam",
    }
    stream = Terminal()
    Printer(stream=stream).rows([row], tuple(row), empty="none")
    _, line = stream.getvalue().splitlines()
    assert len(line) <= 80
    assert {"123456", "quarantined", "LGT3AS3WDVXYZ"} <= set(line.split())
