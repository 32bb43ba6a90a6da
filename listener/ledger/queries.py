"""What people, the API and health checks read: lists, one case, one message's whole history, counts.

Called through `Ledger` on a reader's connection. Lists are the contract's JSON objects, newest first; times are RFC 3339 in
UTC. Every query is bounded and finds its rows by an index, so that none grows with old mail (a test reads the query plans).
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from ..message.model import InboundMessage
from . import bodies
from .records import Backlog, Row, State
from .sql import load

_SQL = load("queries")
NEWEST = 2**63 - 1
_LINK = ("case", "subject", "status", "kind", "why", "direction")
LONGEST_LIST = 1_000
"""The most that one call lists, of messages, cases, a case's messages or an entry's events."""


def messages(
    connection: sqlite3.Connection, state: str | None, account: str | None, limit: int, before: int | None
) -> list[Row]:
    most = min(limit, LONGEST_LIST)
    values: dict[str, Any] = {"before": NEWEST if before is None else before, "most": most, "account": account}
    if account is None:
        name = "newest" if state is None else "newest_of_state"
        found = _ids(connection, name, values | {"state": state})
    else:
        states = [state] if state is not None else list(State)
        found = [entry for one in states for entry in _ids(connection, "newest_of_account", values | {"state": one})]
    return [message_row(connection, entry) for entry in sorted(found, reverse=True)[:most]]


def _ids(connection: sqlite3.Connection, name: str, values: Mapping[str, Any]) -> list[int]:
    return [row[0] for row in connection.execute(_SQL[name], values)]


def message_row(connection: sqlite3.Connection, entry: int) -> Row:
    """The contract's message object. The entry must exist."""
    row = connection.execute(_SQL["entry_row"], (entry,)).fetchone()
    return _message_row(row)


def _message_row(row: tuple[Any, ...]) -> Row:
    identity, account, state, kind, message_id, subject, sender, received_at, case, reason, duplicate_of, _ = row
    return {
        "id": identity,
        "account": account,
        "state": state,
        "kind": kind,
        "message_id": message_id,
        "subject": subject,
        "from": sender,
        "received_at": rfc3339(received_at),
        "case": case,
        "reason": f"duplicate of {duplicate_of}" if duplicate_of is not None else reason or None,
    }


def _in_case(connection: sqlite3.Connection, entry: int) -> Row:
    """A message's row, and how it stands in its case."""
    row = connection.execute(_SQL["entry_row"], (entry,)).fetchone()
    return _message_row(row) | {"unverified": row[-1] == "unverified", "note": row[-1] == "note"}


def cases(connection: sqlite3.Connection, account: str | None, limit: int, before: str | None) -> list[Row]:
    newest: int = NEWEST
    if before is not None:
        number = connection.execute(_SQL["case_number"], (before,)).fetchone()
        if number is None:
            return []
        newest = number[0]
    name = "newest_cases" if account is None else "newest_cases_of_account"
    values = {"before": newest, "most": min(limit, LONGEST_LIST), "account": account}
    return [case_row(connection, case) for (case,) in connection.execute(_SQL[name], values).fetchall()]


def case_row(connection: sqlite3.Connection, case: str) -> Row:
    row = connection.execute(_SQL["case_row"], (case,)).fetchone()
    names = ("id", "account", "subject", "requester", "status", "messages", "reference")
    return dict(zip(names, row[1:8], strict=True)) | {"updated_at": rfc3339(row[8])}


def case(connection: sqlite3.Connection, identity: str) -> Row | None:
    """The case with its messages in order (the newest LONGEST_LIST of them), participants, links, references and notes."""
    if connection.execute(_SQL["case_number"], (identity,)).fetchone() is None:
        return None
    about = {"case_id": identity, "most": LONGEST_LIST}
    newest = _ids(connection, "case_entries", about)
    people = connection.execute(_SQL["case_participants"], about)
    links = connection.execute(_SQL["case_links"], about)
    notes = connection.execute(_SQL["case_notes"], (identity,)).fetchmany(LONGEST_LIST)
    return case_row(connection, identity) | {
        "entries": [_in_case(connection, entry) for entry in reversed(newest)],
        "participants": [{"name": name, "address": address, "role": role} for address, name, role in people],
        "related": [dict(zip(_LINK, row[:-1], strict=True)) for row in links],
        "references": dict(connection.execute(_SQL["case_references"], (identity,)).fetchall()),
        "notes": [{"entry": entry, "hook": hook, "note": note} for entry, hook, note in notes],
    }


def explain(connection: sqlite3.Connection, entry: int) -> Row | None:
    """The message's row, where it came from, and everything that happened to it."""
    found = connection.execute(_SQL["explain"], (entry,)).fetchone()
    if found is None:
        return None
    folder, unique_id, size, extent, owed, attempts, accepted_at, raw = found
    newest = connection.execute(_SQL["events"], {"entry": entry, "most": LONGEST_LIST}).fetchall()
    kept = raw is not None and bool(connection.execute(_SQL["has_raw"], (raw,)).fetchone()[0])
    return _in_case(connection, entry) | {
        "folder": folder,
        "unique_id": unique_id,
        "size": size,
        "extent": extent,
        "owed": bool(owed),
        "attempts": attempts,
        "accepted_at": rfc3339(accepted_at),
        "raw": kept,
        "events": [{"at": rfc3339(at), "kind": kind} | json.loads(detail) for at, kind, detail in reversed(newest)],
        "deliveries": [_delivery_row(row) for row in connection.execute(_SQL["entry_deliveries"], (entry,))],
    }


def _delivery_row(row: tuple[Any, ...]) -> Row:
    identity, hook, state, attempts, due_at, reason, key, outcome = row
    head = {"id": identity, "hook": hook, "state": state, "attempts": attempts, "due_at": rfc3339(due_at)}
    return head | {"reason": reason or None, "idempotency_key": key, "answer": json.loads(outcome)}


def account_events(connection: sqlite3.Connection, account: str, limit: int, before: int | None) -> list[Row]:
    """What happened to the account as a whole, newest first."""
    values = {"account": account, "before": NEWEST if before is None else before, "most": min(limit, LONGEST_LIST)}
    rows = connection.execute(_SQL["account_events"], values)
    return [{"id": identity, "at": rfc3339(at), "kind": kind} | json.loads(detail) for identity, at, kind, detail in rows]


def message(connection: sqlite3.Connection, entry: int) -> InboundMessage | None:
    row = connection.execute(_SQL["body"], (entry,)).fetchone()
    return bodies.unpack(row[0]) if row else None


def read_raw(connection: sqlite3.Connection, entry: int) -> bytes | None:
    row = connection.execute(_SQL["raw"], (entry,)).fetchone()
    return cast("bytes | None", row[0]) if row else None


def read_digest(connection: sqlite3.Connection, entry: int) -> bytes | None:
    row = connection.execute(_SQL["raw_digest"], (entry,)).fetchone()
    return cast("bytes | None", row[0]) if row else None


def backlog(connection: sqlite3.Connection, account: str) -> Backlog:
    """What waits to be filed or delivered; the oldest by when the server received it."""
    return Backlog(*connection.execute(_SQL["backlog"], {"account": account}).fetchone())


def oldest_unprocessed(connection: sqlite3.Connection) -> dict[str, float]:
    """When the oldest message of each unfinished state came in, POSIX seconds; 0: there is none."""
    return {state: at or 0.0 for state, at in connection.execute(_SQL["oldest_unprocessed"])}


def counts(connection: sqlite3.Connection) -> dict[tuple[str, str, str], int]:
    return {(account, state, reason): number for account, state, reason, number in connection.execute(_SQL["counts"])}


def paused(connection: sqlite3.Connection) -> set[str]:
    return {account for (account,) in connection.execute(_SQL["paused"])}


def secret(connection: sqlite3.Connection, name: str) -> bytes | None:
    row = connection.execute(_SQL["secret"], (name,)).fetchone()
    return cast(bytes, row[0]) if row else None


def rfc3339(seconds: float | None) -> str | None:
    """POSIX seconds as text; None for None and for what no calendar has."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
    except (OverflowError, OSError, ValueError):
        return None
