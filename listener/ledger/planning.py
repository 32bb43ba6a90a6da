"""Which of a page's listings do we lack? Read-only; called by receivers through `Ledger.plan`.

A listing whose unique id has a row is known, unless that row is of a message received at another moment: a server that was put
back to an earlier day gives ids a second time, although RFC 9051 §2.3.1.1 forbids it. In a reset the ids are new, so the others
are recognised by identity: the provider's own lasting id, or Message-ID together with size and INTERNALDATE, if exactly one
entry and one listing of the page fit; anything less certain is fetched, and its digest decides (receiving.py). A Message-ID
alone never drops mail.
What is unknown and was received before the baseline is left alone.

Entries bear the `generation` of ids they were last seen under; only those of an older one can be recognised again.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..mailbox import Folder, Listing, Page
from .events import clean
from .records import Plan, Rebind
from .sql import load

_SQL = load("receiving")
_CANDIDATES = 20
"""More entries than this under one id make it no identity."""


@dataclass(frozen=True, slots=True)
class Known:
    """The row of a listing."""

    id: int
    extent: str
    state: str
    reason: str
    owed: bool
    refetch: bool
    generation: int
    gone: bool = False
    received_at: float | None = None
    provider_id: str | None = None

    def is_of(self, listing: Listing) -> bool:
        """Whether it is of the message that is now listed under its unique id."""
        if self.provider_id and listing.provider_id:
            return self.provider_id == listing.provider_id
        return listing.received_at is None or self.received_at in (None, listing.received_at)


@dataclass(frozen=True, slots=True)
class FolderState:
    """What the ledger keeps of one account's folder."""

    sync_state: str | None
    generation: int
    resetting: bool


def plan(connection: sqlite3.Connection, account: str, page: Page) -> Plan:
    """What to do with the page."""
    listings = unique(page.listings)
    known, _ = known_listings(connection, account, page.folder, listings)
    unknown = [listing for listing in listings.values() if listing.unique_id not in known]
    wanted = [listings[key] for key, row in known.items() if row.refetch]
    settled = tuple(listings[key] for key, row in known.items() if not row.refetch)
    back = tuple(row.id for row in known.values() if row.gone)
    folder = folder_state(connection, account, page.folder)
    if not (page.reset or folder.resetting):
        return Plan(fetch=tuple(unknown + wanted), known=settled, back=back)
    rebinds = _recognise(connection, account, page.folder, unknown, folder)
    bound = {rebind.listing.unique_id for rebind in rebinds}
    before = _before_baseline(connection, account, page.folder, unknown, bound)
    left = bound | {listing.unique_id for listing in before}
    fetch = [listing for listing in unknown if listing.unique_id not in left] + wanted
    return Plan(fetch=tuple(fetch), rebind=tuple(rebinds), before_baseline=before, known=settled, back=back)


def unique(listings: Iterable[Listing]) -> dict[str, Listing]:
    """By unique id, in order; what the server listed twice counts once."""
    return {listing.unique_id: listing for listing in listings}


def known_listings(
    connection: sqlite3.Connection, account: str, folder: Folder, listings: Mapping[str, Listing]
) -> tuple[dict[str, Known], list[int]]:
    """The rows that these listings have, by unique id; and the rows under their unique ids that are of other messages."""
    values = {"account": account, "folder": folder, "unique_ids": json.dumps(list(listings))}
    rows = {
        row[0]: Known(row[1], row[2], row[3], row[4], bool(row[5]), bool(row[6]), row[7], bool(row[8]), row[9], row[10])
        for row in connection.execute(_SQL["known"], values)
    }
    others = [key for key, row in rows.items() if not row.is_of(listings[key])]
    return rows, [rows.pop(key).id for key in others]


def folder_state(connection: sqlite3.Connection, account: str, folder: Folder) -> FolderState:
    """What is kept of the folder; nothing yet is generation 0."""
    row = connection.execute(_SQL["folder"], {"account": account, "folder": folder}).fetchone()
    return FolderState(row[0], row[1], bool(row[2])) if row else FolderState(None, 0, False)


def set_folder(connection: sqlite3.Connection, account: str, folder: Folder, now: FolderState) -> None:
    """Keep it so."""
    values = {"sync_state": now.sync_state, "generation": now.generation, "resetting": now.resetting}
    connection.execute(_SQL["set_folder"], values | {"account": account, "folder": folder})


def _recognise(
    connection: sqlite3.Connection, account: str, folder: Folder, unknown: list[Listing], state: FolderState
) -> list[Rebind]:
    """Entries of an older generation that these listings are, each at most once."""
    current = state.generation if state.resetting else state.generation + 1
    shared = Counter(_identity(listing) for listing in unknown)
    found: dict[int, Rebind] = {}
    for listing in unknown:
        entry = _by_provider_id(connection, account, folder, listing, current)
        if entry is None and shared[_identity(listing)] == 1:
            entry = _by_message_id(connection, account, folder, listing, current)
        if entry is not None:
            found.setdefault(entry, Rebind(entry, listing))
    return list(found.values())


def _identity(listing: Listing) -> tuple[str | None, int | None, float | None]:
    return listing.message_id, listing.size, listing.received_at


def _by_provider_id(connection: sqlite3.Connection, account: str, folder: Folder, listing: Listing, current: int) -> int | None:
    if not listing.provider_id:
        return None
    values = {"account": account, "folder": folder, "provider_id": listing.provider_id, "most": _CANDIDATES}
    return _only(connection.execute(_SQL["by_provider_id"], values).fetchall(), current)


def _by_message_id(connection: sqlite3.Connection, account: str, folder: Folder, listing: Listing, current: int) -> int | None:
    if not listing.message_id or listing.size is None or listing.received_at is None:
        return None
    values = {
        "account": account,
        "folder": folder,
        "message_id": clean(listing.message_id),
        "size": listing.size,
        "received_at": listing.received_at,
        "most": _CANDIDATES,
    }
    return _only(connection.execute(_SQL["by_message_id"], values).fetchall(), current)


def _only(candidates: list[tuple[int, int]], current: int) -> int | None:
    """The one candidate, if there is one alone and it is of an older generation."""
    return candidates[0][0] if len(candidates) == 1 and candidates[0][1] < current else None


def _before_baseline(
    connection: sqlite3.Connection, account: str, folder: Folder, unknown: list[Listing], bound: set[str]
) -> tuple[Listing, ...]:
    row = connection.execute(_SQL["baseline"], {"account": account, "folder": folder}).fetchone()
    if row is None:
        return ()
    return tuple(
        listing
        for listing in unknown
        if listing.unique_id not in bound and listing.received_at is not None and listing.received_at < row[1]
    )
