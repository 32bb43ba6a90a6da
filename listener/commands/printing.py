"""How answers are printed: tables on a terminal, tab-separated lines when piped, one JSON object a line with `--json`.

Most of what is printed was written by strangers, so nothing that a terminal would obey is let through: control characters
and the Unicode characters that turn the direction of text are shown as escapes.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TextIO

# C0, C1, the bidirectional controls, line and paragraph separators, and surrogates, which no encoding takes.
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
WIDEST = 60
"""Characters of a table's cell on a terminal."""
WHOLE = frozenset({"id", "state", "status", "case", "messages", "attempts"})
"""Columns that are never cut for others' sake: what one copies into the next command."""


def harmless(value: object) -> str:
    """Text for people: None is "", what a terminal would obey is escaped."""
    return "" if value is None else _UNFIT.sub(_escape, str(value))


def json_line(value: Any, *, ascii_only: bool = False) -> str:
    """One line of JSON that is as harmless on a terminal as in a file."""
    return _UNFIT.sub(_escape, json.dumps(value, ensure_ascii=ascii_only))


def _escape(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


class Printer:
    """Prints to one stream in one manner."""

    def __init__(self, *, as_json: bool = False, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self.stream = stream or sys.stdout
        self._ascii = "utf" not in (self.stream.encoding or "").lower()

    def line(self, text: str) -> None:
        """One line for people."""
        self._write(harmless(text))

    def json(self, value: Any) -> None:
        """One line of JSON."""
        self._write(json_line(value, ascii_only=self._ascii))

    def rows(self, rows: Iterable[Mapping[str, Any]], columns: Sequence[str], *, empty: str) -> None:
        """A list: JSON lines with everything, or these columns. `empty` is what a person reads when there is nothing."""
        rows = list(rows)
        if self.as_json:
            for row in rows:
                self.json(row)
        elif not rows:
            print(empty, file=sys.stderr)
        elif self.stream.isatty():
            self._table(rows, columns)
        else:
            for cells in [columns, *([_cell(row.get(column)) for column in columns] for row in rows)]:
                self._write("\t".join(cells))

    def facts(self, row: Mapping[str, Any], names: Sequence[str]) -> None:
        """One thing: a line for each fact that there is."""
        width = max(map(len, names)) + 2
        for name in names:
            if row.get(name) not in (None, "", [], {}):
                self._write(f"{name + ':':{width}}{_cell(row[name])}")

    def _table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:  # what may be wrapped gives way first; the cells themselves are cut, not wrapped
            table.add_column(Text(column, no_wrap=True, overflow="ellipsis"), no_wrap=column in WHOLE, max_width=WIDEST)
        for row in rows:
            table.add_row(*(Text(_cell(row.get(column)), no_wrap=True, overflow="ellipsis") for column in columns))
        Console(file=self.stream, highlight=False).print(table)

    def _write(self, text: str) -> None:
        encoding = self.stream.encoding or "ascii"
        print(text.encode(encoding, "backslashreplace").decode(encoding), file=self.stream)


def _cell(value: object) -> str:
    if isinstance(value, list | tuple) and not any(isinstance(item, dict) for item in value):
        return ", ".join(map(harmless, value))
    return harmless(json_line(value) if isinstance(value, dict | list | tuple) else value)
