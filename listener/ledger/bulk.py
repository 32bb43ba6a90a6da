"""Many rows in one statement: SQLite opens a table's cursors once a statement, which costs more than a row does.

`insert` takes a single-row statement as the .sql files have it, with plain `?` values, and repeats its row.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import Any

ROWS = 50
"""Rows a statement; what is left over goes one by one, so that few statements need preparing."""

_ROW = re.compile(r"VALUES\s*(\([^()]*\))")


def insert(connection: sqlite3.Connection, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """The same as executemany, in order."""
    whole = len(rows) - len(rows) % ROWS
    for start in range(0, whole, ROWS):
        connection.execute(_repeated(statement), [value for row in rows[start : start + ROWS] for value in row])
    if whole < len(rows):
        connection.executemany(statement, rows[whole:])


@cache
def _repeated(statement: str) -> str:
    return _ROW.sub(lambda found: "VALUES " + ", ".join([found[1]] * ROWS), statement, count=1)
