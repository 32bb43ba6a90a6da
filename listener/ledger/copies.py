"""Which filed message a new one is a copy of: the same message in another folder, or sent or delivered once more.

Equal octets were noticed when it was accepted. Here it is the provider's own id with an equal Message-ID (Gmail shows one
message under each of its labels, R-57), or an equal Message-ID with everything that the sender wrote equal too, while what
servers on the way wrote differs. A Message-ID alone makes no copy. Asked in the transaction that files, for a batch; costs one
look-up a batch and account unless a Message-ID is known already.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..cases import copies
from ..message import fields
from ..message.model import InboundMessage
from . import bodies
from .events import clean
from .sql import load

_SQL = load("cases")


@dataclass(frozen=True, slots=True)
class Arriving:
    """A message that is about to be filed, or would be."""

    entry: int
    account: str
    provider_id: str | None
    message: InboundMessage
    below: bytes | None = None
    """Digest of what stands below the header (`below_header`), where its octets are not in the ledger."""


@dataclass(frozen=True, slots=True)
class Copy:
    """What it is a copy of, and by what that was seen: `provider_id` or `content`."""

    of: int
    by: str


@dataclass(slots=True)
class Copies:
    """One batch. `look_up` first, then `of` for each in order, and `filed` for each that was filed."""

    connection: sqlite3.Connection
    known: set[tuple[str, str]] = field(default_factory=set)
    """Accounts and Message-IDs that are filed already."""
    here: dict[tuple[str, str], list[Arriving]] = field(default_factory=dict)
    """Those of this batch."""
    provided: dict[tuple[str, str], Arriving] = field(default_factory=dict)

    def look_up(self, arriving: Iterable[tuple[str, str]]) -> None:
        """Accounts and Message-IDs of the batch."""
        by_account: dict[str, set[str]] = {}
        for account, message_id in arriving:
            by_account.setdefault(account, set()).add(clean(message_id))
        for account, ids in by_account.items():
            values = {"account": account, "message_ids": json.dumps(list(ids))}
            self.known.update((account, found) for (found,) in self.connection.execute(_SQL["known_ids"], values))

    def of(self, one: Arriving) -> Copy | None:
        """What it is a copy of."""
        twin = self._twin(one) if one.provider_id else None
        if twin is not None:
            return Copy(twin, "provider_id")
        for entry in self._same_id(one):
            if self._is_copy(one, entry):
                return Copy(entry, "content")
        return None

    def filed(self, one: Arriving) -> None:
        """Later ones may be copies of it."""
        same = self.here.setdefault((one.account, clean(one.message.message_id)), [])
        if len(same) < copies.MAX_CANDIDATES:
            same.append(one)
        if one.provider_id:
            self.provided.setdefault((one.account, one.provider_id), one)

    def _twin(self, one: Arriving) -> int | None:
        assert one.provider_id is not None
        here = self.provided.get((one.account, one.provider_id))
        if here is not None:
            return here.entry if here.message.message_id == one.message.message_id else None
        values = {"account": one.account, "provider_id": one.provider_id, "entry": one.entry}
        row = self.connection.execute(_SQL["twin"], values).fetchone()
        return row[0] if row and row[1] == clean(one.message.message_id) else None

    def _same_id(self, one: Arriving) -> list[int]:
        key = (one.account, clean(one.message.message_id))
        found: list[int] = []
        if key in self.known:
            values = {"account": key[0], "message_id": key[1], "most": copies.MAX_CANDIDATES}
            rows = self.connection.execute(_SQL["filed_as"], values)
            found = [entry for entry, subject in rows if subject == clean(one.message.subject)]
        return [*found, *(other.entry for other in self.here.get(key, ()))]

    def _is_copy(self, one: Arriving, entry: int) -> bool:
        other = self._parsed(one, entry)
        if entry == one.entry or other is None or not copies.is_copy(one.message, other):
            return False
        if copies.seen_whole(one.message) and copies.seen_whole(other):
            return True
        mine, theirs = one.below or self._below(one.entry), self._below(entry)
        return mine is not None and mine == theirs

    def _parsed(self, one: Arriving, entry: int) -> InboundMessage | None:
        for other in self.here.get((one.account, clean(one.message.message_id)), ()):
            if other.entry == entry:
                return other.message
        row = self.connection.execute(_SQL["parsed_body"], (entry,)).fetchone()
        return bodies.unpack(row[0]) if row else None

    def _below(self, entry: int) -> bytes | None:
        row = self.connection.execute(_SQL["octets"], (entry,)).fetchone()
        return None if row is None or row[0] is None else below_header(row[0])


def below_header(octets: bytes) -> bytes:
    """SHA-256 of what stands below the header."""
    return hashlib.sha256(octets[fields.header_end(octets, 0, len(octets))[1] :]).digest()


def foresee(connection: sqlite3.Connection, one: Arriving) -> Copy | None:
    """Of which filed message it would be a copy, if it were filed now."""
    copies = Copies(connection)
    copies.look_up([(one.account, one.message.message_id)])
    return copies.of(one)
