"""Letting go of what is dealt with, after the time that `[retention]` allows: octets first, then cases, keys last.

`Ledger.retention.sweep` is called by the supervisor once in a while. Readers look for what may go, in windows; the writer
asks again and lets go a little at a time, so that no commit of mail waits long for it. Whatever stops it, the next sweep
begins anew: each step is whole by itself.

Rules of the file
1. Octets go only when every message they are of is done or ignored, and old enough; the digest stays, so that the message
   is still known when a server lists it anew. Unfinished, quarantined and dead mail keeps its octets for ever.
2. A case goes only when all of its messages are done, no reply of it waits, and nothing happened to it for that long. Its
   messages' texts, deliveries and replies go with it; their entries stay as keys. Notifications and alerts that were sent go at
   that age, too.
3. A key goes only when the server confirmed that the message is deleted or moved, when it is in no case, and when nothing
   else names it. A key that the server may list again stays, or the message would be taken for a new one; so do the newest
   ids of all, because an id is never given twice.
4. History of accounts as a whole and the audit are append-only: they go only when they are older than `horizon`, which is moved
   in the same transaction and never goes back.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .sql import load
from .writer import Transaction

_SQL = load("retention")

WINDOW = 500
"""Rows that are looked at in one reading."""
RAW_AT_ONCE = 100
CASES_AT_ONCE = 10
KEYS_AT_ONCE = 200
"""Rows that one commit lets go: some megabytes of mail, a few milliseconds."""


Look = Callable[..., tuple[Any, Sequence[Any]]]
"""Of a reader: what may go in the window behind a place, and that window's end (None: nothing later is old enough)."""
LetGo = Callable[..., int]
"""Of the writer: asks again, lets go, and counts."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Seconds that things are kept once they are dealt with; infinity: for ever."""

    raw: float = math.inf
    attachments: float = math.inf
    cases: float = math.inf
    keys: float = math.inf
    history: float = math.inf


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much a sweep let go."""

    raw: int = 0
    cases: int = 0
    keys: int = 0
    mails: int = 0
    history: int = 0


class Retention:
    """Of one ledger. `write` and `read` run one function on the writer's thread, committed, or on a reader's."""

    def __init__(self, write: Callable[..., Awaitable[Any]], read: Callable[..., Awaitable[Any]]) -> None:
        self._write, self._read = write, read

    async def sweep(self, keep: Keep, now: float) -> Pruned:
        """Let go of all that is due at `now` (POSIX seconds)."""
        raw = cases = keys = mails = history = 0
        if math.isfinite(min(keep.raw, keep.attachments)):
            raw = await self._walk(old_raw, 0, prune_raw, RAW_AT_ONCE, now - keep.raw, now - keep.attachments)
        if math.isfinite(keep.cases):
            cases = await self._walk(old_cases, (-math.inf, 0), prune_cases, CASES_AT_ONCE, now - keep.cases)
            mails = await self._walk(old_mails, 0, prune_mails, KEYS_AT_ONCE, now - keep.cases)
        if math.isfinite(keep.keys):
            keys = await self._walk(old_keys, 0, prune_keys, KEYS_AT_ONCE, now - keep.keys)
        if math.isfinite(keep.history):
            history = await self._walk(old_account_events, 0, prune_account_events, KEYS_AT_ONCE, now - keep.history)
            history += await self._walk(old_orders, 0, prune_orders, KEYS_AT_ONCE, now - keep.history)
        return Pruned(raw, cases, keys, mails, history)

    async def _walk(self, look: Look, after: Any, let_go: LetGo, at_once: int, *before: float) -> int:
        """Look at window after window, beginning behind `after`, and let go of what each found, `at_once` a commit."""
        pruned = 0
        while True:
            last, found = await self._read(look, after, *before)
            for some in _slices(found, at_once):
                pruned += await self._write(let_go, some, *before)
            if last is None:
                return pruned
            after = last


# --- octets ------------------------------------------------------------------------------------------------------------


def old_raw(connection: sqlite3.Connection, after: int, plain: float, attached: float) -> tuple[int | None, list[int]]:
    """The next octets that may go, and where to go on; None: what follows is too young. Ids ascend with age."""
    window = [row[0] for row in connection.execute(_SQL["kept_raw"], {"after": after, "most": WINDOW})]
    ids = json.dumps(window)
    found = _ids(connection.execute(_SQL["prunable_raw"], {"window": ids, **_before(plain, attached)}))
    oldest = connection.execute(_SQL["oldest_of_window"], {"window": ids}).fetchone()[0]
    young = oldest is None or oldest >= max(plain, attached)
    return (None if len(window) < WINDOW or (young and not found) else window[-1]), found


def prune_raw(tx: Transaction, ids: Sequence[int], plain: float, attached: float) -> int:
    window = {"window": json.dumps(ids), **_before(plain, attached)}
    found = _ids(tx.connection.execute(_SQL["prunable_raw"], window))
    tx.connection.executemany(_SQL["prune_raw"], [{"id": raw} for raw in found])
    tx.connection.execute(_SQL["vacuum"]).fetchall()
    return len(found)


def _before(plain: float, attached: float) -> dict[str, float]:
    return {"plain": plain, "attached": attached}


# --- cases -------------------------------------------------------------------------------------------------------------


def old_cases(
    connection: sqlite3.Connection, after: tuple[float, int], before: float
) -> tuple[tuple[float, int] | None, list[str]]:
    """The next cases that may go, and where to go on."""
    values = {"updated_at": after[0], "number": after[1], "before": before, "most": WINDOW}
    window = connection.execute(_SQL["old_cases"], values).fetchall()
    numbers = json.dumps([number for number, _ in window])
    found = _ids(connection.execute(_SQL["prunable_cases"], {"window": numbers, "before": before}))
    last = (window[-1][1], window[-1][0]) if len(window) == WINDOW else None
    return last, found


def prune_cases(tx: Transaction, ids: Sequence[str], before: float) -> int:
    numbers = _ids(tx.connection.execute(_SQL["case_numbers"], {"cases": json.dumps(ids)}))
    found = _ids(tx.connection.execute(_SQL["prunable_cases"], {"window": json.dumps(numbers), "before": before}))
    for statement in CASE_PARTS:
        tx.connection.execute(statement, {"cases": json.dumps(found)})
    tx.connection.execute(_SQL["vacuum"]).fetchall()
    return len(found)


# --- mail to people of ours --------------------------------------------------------------------------------------------


def old_mails(connection: sqlite3.Connection, after: int, before: float) -> tuple[int | None, list[int]]:
    """The next that may go, and where to go on; None: what follows is too young."""
    rows = connection.execute(_SQL["old_mails"], {"after": after, "most": KEYS_AT_ONCE}).fetchall()
    found = [id for id, at, may_go in rows if may_go and at < before]
    ends = len(rows) < KEYS_AT_ONCE or rows[-1][1] >= before
    return (None if ends else rows[-1][0]), found


def prune_mails(tx: Transaction, ids: Sequence[int], before: float) -> int:
    """`before` was asked for already: what was sent can only get older."""
    gone = tx.connection.execute(_SQL["prune_mails"], {"mails": json.dumps(ids)}).rowcount
    tx.connection.execute(_SQL["vacuum"]).fetchall()
    return gone


# --- keys --------------------------------------------------------------------------------------------------------------


def old_keys(connection: sqlite3.Connection, after: int, before: float) -> tuple[int | None, list[int]]:
    """The next entries that may go, and where to go on; None: what follows is too young."""
    window = [row[0] for row in connection.execute(_SQL["gone_entries"], {"after": after, "most": WINDOW})]
    ids = json.dumps(window)
    found = _ids(connection.execute(_SQL["prunable_entries"], {"window": ids, "before": before}))
    oldest = connection.execute(_SQL["oldest_of_entries"], {"window": ids}).fetchone()[0]
    young = oldest is None or oldest >= before
    return (None if len(window) < WINDOW or (young and not found) else window[-1]), found


def prune_keys(tx: Transaction, ids: Sequence[int], before: float) -> int:
    values = {"window": json.dumps(ids), "before": before}
    found = _ids(tx.connection.execute(_SQL["prunable_entries"], values))
    entries = {"entries": json.dumps(found)}
    raws = _ids(tx.connection.execute(_SQL["key_raws"], entries))
    for statement in KEY_PARTS:
        tx.connection.execute(statement, entries)
    tx.connection.execute(_SQL["remove_raw"], {"raws": json.dumps(raws)})
    tx.connection.execute(_SQL["vacuum"]).fetchall()
    return len(found)


def still_listed(tx: Transaction, ids: Sequence[int]) -> None:
    """The server lists what it said was deleted or moved: such a key is never let go."""
    tx.connection.execute(_SQL["still_listed"], {"entries": json.dumps(ids)})


# --- history of accounts, and the audit --------------------------------------------------------------------------------


def old_account_events(connection: sqlite3.Connection, after: int, before: float) -> tuple[int | None, list[int]]:
    return _old_lines(connection, _SQL["old_account_events"], after, before)


def prune_account_events(tx: Transaction, ids: Sequence[int], before: float) -> int:
    return _prune_lines(tx, _SQL["prune_account_events"], ids, before)


def old_orders(connection: sqlite3.Connection, after: int, before: float) -> tuple[int | None, list[int]]:
    return _old_lines(connection, _SQL["old_orders"], after, before)


def prune_orders(tx: Transaction, ids: Sequence[int], before: float) -> int:
    return _prune_lines(tx, _SQL["prune_orders"], ids, before)


def _old_lines(connection: sqlite3.Connection, statement: str, after: int, before: float) -> tuple[int | None, list[int]]:
    """The next lines that may go, and where to go on; None: what follows is too young, or the end."""
    rows = connection.execute(statement, {"after": after, "most": WINDOW}).fetchall()
    found = [id for id, at in rows if at < before]
    return (rows[-1][0] if len(found) == WINDOW else None), found


def _prune_lines(tx: Transaction, statement: str, ids: Sequence[int], before: float) -> int:
    tx.connection.execute(_SQL["move_horizon"], {"before": before})
    gone = tx.connection.execute(statement, {"lines": json.dumps(ids), "before": before}).rowcount
    tx.connection.execute(_SQL["vacuum"]).fetchall()
    return gone


CASE_PARTS = (
    _SQL["case_part_deliveries"],
    _SQL["case_part_responses"],
    _SQL["case_part_attachments"],
    _SQL["case_part_message_ids"],
    _SQL["case_part_messages"],
    _SQL["case_part_participants"],
    _SQL["case_part_references"],
    _SQL["case_part_itself"],
)
KEY_PARTS = (
    _SQL["key_part_announced"],
    _SQL["key_part_attachments"],
    _SQL["key_part_messages"],
    _SQL["key_part_events"],
    _SQL["key_part_itself"],
    _SQL["key_part_end"],
)
"""What goes with a case or a key, in this order: rows that name others first."""


def _ids(cursor: sqlite3.Cursor) -> list[Any]:
    return [row[0] for row in cursor]


def _slices(ids: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [ids[at : at + size] for at in range(0, len(ids), size)]
