"""The lists of messages and cases by what people look for: account, state, kind, time, words; a page at a time, newest first.

A page walks the one index that fits the question best and looks at no more than `EXAMINED` rows, whatever else is asked: a page
may then hold fewer rows than wanted, or none, and still say where the next one begins. So no question reads a whole table, and
none is answered incompletely. Words are found by their beginnings in subjects and senders; `index` reads what is new, a little
at a time, outside the transactions in which mail is filed.
"""

from __future__ import annotations

import heapq
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from . import queries
from .access import Run
from .records import Row, State
from .sql import load
from .writer import Transaction

_SQL = load("search")

EXAMINED = 10_000
"""Rows that one page looks at."""
FEW = 5_000
"""An account with no more messages than that is walked whole rather than by time."""
MAX_WORDS = 8
MAX_WORD = 64
"""Words of a question that count, and their characters."""
EVENTS_AT_ONCE = 500
"""Events whose messages' words are read in one transaction: some milliseconds of the writer's time."""
FAR = 1e18
"""Later than any message."""
_WORD = re.compile(r"[^\W_]+")

Candidate = tuple[int, float, int]
"""Id, time, and whether the other filters keep it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: everything before that id, or in a walk by time before that time and id."""

    id: int
    at: float | None = None


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """What is looked for. Times are POSIX seconds of receipt: `since` included, `until` not."""

    account: str | None = None
    state: str | None = None
    kind: str | None = None
    since: float | None = None
    until: float | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """What is looked for."""

    account: str | None = None
    status: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """One page; `next` is where to go on, None at the end."""

    rows: list[Row]
    next: Place | None


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of the history, without its story."""

    id: int
    entry: int | None
    account: str
    kind: str
    case: str | None


class Search:
    """Reached as `ledger.search`; made by the ledger."""

    def __init__(self, write: Run, read: Run) -> None:
        self._write, self._read = write, read

    async def messages(self, wanted: MessageFilter, *, limit: int = 50, after: Place | None = None) -> Found:
        """One page of messages."""
        found: Found = await self._read(messages, wanted, limit, after)
        return found

    async def cases(self, wanted: CaseFilter, *, limit: int = 50, after: Place | None = None) -> Found:
        """One page of cases; times do not count in their place."""
        found: Found = await self._read(cases, wanted, limit, after)
        return found

    async def case_number(self, id: str) -> int | None:
        """Where a case stands in the order of making."""
        number: int | None = await self._read(_case_number, id)
        return number

    async def last_event(self) -> int:
        """The newest event's id; 0: nothing ever happened."""
        newest: int = await self._read(_last_event)
        return newest

    async def history(self, after: int, most: int) -> list[Happened]:
        """What happened after that event, oldest first."""
        happened: list[Happened] = await self._read(_history, after, most)
        return happened

    async def totals(self, account: str | None = None) -> dict[str, int]:
        """How many messages are in each state, of one account or of all; states without any are left out."""
        found: dict[str, int] = await self._read(_totals, account)
        return found

    async def busy(self) -> list[str]:
        """Accounts with messages that are not yet dealt with."""
        accounts: list[str] = await self._read(_busy)
        return accounts

    async def oldest_unprocessed(self, accounts: Iterable[str]) -> dict[str, float]:
        """When the first message in line came in (POSIX seconds), of those of these accounts that have one."""
        found: dict[str, float] = await self._read(_oldest_unprocessed, list(accounts))
        return found

    async def index(self, most: int = EVENTS_AT_ONCE) -> int:
        """Read the words of what is new, of so many events at most; 0 when there is nothing new. Changes nothing else."""
        if not await self._read(behind):
            return 0
        done: int = await self._write(index, most)
        return done


def words(text: str) -> str | None:
    """The question as full-text search reads it: every word by its beginning, a single letter as a word; None without any."""
    found = [word[:MAX_WORD] for word in _WORD.findall(text)[:MAX_WORDS]]
    return " ".join(f'"{word}"*' if len(word) > 1 else f'"{word}"' for word in found) or None


def messages(connection: sqlite3.Connection, wanted: MessageFilter, limit: int, after: Place | None) -> Found:
    ids, following = _page(_message_walk(connection, wanted, after), min(limit, queries.LONGEST_LIST))
    rows = [queries.message_row(connection, id) for id in ids]
    return Found(rows, following if _by_time(connection, wanted, after) else _plain(following))


def cases(connection: sqlite3.Connection, wanted: CaseFilter, limit: int, after: Place | None) -> Found:
    numbers, following = _page(_case_walk(connection, wanted, after), min(limit, queries.LONGEST_LIST))
    ids = [connection.execute(_SQL["case_of_number"], (number,)).fetchone()[0] for number in numbers]
    return Found([queries.case_row(connection, id) for id in ids], _plain(following))


def _page(walk: Iterable[Candidate], most: int) -> tuple[list[int], Place | None]:
    """The first that are kept, and where to go on."""
    kept: list[int] = []
    for looked_at, (id, at, keep) in enumerate(walk, 1):
        if keep:
            kept.append(id)
        if len(kept) == most or looked_at == EXAMINED:
            return kept, Place(id, at)
    return kept, None


def _plain(place: Place | None) -> Place | None:
    return None if place is None else Place(place.id)


def _message_walk(connection: sqlite3.Connection, wanted: MessageFilter, after: Place | None) -> Iterator[Candidate]:
    values: dict[str, Any] = {
        "account": wanted.account,
        "state": wanted.state,
        "kind": wanted.kind,
        "since": wanted.since,
        "until": wanted.until,
        "text": words(wanted.text) if wanted.text is not None else None,
        "before": queries.NEWEST if after is None else after.id,
        "examined": EXAMINED,
    }
    if wanted.text is not None:
        yield from connection.execute(_SQL["messages_by_text"], values) if values["text"] else ()
    elif _by_time(connection, wanted, after):
        yield from _walk_by_time(connection, values, after)
    elif wanted.account is not None:
        states = [wanted.state] if wanted.state is not None else list(State)
        walks = [connection.execute(_SQL["messages_by_account"], values | {"state": state}) for state in states]
        yield from heapq.merge(*walks, key=_newest_first)
    else:
        by_state = "messages_by_id" if wanted.state is None else "messages_by_state"
        yield from connection.execute(_SQL[by_state if wanted.kind is None else "messages_by_kind"], values)


def _walk_by_time(connection: sqlite3.Connection, values: Mapping[str, Any], after: Place | None) -> Iterator[Candidate]:
    """`until` is excluded by a place before every id at that time."""
    end = FAR if values["until"] is None else values["until"]
    at, before = (end, 0) if after is None or after.at is None else (after.at, after.id)
    bounds = {"since": values["since"] or -FAR, "at": at, "before": before}
    yield from connection.execute(_SQL["messages_by_time"], {**values, **bounds})


def _by_time(connection: sqlite3.Connection, wanted: MessageFilter, after: Place | None) -> bool:
    """Whether the walk goes by time. A walk that began one way goes on that way."""
    if after is not None:
        return after.at is not None
    if wanted.text is not None or (wanted.since is None and wanted.until is None):
        return False
    return wanted.account is None or connection.execute(_SQL["messages_of_account"], (wanted.account,)).fetchone()[0] > FEW


def _newest_first(candidate: Candidate) -> int:
    return -candidate[0]


def _case_walk(connection: sqlite3.Connection, wanted: CaseFilter, after: Place | None) -> Iterator[Candidate]:
    values = {"account": wanted.account, "status": wanted.status, "examined": EXAMINED}
    values |= {"before": queries.NEWEST if after is None else after.id}
    if wanted.text is not None:
        asked = words(wanted.text)
        yield from connection.execute(_SQL["cases_by_text"], values | {"text": asked}) if asked else ()
        return
    by_status = "cases_by_number" if wanted.status is None else "cases_by_status"
    yield from connection.execute(_SQL[by_status if wanted.account is None else "cases_by_account"], values)


def _case_number(connection: sqlite3.Connection, id: str) -> int | None:
    row = connection.execute(_SQL["number_of_case"], (id,)).fetchone()
    return int(row[0]) if row else None


def _totals(connection: sqlite3.Connection, account: str | None) -> dict[str, int]:
    name = "totals" if account is None else "totals_of_account"
    return dict(connection.execute(_SQL[name], {"account": account}).fetchall())


def _busy(connection: sqlite3.Connection) -> list[str]:
    return [account for (account,) in connection.execute(_SQL["busy"])]


def _last_event(connection: sqlite3.Connection) -> int:
    return int(connection.execute(_SQL["last_event"]).fetchone()[0])


def _history(connection: sqlite3.Connection, after: int, most: int) -> list[Happened]:
    return [Happened(*row) for row in connection.execute(_SQL["events_after"], (after, most))]


def _oldest_unprocessed(connection: sqlite3.Connection, accounts: list[str]) -> dict[str, float]:
    rows = connection.execute(_SQL["oldest_unprocessed"], (json.dumps(accounts),))
    return {
        account: min(at for at in times if at is not None) for account, *times in rows if any(at is not None for at in times)
    }


def index(tx: Transaction, most: int) -> int:
    """Read the words of messages that the next so many events are about, and of cases; how much there was to do."""
    rows = tx.connection.execute(_SQL["text_events"], (most,)).fetchall()
    entries = sorted({entry for _, entry in rows if entry is not None})
    due = {name: [id for (id,) in tx.connection.execute(_SQL["text_due"], (name, most))] for name in ("messages", "cases")}
    fresh = [id for (id,) in tx.connection.execute(_SQL["unindexed_messages"], (json.dumps(entries),))]
    opened = [number for (number,) in tx.connection.execute(_SQL["opened_cases"], (json.dumps(fresh),))]
    _read_words(tx, {*fresh, *due["messages"]}, "forget_messages", "index_messages")
    _read_words(tx, {*opened, *due["cases"]}, "forget_cases", "index_cases")
    if rows:
        tx.connection.execute(_SQL["text_state"], (rows[-1][0],))
    for name, ids in due.items():
        tx.connection.execute(_SQL["text_done"], (name, json.dumps(ids)))
    return len(rows) + len(due["messages"]) + len(due["cases"])


def _read_words(tx: Transaction, ids: set[int], forget: str, add: str) -> None:
    """Anew for those that are there, not at all for those that are gone."""
    if ids:
        asked = json.dumps(sorted(ids))
        tx.connection.execute(_SQL[forget], (asked,))
        tx.connection.execute(_SQL[add], (asked,))


def behind(connection: sqlite3.Connection) -> bool:
    """Is there anything new to read?"""
    return bool(connection.execute(_SQL["text_behind"]).fetchone()[0])
