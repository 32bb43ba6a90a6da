"""What a person orders: retry, release, pause; and the small writes around them.

Called by admin and the command line through `Ledger`. A verb that the state of its object does not allow raises Refused with
a sentence for the person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import Refused
from . import deliveries, events
from .records import State
from .sql import load
from .writer import Transaction

_SQL = load("queries")


def retry(tx: Transaction, entry: int) -> str:
    """Dead → filed with its dead deliveries due again; accepted, to be parsed again, when it was never filed."""
    account, state, reason, _ = _entry(tx, entry)
    if state != State.DEAD:
        raise Refused(f"entry {entry} is {_phrase(state, reason)}; only a dead one can be retried")
    revived = deliveries.revive(tx, entry)
    return _move(tx, entry, account, State.FILED if revived else State.ACCEPTED, "message.retried", {"deliveries": revived})


def release(tx: Transaction, entry: int) -> str:
    """Quarantined → accepted; where the octets are not here whole it stays, and is fetched again whatever its size."""
    account, state, reason, extent = _entry(tx, entry)
    if state != State.QUARANTINED:
        raise Refused(f"entry {entry} is {_phrase(state, reason)}; only a quarantined one can be released")
    if extent == "whole":
        return let_through(tx, entry, account, {})
    tx.connection.execute(_SQL["want"], {"id": entry})
    events.write(tx, [(entry, account, "message.released", {"fetch": True})])
    return State.QUARANTINED.value


def let_through(tx: Transaction, entry: int, account: str, detail: Mapping[str, Any]) -> str:
    """Quarantined → accepted, of an entry whose octets are here whole."""
    return _move(tx, entry, account, State.ACCEPTED, "message.released", detail)


def set_paused(tx: Transaction, account: str, paused: bool) -> None:
    tx.connection.execute(_SQL["set_paused"], {"account": account, "paused": paused})
    events.write(tx, [(None, account, "account.paused" if paused else "account.resumed", {})])


def record(tx: Transaction, account: str, kind: str, detail: Mapping[str, Any]) -> None:
    events.write(tx, [(None, account, kind, detail)])


def set_secret(tx: Transaction, name: str, sealed: bytes | None) -> None:
    if sealed is None:
        tx.connection.execute(_SQL["remove_secret"], (name,))
    else:
        tx.connection.execute(_SQL["set_secret"], (name, sealed, tx.now))


def reseal(tx: Transaction, anew: Callable[[str, bytes], bytes | None]) -> int:
    """Every secret as `anew` gives it; None leaves it as it is. How many were changed."""
    changed = [
        (name, sealed, tx.now)
        for name, before in tx.connection.execute(_SQL["secrets"]).fetchall()
        if (sealed := anew(name, before)) is not None
    ]
    tx.connection.executemany(_SQL["set_secret"], changed)
    return len(changed)


def probe(tx: Transaction) -> None:
    tx.connection.execute(_SQL["probe"])


def _move(tx: Transaction, entry: int, account: str, state: State, kind: str, detail: Mapping[str, Any]) -> str:
    tx.connection.execute(_SQL["set_state"], {"id": entry, "state": state.value})
    events.write(tx, [(entry, account, kind, detail)])
    return state.value


def _entry(tx: Transaction, entry: int) -> tuple[str, str, str, str]:
    row = tx.connection.execute(_SQL["verb_entry"], (entry,)).fetchone()
    if row is None:
        raise Refused(f"there is no entry {entry}")
    account, state, reason, extent = row
    return account, state, reason, extent


def _phrase(state: str, reason: str) -> str:
    return f"{state} ({reason})" if reason else state
