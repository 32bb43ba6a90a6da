"""Taking a page of mail in: raw octets, rows, re-keyed rows and sync state in one transaction.

Called by receivers through `Ledger.accept`; after its commit, and only after it, the server may be told.

Rules of the file
1. The sync state moves only in the transaction after which every listing of its page has a row (P5).
2. A receipt is owed only for octets that are here whole (P1; a CHECK holds it).
3. Octets known in the account never make a second case: in a reset they re-key the row that has them, else the new row is
   ignored(duplicate). Only equal octets do that; never a Message-ID.
4. Everything twice is the same as once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..mailbox import Extent, Fetched, Listing, Page, Receipt
from . import bulk, events
from .planning import FolderState, Known, folder_state, known_listings, set_folder, unique
from .records import Accepted, Plan, State
from .sql import load
from .writer import Transaction

_SQL = load("receiving")
_DIGESTS = 50
"""Digests looked up by one statement."""


def accept(
    tx: Transaction, account: str, page: Page, plan: Plan, fetched: Sequence[Fetched], digests: Sequence[bytes], owe: bool
) -> Accepted:
    """The commit of a page. `digests` are SHA-256 of each fetched one's octets."""
    return _Acceptance(tx, account, page, owe).run(plan, fetched, digests)


@dataclass(slots=True)
class _Content:
    """Octets by their digest: the raw row, and the entry of this account that has them (0: none)."""

    raw: int
    pruned: bool
    original: int
    folder: str
    generation: int


@dataclass(slots=True)
class _Acceptance:
    """One page on its way in; new rows are collected and written together."""

    tx: Transaction
    account: str
    page: Page
    owe: bool
    listings: dict[str, Listing] = field(init=False)
    known: dict[str, Known] = field(init=False)
    folder: FolderState = field(init=False)
    stored: FolderState = field(init=False)
    contents: dict[bytes, _Content] = field(default_factory=dict)
    last_entry: int = 0
    last_raw: int = 0
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    happened: list[events.Event] = field(default_factory=list)
    tally: dict[str, int] = field(default_factory=dict)
    set_aside: list[tuple[str, str]] = field(default_factory=list)

    def run(self, plan: Plan, fetched: Sequence[Fetched], digests: Sequence[bytes]) -> Accepted:
        self._look_up()
        self._begin_reset()
        self._renew_known()
        self._look_up_contents(digests)
        for rebind in plan.rebind:
            self._rebind(rebind.entry, rebind.listing, "identity")
        for listing in plan.before_baseline:
            self._insert(listing, State.IGNORED, "before_baseline")
        for item, digest in zip(fetched, digests, strict=True):
            self._take(item, digest)
        self._write_rows()
        self._forget_attempts(fetched)
        self._move_sync_state()
        events.write(self.tx, self.happened)
        return Accepted(self._receipts(), **self.tally, set_aside=tuple(self.set_aside))

    def _look_up(self) -> None:
        connection = self.tx.connection
        self.listings = unique(self.page.listings)
        self.known, others = known_listings(connection, self.account, self.page.folder, self.listings)
        self._displace(others)
        self.folder = self.stored = folder_state(connection, self.account, self.page.folder)
        self.last_entry, self.last_raw = connection.execute(_SQL["last_ids"]).fetchone()

    def _look_up_contents(self, digests: Sequence[bytes]) -> None:
        for start in range(0, len(digests), _DIGESTS):
            some = digests[start : start + _DIGESTS]
            padded = (*some, *[None] * (_DIGESTS - len(some)))
            for digest, *values in self.tx.connection.execute(_SQL["contents"], (self.account, *padded)):
                self.contents[digest] = _Content(*values)

    def _displace(self, others: Sequence[int]) -> None:
        """Rows whose unique id was given to another message: they keep all but the id, and nothing is owed under it."""
        for entry in others:
            self.tx.connection.execute(_SQL["displace"], {"id": entry})
            self.happened.append((entry, self.account, "message.displaced", {"folder": self.page.folder}))

    # --- resets ------------------------------------------------------------------------------------------------------

    def _begin_reset(self) -> None:
        """The first page of a reset that brings anything unknown begins a generation."""
        if self.page.reset and not self.folder.resetting and self.listings.keys() - self.known.keys():
            self.folder = replace(self.folder, generation=self.folder.generation + 1, resetting=True)
            self.happened.append((None, self.account, "account.reset", {"folder": self.page.folder}))

    def _renew_known(self) -> None:
        """Known rows are of the present generation, and no longer owed where the server shows them as told."""
        told = [key for key, row in self.known.items() if row.owed and self.listings[key].acknowledged]
        self.tx.connection.executemany(_SQL["confirm"], [(False, self.account, self.page.folder, key) for key in told])
        if self.folder.resetting:
            old = [row.id for row in self.known.values() if row.generation < self.folder.generation]
            values = [{"id": entry, "generation": self.folder.generation} for entry in old]
            self.tx.connection.executemany(_SQL["renew"], values)

    def _rebind(self, entry: int, listing: Listing, by: str) -> None:
        """The entry is the one that is now listed so. Nothing happens when the listing has a row already."""
        if listing.unique_id in self.known:
            return
        values = {
            "id": entry,
            "unique_id": listing.unique_id,
            "provider_id": listing.provider_id,
            "received_at": listing.received_at,
            "generation": self.folder.generation,
            "acknowledged": listing.acknowledged,
            "owe": self.owe,
        }
        self.tx.connection.execute(_SQL["rebind"], values)
        self._know(listing, entry)
        self.happened.append((entry, self.account, "message.rebound", {"unique_id": listing.unique_id, "by": by}))

    # --- one fetched message -----------------------------------------------------------------------------------------

    def _take(self, item: Fetched, digest: bytes) -> None:
        row = self.known.get(item.listing.unique_id)
        if row is None and item.listing.unique_id not in self.listings:
            return  # not of this page
        if row is not None and not row.refetch:
            return  # here already
        if item.extent is Extent.WHOLE:
            self._whole(item, digest, row)
        elif item.extent is Extent.HEADER:
            self._header(item, digest, row)
        elif item.extent is Extent.GONE:
            self._without(item, row, State.IGNORED, "vanished")
        else:
            self._without(item, row, State.QUARANTINED, "refused")

    def _whole(self, item: Fetched, digest: bytes, row: Known | None) -> None:
        content = self._store(digest, item.octets)
        if row is not None:
            self._fill(item, row, content)
        elif not content.original:
            self._insert(item.listing, State.ACCEPTED, "", whole=content, size=len(item.octets))
        else:
            self._known_octets(item, content)

    def _known_octets(self, item: Fetched, content: _Content) -> None:
        entry = self._stale(content) if self.folder.resetting else None
        if entry is not None:
            self._rebind(entry, item.listing, "digest")
        else:
            self._insert(item.listing, State.IGNORED, "duplicate", whole=content, size=len(item.octets))

    def _stale(self, content: _Content) -> int | None:
        """The row with these octets whose id is of before the reset: the original, else one of its duplicates."""
        if content.folder == self.page.folder and content.generation < self.folder.generation:
            content.generation = self.folder.generation
            return content.original
        values = {"original": content.original, "generation": self.folder.generation, "folder": self.page.folder}
        row = self.tx.connection.execute(_SQL["stale_duplicate"], values).fetchone()
        return row[0] if row else None

    def _fill(self, item: Fetched, row: Known, content: _Content) -> None:
        """A row that lacked its octets has them now: released from quarantine, or vanished and listed again."""
        self._write_rows()
        original = content.original or None
        values: dict[str, Any] = {
            "id": row.id,
            "raw": content.raw,
            "owed": self._owed(item.listing),
            "epoch": self.tx.epoch,
            "size": item.listing.size if item.listing.size is not None else len(item.octets),
            "received_at": item.listing.received_at,
            "duplicate_of": original,
        }
        self.tx.connection.execute(_SQL["fill"], values)
        self.happened.append((row.id, self.account, "message.fetched", {"size": len(item.octets)}))
        if original is None:
            content.original, content.folder, content.generation = row.id, self.page.folder, self.folder.generation
            self._count(State.ACCEPTED, "")
        else:
            self.tx.connection.execute(_SQL["fill_duplicate"], {"id": row.id})
            self._count(State.IGNORED, "duplicate")
        self._know(item.listing, row.id)

    def _header(self, item: Fetched, digest: bytes, row: Known | None) -> None:
        content = self._store(digest, item.octets)
        if row is None:
            self._insert(item.listing, State.QUARANTINED, "too_large", header=content)
        else:
            self.tx.connection.execute(_SQL["fill_header"], {"id": row.id, "raw": content.raw})
            self._again(item, row, "too_large")

    def _without(self, item: Fetched, row: Known | None, state: State, reason: str) -> None:
        if row is None:
            self._insert(item.listing, state, reason, detail={"server": item.detail} if item.detail else {})
        else:
            self._again(item, row, reason)

    def _again(self, item: Fetched, row: Known, reason: str) -> None:
        """Asked for once more and still not had: the row says why; what has vanished again stays as it is."""
        if row.reason != reason or row.state == State.QUARANTINED:
            self.tx.connection.execute(_SQL["quarantine_again"], {"id": row.id, "reason": reason})
            detail = {"reason": reason, "server": item.detail}
            self.happened.append((row.id, self.account, "message.quarantined", detail))

    # --- rows --------------------------------------------------------------------------------------------------------

    def _store(self, digest: bytes, octets: bytes) -> _Content:
        """The octets, once per digest."""
        content = self.contents.get(digest)
        if content is None:
            self.last_raw += 1
            self.tx.connection.execute(_SQL["insert_raw"], (self.last_raw, digest, octets))
            content = self.contents[digest] = _Content(self.last_raw, False, 0, "", 0)
        elif content.pruned:
            self.tx.connection.execute(_SQL["restore_raw"], (octets, content.raw))
            content.pruned = False
        return content

    def _insert(
        self,
        listing: Listing,
        state: State,
        reason: str,
        *,
        whole: _Content | None = None,
        header: _Content | None = None,
        size: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        """A new row. The first with its octets becomes the original, any other names that one."""
        if listing.unique_id in self.known:
            return
        self.last_entry += 1
        twin = whole.original or None if whole else None
        if whole and not whole.original:
            whole.original, whole.folder, whole.generation = self.last_entry, self.page.folder, self.folder.generation
        content = whole or header
        row: tuple[Any, ...] = (self.last_entry, self.account, self.page.folder, listing.unique_id, listing.provider_id)
        row += (listing.size if listing.size is not None else size, listing.received_at, self.folder.generation)
        row += ("whole" if whole else "header" if header else "none", content.raw if content else None)
        row += (state.value, reason, twin, bool(whole) and self._owed(listing), reason == "vanished")
        self.rows.append((*row, self.tx.epoch, self.tx.now))
        self._know(listing, self.last_entry)
        self._count(state, reason)
        self._tell_new(listing, state, reason, {"duplicate_of": twin} if twin else detail)

    def _tell_new(self, listing: Listing, state: State, reason: str, detail: Mapping[str, Any] | None) -> None:
        story = {"folder": self.page.folder, "unique_id": listing.unique_id, "sync_state": self.page.sync_state}
        story |= {"reason": reason} if reason else {}
        self.happened.append((self.last_entry, self.account, f"message.{state}", story | dict(detail or {})))

    def _owed(self, listing: Listing) -> bool:
        return self.owe and not listing.acknowledged

    def _know(self, listing: Listing, entry: int) -> None:
        self.known[listing.unique_id] = Known(entry, "", "", "", False, False, self.folder.generation)

    def _count(self, state: State, reason: str) -> None:
        name = "duplicates" if reason == "duplicate" else state.value
        self.tally[name] = self.tally.get(name, 0) + 1
        if state in (State.QUARANTINED, State.IGNORED):
            self.set_aside.append((state, reason))

    def _write_rows(self) -> None:
        bulk.insert(self.tx.connection, _SQL["insert_entry"], self.rows)
        self.rows.clear()

    # --- the end of the page -----------------------------------------------------------------------------------------

    def _forget_attempts(self, fetched: Sequence[Fetched]) -> None:
        if self.tx.connection.execute(_SQL["any_fetch_attempts"], {"account": self.account}).fetchone()[0]:
            done = [(self.account, self.page.folder, item.listing.unique_id) for item in fetched]
            self.tx.connection.executemany(_SQL["forget_fetch_attempts"], done)

    def _move_sync_state(self) -> None:
        """Forward only when every listing of the page has its row; a page that came in part leaves it where it was."""
        complete = not self.listings.keys() - self.known.keys()
        state = self.page.sync_state if complete and self.page.sync_state is not None else self.folder.sync_state
        ended = complete and self.page.remaining == 0 and (self.page.reset or self.page.sync_state is not None)
        now = FolderState(state, self.folder.generation, self.folder.resetting and not ended)
        if now != self.stored:
            set_folder(self.tx.connection, self.account, self.page.folder, now)

    def _receipts(self) -> tuple[Receipt, ...]:
        rows, _ = known_listings(self.tx.connection, self.account, self.page.folder, self.listings)
        return tuple(Receipt(self.page.folder, key) for key, row in rows.items() if row.owed)
