"""From accepted to filed: which entries are due, and the one transaction in which a batch gets its cases and deliveries.

Called by the dispatcher through `Ledger`. Messages are filed in the order given, each seeing those before it, so that a
question and its answer in one page share a case. A case's id and a delivery's idempotency key are derived from account and
content alone: they are the same after a crash, and after a lost ledger.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, cast

from .. import cases
from ..cases import Book, CaseRules, Decision
from ..cases.pending import Pending
from ..errors import Refused
from ..message.model import InboundMessage
from . import bodies, bulk, casebook, events, flood, notices, responding
from .casebook import CaseBook
from .copies import Arriving, Copies, Copy
from .events import clean
from .records import DueEntry, Ended, FiledAs, Parsed, State
from .sql import load
from .writer import Transaction

_SQL = load("filing")
_CASES = load("cases")
_COPY = 1
"""Which of several messages with equal octets is filed: always the first, the others are ignored(duplicate)."""
DUPLICATE = "duplicate"
_USUAL = CaseRules()
_MARKS = ("unverified", "note", "restored")
"""What history says of a decision where it is so."""
NO_RULES: casebook.Rules = MappingProxyType({})
NO_REPLIES: responding.Policies = MappingProxyType({})


@dataclass(slots=True)
class _Row:
    """What is kept of an entry that is to be filed; `state` becomes what it is then."""

    account: str
    state: str
    digest: bytes
    provider_id: str | None


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
    row = connection.execute(_SQL["due_entry"], (entry,)).fetchone()
    account, folder, received_at, life, attempts, octets, released, accepted_at = row
    return DueEntry(entry, account, folder, received_at, life < epoch or attempts > 0, attempts, octets, released, accepted_at)


def parse_attempted(tx: Transaction, entry: int) -> int:
    row = tx.connection.execute(_SQL["parse_attempted"], {"id": entry}).fetchone()
    if row is None:
        raise Refused(f"entry {entry} does not wait to be parsed")
    return cast(int, row[0])


def parses_given_up(tx: Transaction, entries: Collection[int]) -> None:
    tx.connection.execute(_SQL["parses_given_up"], {"entries": json.dumps(sorted(entries))})


def file(
    tx: Transaction,
    batch: Sequence[Parsed],
    hooks: Mapping[str, Sequence[str]],
    rules: casebook.Rules = NO_RULES,
    replies: responding.Policies = NO_REPLIES,
) -> list[tuple[int, FiledAs]]:
    """Each entry's case; how it ended where the ledger itself ended it; None where the caller did."""
    filing = _Filing(tx, hooks, rules, replies)
    filing.look_up(batch)
    answer = [(parsed.entry, filing.one(parsed)) for parsed in batch]
    filing.write()
    return answer


def keep_headers(tx: Transaction, account: str, folder: str, heads: Mapping[str, InboundMessage]) -> None:
    """What the header of messages too large to fetch says, by unique id, so that people see whose they are."""
    filing = _Filing(tx, {}, NO_RULES, NO_REPLIES)
    for unique_id, message in heads.items():
        row = tx.connection.execute(_SQL["held_by_header"], (account, folder, unique_id)).fetchone()
        if row is not None:
            filing._keep(row[0], message, None)
    filing.write()


def foresee(
    connection: sqlite3.Connection, account: str, message: InboundMessage, rules: CaseRules, pending: Pending, now: float
) -> Decision:
    """What filing would decide of the message if `pending` were filed already."""
    return cases.decide(message, account, rules, pending.over(CaseBook(connection, account)), now)


@dataclass(slots=True)
class _Filing:
    """A batch on its way; new rows are collected and written together."""

    tx: Transaction
    hooks: Mapping[str, Sequence[str]]
    rules: casebook.Rules
    replies: responding.Policies
    entries: dict[int, _Row] = field(default_factory=dict)
    books: dict[str, tuple[Pending, Book]] = field(default_factory=dict)
    copied: list[tuple[int, int]] = field(default_factory=list)
    busy: dict[tuple[str, str], bool] = field(default_factory=dict)
    messages: list[tuple[Any, ...]] = field(default_factory=list)
    message_ids: list[tuple[Any, ...]] = field(default_factory=list)
    attachments: list[tuple[Any, ...]] = field(default_factory=list)
    participants: list[tuple[Any, ...]] = field(default_factory=list)
    deliveries: list[tuple[Any, ...]] = field(default_factory=list)
    states: dict[tuple[State, str], list[int]] = field(default_factory=dict)
    happened: list[events.Event] = field(default_factory=list)
    limited: flood.Flood = field(init=False)
    copies: Copies = field(init=False)

    def __post_init__(self) -> None:
        self.limited = flood.Flood(self.tx, ())
        self.copies = Copies(self.tx.connection)

    def look_up(self, batch: Sequence[Parsed]) -> None:
        ids = json.dumps([parsed.entry for parsed in batch])
        self.entries = {entry: _Row(*values) for entry, *values in self._select("to_file", ids)}
        here = [(self.entries[parsed.entry].account, parsed) for parsed in batch if parsed.entry in self.entries]
        self.limited = flood.Flood(self.tx, [(account, parsed.flood) for account, parsed in here if parsed.flood is not None])
        self._open_books([(account, parsed.message) for account, parsed in here if parsed.message is not None])
        self.copies.look_up((account, parsed.message.message_id) for account, parsed in here if parsed.message is not None)

    def _open_books(self, here: Sequence[tuple[str, InboundMessage]]) -> None:
        for account in {account for account, _ in here}:
            pending, connection = Pending(), self.tx.connection
            mine = [message for whose, message in here if whose == account]
            self.books[account] = pending, pending.over(CaseBook.of_batch(connection, account, mine))

    def one(self, parsed: Parsed) -> FiledAs:
        if parsed.entry not in self.entries:
            raise Refused(f"there is no entry {parsed.entry}")
        row = self.entries[parsed.entry]
        if row.state != State.ACCEPTED:  # filed before, by a caller who did not hear of it
            known = self._select("filed_in", parsed.entry).fetchone()
            return known[0] if known else None
        judged = self.limited.judged(parsed, row.account)
        row.state = judged.state
        if judged.state is not State.FILED:
            self._end(judged, row.account)
            return None if judged.state is parsed.state else Ended(judged.state, judged.reason)
        if parsed.message is None:
            raise Refused(f"entry {parsed.entry} cannot be filed without its parsed message")
        arriving = Arriving(parsed.entry, row.account, row.provider_id, parsed.message)
        copy = self.copies.of(arriving)
        if copy is not None:
            self._ignore(arriving, copy)
            return Ended(State.IGNORED, DUPLICATE)
        self.copies.filed(arriving)
        return self._file(parsed, parsed.message, row)

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
        connection.executemany(_CASES["ignore_copy"], self.copied)
        self.limited.write()
        events.write(self.tx, self.happened)

    def _end(self, parsed: Parsed, account: str) -> None:
        """Ended before a case: ignored, quarantined or dead; what could be read of it is kept."""
        if parsed.message is not None:
            self._keep(parsed.entry, parsed.message, None)
        self._move(parsed.entry, parsed.state, parsed.reason)
        detail = {"reason": parsed.reason} | dict(parsed.detail or {})
        self.happened.append((parsed.entry, account, f"message.{parsed.state}", detail))

    def _ignore(self, one: Arriving, copy: Copy) -> None:
        """It is a message that we have filed already."""
        self._keep(one.entry, one.message, None)
        self.copied.append((copy.of, one.entry))
        self.entries[one.entry].state = State.IGNORED
        detail = {"reason": DUPLICATE, "duplicate_of": copy.of, "by": copy.by}
        self.happened.append((one.entry, one.account, "message.ignored", detail))

    def _file(self, parsed: Parsed, message: InboundMessage, row: _Row) -> str:
        """Decide its case, carry that out, and keep everything that follows from it."""
        account, entry = row.account, parsed.entry
        pending, book = self.books[account]
        decision = cases.decide(message, account, self.rules.get(account, _USUAL), book, self.tx.now)
        case, opened = casebook.carry_out(self.tx, decision, account, entry, row.digest, message)
        people = pending.add(case, decision, message)
        if opened:
            pending.opened.add(case)
        self._keep(entry, message, case, _standing(decision))
        if message.message_id:
            self.message_ids.append((account, clean(message.message_id), entry, case))
        self.participants.extend((case, clean(address), clean(name), role) for address, name, role in people)
        self._deliver(entry, account, row.digest, case, is_new=opened)
        self.happened.append((entry, account, "message.filed", _why(case, decision) | dict(parsed.detail or {})))
        arrival = responding.Arrival(entry, account, row.digest, case, opened, decision.unverified, message)
        responding.consider(self.tx, self.replies, arrival)
        notices.note(self.tx, self.replies, arrival)
        return case

    def _keep(self, entry: int, message: InboundMessage, case: str | None, standing: str = "") -> None:
        head = (clean(message.message_id), message.kind.value, clean(message.subject), clean(casebook.sender(message)))
        self.messages.append((entry, case, *head, bodies.pack(message), standing))
        for position, part in enumerate(message.attachments):
            content_id = None if part.content_id is None else clean(part.content_id)
            name, kind = clean(part.filename), clean(part.content_type)
            self.attachments.append((entry, position, name, kind, part.size, part.sha256, content_id, part.disposition))

    def _deliver(self, entry: int, account: str, digest: bytes, case: str, *, is_new: bool) -> None:
        """One delivery a hook: due now at the head of its line, else without a time behind the one that is."""
        hooks = self.hooks.get(account, ())
        for hook in hooks:
            line = (case, hook)
            if line not in self.busy:
                self.busy[line] = not is_new and self._select("line_busy", *line).fetchone()[0]
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


def _standing(decision: Decision) -> str:
    return "unverified" if decision.unverified else "note" if decision.note else ""


def _why(case: str, decision: Decision) -> dict[str, Any]:
    """What history says of a decision."""
    said: dict[str, Any] = {"case": case, "rule": decision.rule.value}
    if decision.matched:
        said["matched"] = decision.matched
    if decision.links:
        said["links"] = [{"case": link.case, "kind": link.kind.value, "why": link.why} for link in decision.links]
    said.update((name, True) for name in _MARKS if getattr(decision, name))
    return said
