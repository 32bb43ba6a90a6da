"""The history of messages for those who follow along: which ended lately, and everything that happened to one, with its times.

Reached as `ledger.stories`; read by the exporter of traces. Whoever follows keeps the number of the last event it saw.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .records import State
from .sql import load

_SQL = load("stories")
ENDED = frozenset({State.DONE, State.IGNORED, State.QUARANTINED, State.DEAD})
MAX_EVENTS = 500
"""Of one message: more than that is a retry loop, and its beginning and end say enough."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One event: POSIX seconds, a fixed word, and what belongs to it."""

    at: float
    kind: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Story:
    """One message's history so far. `received_at` is the server's word for when it came, if it gave one."""

    entry: int
    account: str
    state: str
    message_kind: str
    received_at: float | None
    events: tuple[Happening, ...]


class Stories:
    """Of one ledger. `read` runs a function on a reader's thread."""

    def __init__(self, read: Callable[..., Awaitable[Any]]) -> None:
        self._read = read

    async def last_event(self) -> int:
        """The number of the newest event."""
        number: int = await self._read(last_event)
        return number

    async def ended_after(self, event: int, limit: int) -> tuple[int, list[Story]]:
        """Messages that ended (done, ignored, quarantined, dead) after that event, and the number to go on from."""
        answer: tuple[int, list[Story]] = await self._read(ended_after, event, limit)
        return answer


def last_event(connection: sqlite3.Connection) -> int:
    number: int = connection.execute(_SQL["last_event"]).fetchone()[0]
    return number


def ended_after(connection: sqlite3.Connection, event: int, limit: int) -> tuple[int, list[Story]]:
    newest = last_event(connection)
    rows = connection.execute(_SQL["ended_after"], {"after": event, "most": limit}).fetchall()
    found = [_story(connection, entry) for entry in dict.fromkeys(entry for _, entry in rows)]
    return (rows[-1][0] if len(rows) == limit else newest), [story for story in found if story.state in ENDED]


def _story(connection: sqlite3.Connection, entry: int) -> Story:
    account, state, received_at, kind = connection.execute(_SQL["head"], (entry,)).fetchone()
    rows = connection.execute(_SQL["events_of"], {"entry": entry, "most": MAX_EVENTS})
    events = tuple(Happening(at, word, json.loads(detail)) for at, word, detail in rows)
    return Story(entry, account, state, kind or "", received_at, events)
