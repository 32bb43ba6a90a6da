"""A hook's work on a message: due, begun (counted first), settled or failed; and what follows for the entry.

Called by the dispatcher through `Ledger`. Within one case and hook an unfinished delivery blocks the later ones: only the
head of each line bears a `due_at`, and finishing it hands that on. Once every delivery of an entry is finished, the entry is
done, or dead if one of them is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ..errors import Refused
from ..hooks import Deferred, Filed, Ignored, Outcome, outcome_json
from . import bodies, events, responding
from .events import clean
from .records import Delivery, DeliveryState, DueDelivery
from .sql import load
from .writer import Transaction

_SQL = load("deliveries")
HOOK_REMOVED = "hook_removed"
HOOK_FAILED = "hook_failed"
_DROPPED_AT_ONCE = 500
NO_POLICIES: responding.Policies = MappingProxyType({})


def due_deliveries(
    connection: sqlite3.Connection, now: float, limit: int, excluding: Collection[int], hook: str | None
) -> list[DueDelivery]:
    """Heads of lines whose time has come, longest due first; of one hook, so that a slow one hides nobody else's."""
    statement = _SQL["due"] if hook is None else _SQL["due_of_hook"]
    due: list[DueDelivery] = []
    for row in connection.execute(statement, {"now": now, "hook": hook}):
        if len(due) >= limit:
            break
        if row[0] not in excluding:
            due.append(DueDelivery(*row))
    return due


def next_due(connection: sqlite3.Connection, excluding: Collection[int], hook: str | None) -> float | None:
    """When the first head of a line is due; perhaps already."""
    statement = _SQL["next_due"] if hook is None else _SQL["next_due_of_hook"]
    for identity, due_at in connection.execute(statement, {"hook": hook}):
        if identity not in excluding:
            return float(due_at)
    return None


def begin_delivery(tx: Transaction, delivery: int) -> Delivery:
    counted = tx.connection.execute(_SQL["begin"], {"id": delivery}).fetchone()
    if counted is None:
        raise Refused(f"delivery {delivery} is not due")
    row = tx.connection.execute(_SQL["begun"], {"id": delivery}).fetchone()
    identity, entry, account, folder, hook, key, received_at, body, *about = row
    case, subject, requester, status, new, reference, unverified = about
    return Delivery(
        id=identity,
        entry=entry,
        account=account,
        folder=folder,
        hook=hook,
        attempt=counted[0],
        idempotency_key=key,
        received_at=received_at,
        message=bodies.unpack(body),
        case_id=case,
        case_subject=subject,
        case_requester=requester,
        case_status=status,
        case_is_new=bool(new),
        case_reference=reference,
        unverified=bool(unverified),
    )


def settle_delivery(
    tx: Transaction, delivery: int, outcome: Outcome | None, policies: responding.Policies = NO_POLICIES
) -> None:
    """What the hook answered. An answer to a delivery that is no longer due is kept in the history only."""
    row = _row(tx, delivery)
    if row.state != DeliveryState.DUE:
        _tell(tx, row, "delivery.late", outcome_json(outcome))
    elif isinstance(outcome, Deferred):
        _postpone(tx, row, tx.now + max(0.0, outcome.seconds), "deferred", counted=False)
    elif isinstance(outcome, Ignored):
        _finish(tx, row, DeliveryState.IGNORED, outcome.reason, outcome)
    else:
        if isinstance(outcome, Filed):
            _carry_out(tx, row, outcome)
            if outcome.reply is not None and outcome.reply.strip():
                _reply(tx, row, outcome.reply, policies)
        _finish(tx, row, DeliveryState.DONE, "", outcome)


def fail_delivery(tx: Transaction, delivery: int, error: str, retry_at: float | None) -> None:
    """`retry_at` POSIX seconds; None: it is dead."""
    row = _row(tx, delivery)
    if row.state != DeliveryState.DUE:
        _tell(tx, row, "delivery.late", {"error": error})
    elif retry_at is None:
        _finish(tx, row, DeliveryState.DEAD, error, None)
    else:
        _postpone(tx, row, retry_at, error, counted=True)


def drop_hooks(tx: Transaction, configured: Mapping[str, Sequence[str]], after: int) -> tuple[int, int | None]:
    """Some of the deliveries after id `after`: how many died, and the id to go on from (None: that was all)."""
    waiting = tx.connection.execute(_SQL["waiting"], {"after": after, "most": _DROPPED_AT_ONCE}).fetchall()
    gone = [identity for identity, account, hook in waiting if hook not in configured.get(account, ())]
    for identity in gone:
        _finish(tx, _row(tx, identity), DeliveryState.DEAD, HOOK_REMOVED, None)
    return len(gone), waiting[-1][0] if len(waiting) == _DROPPED_AT_ONCE else None


def revive(tx: Transaction, entry: int) -> int:
    """Every dead delivery of the entry is due again, counted from the start, behind whatever its line is at."""
    return tx.connection.execute(_SQL["revive"], {"entry": entry, "now": tx.now}).rowcount


@dataclass(frozen=True, slots=True)
class _Row:
    id: int
    entry: int
    case: str
    account: str
    hook: str
    state: str
    attempts: int


def _row(tx: Transaction, delivery: int) -> _Row:
    row = tx.connection.execute(_SQL["delivery"], {"id": delivery}).fetchone()
    if row is None:
        raise Refused(f"there is no delivery {delivery}")
    return _Row(delivery, *row)


def _carry_out(tx: Transaction, row: _Row, outcome: Filed) -> None:
    if outcome.reference is not None:
        values = {"case_id": row.case, "hook": row.hook, "reference": clean(outcome.reference)}
        tx.connection.execute(_SQL["set_reference"], values)
    tx.connection.execute(_SQL["touch_case"], {"case_id": row.case, "now": tx.now, "close": outcome.close})


def _reply(tx: Transaction, row: _Row, text: str, policies: responding.Policies) -> None:
    """The hook's text to the requester, once for each idempotency key."""
    key, body, unverified = tx.connection.execute(_SQL["answered"], {"id": row.id}).fetchone()
    about = (row.entry, row.account, row.case, row.hook)
    answered = responding.Answered(key, *about, bodies.unpack(body), unverified_comment=bool(unverified))
    responding.hook_reply(tx, policies, text, answered)


def _postpone(tx: Transaction, row: _Row, due_at: float, reason: str, *, counted: bool) -> None:
    values = {"id": row.id, "due_at": due_at, "reason": clean(reason), "uncounted": 0 if counted else int(row.attempts > 0)}
    tx.connection.execute(_SQL["postpone"], values)
    _tell(tx, row, "delivery.failed" if counted else "delivery.deferred", {"error": reason, "again_at": due_at})


def _finish(tx: Transaction, row: _Row, state: DeliveryState, reason: str, outcome: Outcome | None) -> None:
    answer = outcome_json(outcome) if state is not DeliveryState.DEAD else {}
    values = {"id": row.id, "state": state.value, "reason": clean(reason), "outcome": events.encode(answer)}
    tx.connection.execute(_SQL["finish"], values)
    tx.connection.execute(_SQL["advance"], {"case_id": row.case, "hook": row.hook, "now": tx.now})
    _tell(tx, row, f"delivery.{state}", answer | ({"reason": reason} if reason else {}))
    _settle_entry(tx, row)


def _settle_entry(tx: Transaction, row: _Row) -> None:
    """The entry ends with the last of its deliveries."""
    due, dead, removed = tx.connection.execute(_SQL["unfinished"], {"entry": row.entry}).fetchone()
    if due:
        return
    state, reason = ("done", "") if not dead else ("dead", HOOK_REMOVED if dead == removed else HOOK_FAILED)
    tx.connection.execute(_SQL["settle_entry"], {"entry": row.entry, "state": state, "reason": reason})
    events.write(tx, [(row.entry, row.account, f"message.{state}", {"reason": reason} if reason else {})])


def _tell(tx: Transaction, row: _Row, kind: str, detail: dict[str, Any]) -> None:
    events.write(tx, [(row.entry, row.account, kind, {"hook": row.hook, "attempt": row.attempts} | detail)])
