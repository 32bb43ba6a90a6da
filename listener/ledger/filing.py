"""From accepted to filed: which entries are due, and the one transaction in which a batch gets its cases and deliveries.

Called by the dispatcher through `Ledger`. Messages are filed in the order given, each seeing those before it, so that a
question and its answer in one page share a case. A case's id and a delivery's idempotency key are derived from account and
content alone: they are the same after a crash, and after a lost ledger.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from .. import cases
from ..errors import Refused
from ..message.model import Address, InboundMessage
from . import bodies, bulk, events, flood
from .events import clean
from .records import DueEntry, Parsed, State
from .sql import load
from .writer import Transaction

_SQL = load("filing")
_COPY = 1
"""Which of several messages with equal octets is filed: always the first, the others are ignored(duplicate)."""
_CASE_ID_OCTETS = 8
_CASE_DRAWS = 1_000
MAX_PARTICIPANTS = 50
"""How many addresses of one message are kept as participants of its case."""


def due_entries(
    connection: sqlite3.Connection, epoch: int, limit: int, max_octets: int, excluding: Collection[int]
) -> list[DueEntry]:
    """Those of earlier process lives first, then in order of arrival; at least one, however large."""
    chosen: list[int] = []
    octets = 0
    for entry, size in connection.execute(_SQL["due_entries"]):
        if entry in excluding:
            continue
        octets += size or 0
        if len(chosen) >= limit or (chosen and octets > max_octets):
            break
        chosen.append(entry)
    return [_due_entry(connection, entry, epoch) for entry in chosen]


def _due_entry(connection: sqlite3.Connection, entry: int, epoch: int) -> DueEntry:
    account, folder, received_at, life, attempts, octets, released = connection.execute(_SQL["due_entry"], (entry,)).fetchone()
    return DueEntry(entry, account, folder, received_at, life < epoch or attempts > 0, attempts, octets, released)


def parse_attempted(tx: Transaction, entry: int) -> int:
    row = tx.connection.execute(_SQL["parse_attempted"], {"id": entry}).fetchone()
    if row is None:
        raise Refused(f"entry {entry} does not wait to be parsed")
    return cast(int, row[0])


def file(tx: Transaction, batch: Sequence[Parsed], hooks: Mapping[str, Sequence[str]]) -> list[tuple[int, str | None]]:
    """Each entry's case, None where it ended before one."""
    filing = _Filing(tx, hooks)
    filing.look_up(batch)
    answer = [(parsed.entry, filing.one(parsed)) for parsed in batch]
    filing.write()
    return answer


def keep_headers(tx: Transaction, account: str, folder: str, heads: Mapping[str, InboundMessage]) -> None:
    """What the header of messages too large to fetch says, by unique id, so that people see whose they are."""
    filing = _Filing(tx, {})
    for unique_id, message in heads.items():
        row = tx.connection.execute(_SQL["held_by_header"], (account, folder, unique_id)).fetchone()
        if row is not None:
            filing._keep(row[0], message, None)
    filing.write()


def filed_where(connection: sqlite3.Connection, account: str, message_ids: Sequence[str]) -> dict[str, str]:
    """The case of each Message-ID that is filed in this account; of the first, where an id was used again."""
    by_id = {clean(message_id): message_id for message_id in message_ids}
    values = {"account": account, "message_ids": json.dumps(list(by_id))}
    return {by_id[key]: case for key, case in connection.execute(_SQL["filed_where"], values) if case}


@dataclass(slots=True)
class _Filing:
    """A batch on its way; new rows are collected and written together."""

    tx: Transaction
    hooks: Mapping[str, Sequence[str]]
    entries: dict[int, tuple[str, str, bytes]] = field(default_factory=dict)
    filed: dict[tuple[str, str], str] = field(default_factory=dict)
    busy: dict[tuple[str, str], bool] = field(default_factory=dict)
    messages: list[tuple[Any, ...]] = field(default_factory=list)
    message_ids: list[tuple[Any, ...]] = field(default_factory=list)
    attachments: list[tuple[Any, ...]] = field(default_factory=list)
    participants: list[tuple[Any, ...]] = field(default_factory=list)
    deliveries: list[tuple[Any, ...]] = field(default_factory=list)
    states: dict[tuple[State, str], list[int]] = field(default_factory=dict)
    happened: list[events.Event] = field(default_factory=list)
    limited: flood.Flood = field(init=False)

    def __post_init__(self) -> None:
        self.limited = flood.Flood(self.tx, ())

    def look_up(self, batch: Sequence[Parsed]) -> None:
        ids = json.dumps([parsed.entry for parsed in batch])
        self.entries = {entry: (account, state, digest) for entry, account, state, digest in self._select("to_file", ids)}
        arriving = [(self.entries[p.entry][0], p.flood) for p in batch if p.flood is not None and p.entry in self.entries]
        self.limited = flood.Flood(self.tx, arriving)

    def one(self, parsed: Parsed) -> str | None:
        if parsed.entry not in self.entries:
            raise Refused(f"there is no entry {parsed.entry}")
        account, state, digest = self.entries[parsed.entry]
        if state != State.ACCEPTED:  # filed before, by a caller who did not hear of it
            known = self._select("filed_in", parsed.entry).fetchone()
            return known[0] if known else None
        parsed = self.limited.judged(parsed, account)
        self.entries[parsed.entry] = (account, parsed.state, digest)
        if parsed.state is State.FILED:
            return self._file(parsed, account, digest)
        self._end(parsed, account)
        return None

    def write(self) -> None:
        connection = self.tx.connection
        bulk.insert(connection, _SQL["insert_message"], self.messages)
        bulk.insert(connection, _SQL["insert_message_id"], self.message_ids)
        bulk.insert(connection, _SQL["insert_attachment"], self.attachments)
        bulk.insert(connection, _SQL["insert_participant"], self.participants)
        bulk.insert(connection, _SQL["insert_delivery"], self.deliveries)
        for (state, reason), entries in self.states.items():
            values = {"state": state.value, "reason": reason, "entries": json.dumps(entries)}
            connection.execute(_SQL["set_states"], values)
        self.limited.write()
        events.write(self.tx, self.happened)

    def _end(self, parsed: Parsed, account: str) -> None:
        """Ended before a case: ignored, quarantined or dead; what could be read of it is kept."""
        if parsed.message is not None:
            self._keep(parsed.entry, parsed.message, None)
        self._move(parsed.entry, parsed.state, parsed.reason)
        detail = {"reason": parsed.reason} | dict(parsed.detail or {})
        self.happened.append((parsed.entry, account, f"message.{parsed.state}", detail))

    def _file(self, parsed: Parsed, account: str, digest: bytes) -> str:
        message = parsed.message
        if message is None:
            raise Refused(f"entry {parsed.entry} cannot be filed without its parsed message")
        decision = cases.decide(message, lambda wanted: self._filed_where(account, wanted))
        case = decision.case
        if case is None:
            case = self._open_case(account, digest, parsed.entry, message)
        else:
            self.tx.connection.execute(_SQL["join_case"], {"case_id": case, "now": self.tx.now})
        self._keep(parsed.entry, message, case)
        if message.message_id:
            message_id = clean(message.message_id)
            self.message_ids.append((account, message_id, parsed.entry, case))
            self.filed.setdefault((account, message_id), case)
        self.participants.extend(_participants(case, message))
        self._deliver(parsed.entry, account, digest, case)
        why = {"case": case, "rule": decision.rule} | ({"matched": decision.matched} if decision.matched else {})
        self.happened.append((parsed.entry, account, "message.filed", why | dict(parsed.detail or {})))
        return case

    def _filed_where(self, account: str, wanted: Sequence[str]) -> dict[str, str]:
        """Rows of this batch included, which are not written yet."""
        here = {one: self.filed[account, clean(one)] for one in wanted if (account, clean(one)) in self.filed}
        return here | filed_where(self.tx.connection, account, wanted)

    def _open_case(self, account: str, digest: bytes, entry: int, message: InboundMessage) -> str:
        values = (account, clean(message.subject), clean(_sender(message)), entry, self.tx.now)
        for draw in range(_CASE_DRAWS):
            case = case_id(account, digest, draw)
            if self.tx.connection.execute(_SQL["insert_case"], (case, *values)).rowcount:
                self.busy.update(((case, hook), False) for hook in self.hooks.get(account, ()))
                return case
        raise Refused("no free case id")

    def _keep(self, entry: int, message: InboundMessage, case: str | None) -> None:
        head = (clean(message.message_id), message.kind.value, clean(message.subject), clean(_sender(message)))
        self.messages.append((entry, case, *head, bodies.pack(message)))
        for position, part in enumerate(message.attachments):
            content_id = None if part.content_id is None else clean(part.content_id)
            name, kind = clean(part.filename), clean(part.content_type)
            self.attachments.append((entry, position, name, kind, part.size, part.sha256, content_id, part.disposition))

    def _deliver(self, entry: int, account: str, digest: bytes, case: str) -> None:
        """One delivery a hook: due now at the head of its line, else without a time behind the one that is."""
        hooks = self.hooks.get(account, ())
        for hook in hooks:
            line = (case, hook)
            if line not in self.busy:
                self.busy[line] = self._select("line_busy", *line).fetchone()[0]
            due_at = None if self.busy[line] else self.tx.now
            self.deliveries.append((entry, case, account, hook, idempotency_key(account, digest, hook), due_at))
            self.busy[line] = True
        self._move(entry, State.FILED, "")
        if not hooks:
            self._move(entry, State.DONE, "")

    def _move(self, entry: int, state: State, reason: str) -> None:
        self.states.setdefault((state, reason), []).append(entry)

    def _select(self, name: str, *values: Any) -> sqlite3.Cursor:
        return self.tx.connection.execute(_SQL[name], values)


def idempotency_key(account: str, digest: bytes, hook: str) -> str:
    """The same for the same message and hook for ever: nothing of it is this ledger's own."""
    return hashlib.sha256("\0".join((account, digest.hex(), str(_COPY), hook)).encode("utf-8")).hexdigest()


def case_id(account: str, digest: bytes, draw: int) -> str:
    """Thirteen letters and digits, by account and first message; another draw where they are taken."""
    seed = "\0".join(("case", account, digest.hex(), str(draw))).encode("utf-8")
    return base64.b32encode(hashlib.sha256(seed).digest()[:_CASE_ID_OCTETS]).decode("ascii").rstrip("=")


def _sender(message: InboundMessage) -> str:
    for address in (*message.from_, *message.sender):
        if address.address:
            return address.address
    return ""


def _participants(case: str, message: InboundMessage) -> list[tuple[Any, ...]]:
    everybody: list[Address] = [*message.from_, *message.reply_to, *message.to, *message.cc]
    return [(case, clean(one.address), clean(one.name)) for one in everybody[:MAX_PARTICIPANTS] if one.address]
