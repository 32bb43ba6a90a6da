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
from typing import Any, cast

from ..mailbox import Extent, Fetched, Listing, Page, Receipt
from . import events
from .planning import FolderState, Known, folder_state, known_listings, set_folder, unique
from .records import Accepted, Plan
from .sql import load
from .writer import Transaction

_SQL = load("receiving")


def accept(
    tx: Transaction, account: str, page: Page, plan: Plan, fetched: Sequence[Fetched], digests: Sequence[bytes], owe: bool
) -> Accepted:
    """The commit of a page. `digests` are SHA-256 of each fetched one's octets."""
    return _Acceptance(tx, account, page, owe).run(plan, fetched, digests)


@dataclass(slots=True)
class _Tally:
    accepted: int = 0
    duplicates: int = 0
    quarantined: int = 0
    ignored: int = 0


@dataclass(slots=True)
class _Acceptance:
    """One page on its way in."""

    tx: Transaction
    account: str
    page: Page
    owe: bool
    listings: dict[str, Listing] = field(init=False)
    known: dict[str, Known] = field(init=False)
    folder: FolderState = field(init=False)
    stored: FolderState = field(init=False)
    tally: _Tally = field(default_factory=_Tally)
    happened: list[events.Event] = field(default_factory=list)

    def run(self, plan: Plan, fetched: Sequence[Fetched], digests: Sequence[bytes]) -> Accepted:
        connection = self.tx.connection
        self.listings = unique(self.page.listings)
        self.known = known_listings(connection, self.account, self.page.folder, self.listings)
        self.folder = self.stored = folder_state(connection, self.account, self.page.folder)
        self._begin_reset()
        self._renew_known()
        for rebind in plan.rebind:
            self._rebind(rebind.entry, rebind.listing, "identity")
        for listing in plan.before_baseline:
            self._insert(listing, Extent.GONE, "ignored", "before_baseline")
        for item, digest in zip(fetched, digests, strict=True):
            self._take(item, digest)
        self._forget_attempts(fetched)
        self._move_sync_state()
        events.write(self.tx, self.happened)
        return Accepted(self._receipts(), **{name: getattr(self.tally, name) for name in _Tally.__slots__})

    # --- resets ------------------------------------------------------------------------------------------------------

    @property
    def _in_reset(self) -> bool:
        return self.folder.resetting

    def _begin_reset(self) -> None:
        """The first page of a reset that brings anything unknown begins a generation."""
        if self.page.reset and not self.folder.resetting and self.listings.keys() - self.known.keys():
            self.folder = replace(self.folder, generation=self.folder.generation + 1, resetting=True)
            self.happened.append((None, self.account, "account.reset", {"folder": self.page.folder}))

    def _renew_known(self) -> None:
        """Known rows are of the present generation, and no longer owed where the server shows them as told."""
        told = [key for key, row in self.known.items() if row.owed and self.listings[key].acknowledged]
        self.tx.connection.executemany(_SQL["confirm"], [(self.account, self.page.folder, key) for key in told])
        if self._in_reset:
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
            "generation": self.folder.generation,
            "acknowledged": listing.acknowledged,
            "owe": self.owe,
        }
        self.tx.connection.execute(_SQL["rebind"], values)
        self._know(listing, entry)
        detail = {"unique_id": listing.unique_id, "by": by}
        self.happened.append((entry, self.account, "message.rebound", detail))

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
            self._without(item, row, "ignored", "vanished")
        else:
            self._without(item, row, "quarantined", "refused")

    def _whole(self, item: Fetched, digest: bytes, row: Known | None) -> None:
        raw = self._store(digest, item.octets)
        values = {"raw": raw, "account": self.account}
        original = self.tx.connection.execute(_SQL["original"], values).fetchone()
        if row is not None:
            self._fill(item, row, raw, original[0] if original else None)
        elif original is None:
            self._insert(item.listing, Extent.WHOLE, "accepted", "", raw=raw, size=len(item.octets))
        else:
            self._known_octets(item, raw, *original)

    def _known_octets(self, item: Fetched, raw: int, original: int, folder: str, generation: int) -> None:
        entry = self._stale(original, folder, generation) if self._in_reset else None
        if entry is not None:
            self._rebind(entry, item.listing, "digest")
        else:
            self._insert(
                item.listing, Extent.WHOLE, "ignored", "duplicate", raw=raw, size=len(item.octets), duplicate_of=original
            )

    def _stale(self, original: int, folder: str, generation: int) -> int | None:
        """The row with these octets whose id is of before the reset: the original, else one of its duplicates."""
        if folder == self.page.folder and generation < self.folder.generation:
            return original
        values = {"original": original, "generation": self.folder.generation, "folder": self.page.folder}
        row = self.tx.connection.execute(_SQL["stale_duplicate"], values).fetchone()
        return row[0] if row else None

    def _fill(self, item: Fetched, row: Known, raw: int, original: int | None) -> None:
        """A row that lacked its octets has them now: released from quarantine, or vanished and listed again."""
        values: dict[str, Any] = {
            "id": row.id,
            "raw": raw,
            "owed": self._owed(item.listing),
            "epoch": self.tx.epoch,
            "size": item.listing.size if item.listing.size is not None else len(item.octets),
            "received_at": item.listing.received_at,
            "duplicate_of": original,
        }
        self.tx.connection.execute(_SQL["fill"], values)
        if original is not None:
            self.tx.connection.execute(_SQL["fill_duplicate"], {"id": row.id})
        self._count("ignored" if original else "accepted", "duplicate" if original else "")
        self._know(item.listing, row.id)
        self.happened.append((row.id, self.account, "message.fetched", {"size": len(item.octets)}))

    def _header(self, item: Fetched, digest: bytes, row: Known | None) -> None:
        raw = self._store(digest, item.octets)
        if row is None:
            self._insert(item.listing, Extent.HEADER, "quarantined", "too_large", raw=raw)
        else:
            self.tx.connection.execute(_SQL["fill_header"], {"id": row.id, "raw": raw})
            self._again(item, row, "too_large")

    def _without(self, item: Fetched, row: Known | None, state: str, reason: str) -> None:
        if row is None:
            self._insert(item.listing, Extent.GONE, state, reason, detail={"server": item.detail} if item.detail else {})
        else:
            self._again(item, row, reason)

    def _again(self, item: Fetched, row: Known, reason: str) -> None:
        """Asked for once more and still not had: the row says why; what has vanished again stays as it is."""
        if row.reason != reason:
            self.tx.connection.execute(_SQL["quarantine_again"], {"id": row.id, "reason": reason})
            detail = {"reason": reason, "server": item.detail}
            self.happened.append((row.id, self.account, "message.quarantined", detail))

    # --- rows --------------------------------------------------------------------------------------------------------

    def _store(self, digest: bytes, octets: bytes) -> int:
        """The octets, once per digest."""
        row = self.tx.connection.execute(_SQL["insert_raw"], (digest, octets)).fetchone()
        row = row or self.tx.connection.execute(_SQL["raw_id"], (digest,)).fetchone()
        return cast(int, row[0])

    def _insert(
        self,
        listing: Listing,
        extent: Extent,
        state: str,
        reason: str,
        *,
        raw: int | None = None,
        size: int | None = None,
        duplicate_of: int | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> None:
        if listing.unique_id in self.known:
            return
        values = {
            "account": self.account,
            "folder": self.page.folder,
            "unique_id": listing.unique_id,
            "provider_id": listing.provider_id,
            "size": listing.size if listing.size is not None else size,
            "received_at": listing.received_at,
            "generation": self.folder.generation,
            "extent": "none" if raw is None else extent.value,
            "raw": raw,
            "state": state,
            "reason": reason,
            "duplicate_of": duplicate_of,
            "owed": extent is Extent.WHOLE and self._owed(listing),
            "refetch": reason == "vanished",
            "epoch": self.tx.epoch,
            "now": self.tx.now,
        }
        entry = cast(int, self.tx.connection.execute(_SQL["insert_entry"], values).lastrowid)
        self._know(listing, entry)
        self._count(state, reason)
        story = {"folder": self.page.folder, "unique_id": listing.unique_id, "sync_state": self.page.sync_state}
        more = {"reason": reason} if reason else {}
        twin = {"duplicate_of": duplicate_of} if duplicate_of else {}
        self.happened.append((entry, self.account, f"message.{state}", story | more | twin | dict(detail or {})))

    def _owed(self, listing: Listing) -> bool:
        return self.owe and not listing.acknowledged

    def _know(self, listing: Listing, entry: int) -> None:
        self.known[listing.unique_id] = Known(entry, "", "", "", False, False, self.folder.generation)

    def _count(self, state: str, reason: str) -> None:
        name = "duplicates" if reason == "duplicate" else state
        setattr(self.tally, name, getattr(self.tally, name) + 1)

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
        resetting = self.folder.resetting and not ended
        now = FolderState(state, self.folder.generation, resetting)
        if now != self.stored:
            set_folder(self.tx.connection, self.account, self.page.folder, now)

    def _receipts(self) -> tuple[Receipt, ...]:
        now_known = known_listings(self.tx.connection, self.account, self.page.folder, self.listings)
        return tuple(Receipt(self.page.folder, key) for key, row in now_known.items() if row.owed)
