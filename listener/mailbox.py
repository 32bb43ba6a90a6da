"""The narrow interface between a receiver and a mail protocol: what a mailbox lists, hands over and is told.

A `Mailbox` is one account's remote folders, open for one session. It knows its protocol and nothing of ledgers or
cases. The receiver's loop is: pages → (which of them do we lack?) → fetch → commit → acknowledge → wait.

Rules of the file
1. A page may repeat what we have; it never omits what we lack.
2. The calls of one mailbox never overlap; the caller sees to it.
3. `Page.sync_state` covers this page and everything listed before it: it is stored in the transaction of the page's rows,
   and a session begun from it lists whatever came after.
4. Only receipts of committed rows are acknowledged, and acknowledging twice is harmless.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType, Protocol

Folder = NewType("Folder", str)
"""A folder's name as people write it (Unicode, never modified UTF-7); POP3 has the one folder `INBOX`."""

SyncState = NewType("SyncState", str)
"""What the protocol needs to go on from here; opaque to everybody else. IMAP: `UIDVALIDITY:UIDNEXT[:…]`."""

MOVED = SyncState("moved")
"""The folder was another server's: every protocol lists it anew, as a reset."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Where an account's responsibility begins in one folder: the state then, and the server's clock (POSIX seconds).

    Mail that was received before `received_at` and turns up unknown after a reset is before the baseline. `sync_state` is
    None where everything counts (`start = "all"`) or the protocol has no state; `present` then names the unique ids that
    are there already and count as before the baseline (POP3).
    """

    sync_state: SyncState | None
    received_at: float
    present: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """One message as the server lists it, before its octets are here.

    `unique_id` names it within account and folder (IMAP `UIDVALIDITY:UID`). `provider_id` is the provider's own lasting id
    (X-GM-MSGID, EMAILID, Graph immutable id). `message_id`, where a reset asked for it, is the bare Message-ID.
    `size` is octets as announced; `received_at` is INTERNALDATE or its like. `acknowledged`: the server shows it as already
    told (`\\Seen`), so nothing is owed for it.
    """

    folder: Folder
    unique_id: str
    size: int | None = None
    received_at: float | None = None
    provider_id: str | None = None
    message_id: str | None = None
    acknowledged: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some listings of one folder, in the server's arrival order, small enough to fetch and commit at once.

    `reset`: the ids were given anew (UIDVALIDITY, UIDL, delta), so known mail is recognised by identity, not by
    `unique_id`, and unknown mail older than the baseline is left alone. `remaining` is how many listed messages of this
    folder still follow in later pages.
    """

    folder: Folder
    listings: tuple[Listing, ...]
    sync_state: SyncState | None = None
    reset: bool = False
    remaining: int = 0


class Extent(StrEnum):
    """How much of a message a fetch brought."""

    WHOLE = "whole"
    HEADER = "header"  # larger than the limit: octets hold the header section only
    GONE = "gone"  # listed, then expunged, and a second look confirmed it
    REFUSED = "refused"  # the server will not hand it over; `detail` has its words


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came of fetching one listing."""

    listing: Listing
    extent: Extent
    octets: bytes = b""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A committed message that the server may now be told about.

    `stays`, where a mailbox gives it back: confirmed, but the server may list it again, because it only marked it as deleted or
    gave its ids anew.
    """

    folder: Folder
    unique_id: str
    stays: bool = field(default=False, compare=False)


class Mailbox(Protocol):
    """One account's remote folders, open for one session."""

    async def folders(self) -> Sequence[Folder]:
        """The watched folders in the order of the settings, also those that are missing at the moment."""
        ...

    async def baseline(self, folder: Folder, since: float | None) -> Baseline:
        """Where to begin in this folder. `since` None: now, so mail already there is before it; 0: all of it; else the first
        message received at or after that time (POSIX seconds), in the folder's own order. Raises FolderMissing.
        """
        ...

    def pages(self, since: Mapping[Folder, SyncState]) -> AsyncGenerator[Page, None]:
        """Everything that came after `since`, oldest first; a folder absent from `since` is listed from its beginning.

        Pages are cut by count and by announced octets. Each folder ends with a page (perhaps without listings) whose
        sync_state is current. A folder that cannot be opened raises FolderMissing only after the other folders were listed.
        """
        ...

    def fetch(self, listings: Sequence[Listing], *, limit: int) -> AsyncGenerator[Fetched, None]:
        """The octets of these listings of one folder, pipelined; exactly one Fetched for each, in any order.

        A message larger than `limit` octets, announced or found so, comes as Extent.HEADER.

        Raises ConnectionLost when the session died; nothing is then known of the listings not yet yielded.
        """
        ...

    async def acknowledge(self, receipts: Sequence[Receipt]) -> Sequence[Receipt]:
        """Tell the server, as `after` asks. Returns those it confirmed (or that are no longer there). Idempotent."""
        ...

    def recent(self, since: Mapping[Folder, SyncState], after: float) -> AsyncGenerator[Page, None]:
        """Of what `pages(since)` would list, the messages received at or after `after` (POSIX seconds), without sync states.

        For reading new mail while older mail has to wait (R-48). May leave out what it cannot tell, and folders in a reset or
        that cannot be opened: `pages` lists them later.
        """
        ...

    @property
    def remarks(self) -> Mapping[Folder, str]:
        """By folder what the server refused when it was told of receipts; empty where nothing."""
        ...

    @property
    def login_delay(self) -> float:
        """Seconds that must lie between two sign-ins (RFC 2449 §6.5); 0 where the server asks for none."""
        ...

    @property
    def idle_since(self) -> float | None:
        """Event-loop time at which the IDLE under way began; None where there is none."""
        ...

    @property
    def certificate_expiry(self) -> float | None:
        """POSIX seconds when the server's certificate ends; None where that is not known."""
        ...

    @property
    def clock_skew(self) -> float | None:
        """By how many seconds the server's clock is ahead of ours; None where it does not tell."""
        ...

    async def wait(self) -> bool:
        """Until there may be more mail; False: nothing can come in this session, close it and open another later."""
        ...

    async def close(self) -> Sequence[Receipt]:
        """End the session politely; returns receipts that only its end confirmed (POP3 `QUIT`). Never raises."""
        ...
