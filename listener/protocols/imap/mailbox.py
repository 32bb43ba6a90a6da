"""An IMAP account as receivers see it: the `Mailbox` of listener/mailbox.py over one session.

Opened by the supervisor's receiver for work, and with `read_only` by `check` and `preview`, which then change nothing. The
parts are beside this file: `sign_in` and `session` speak, `listing` finds what is new, `fetching` brings it, and
`acknowledging` tells the server. Here is what joins them: which folder is open, how far each was listed, and waiting.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Self

from ...errors import ConnectionLost, FolderMissing, PermanentFailure
from ...mailbox import Baseline, Extent, Fetched, Folder, Listing, Page, Receipt, SyncState
from ..endpoint import Endpoint
from ..sasl import Credentials
from . import answers, encode, folders, sign_in, state
from .acknowledging import Acknowledger, Action, After
from .encode import Command
from .fetching import Fetcher
from .grammar import Status
from .listing import DESCRIBED_AT_ONCE, FolderReader
from .open_folders import OpenFolders
from .reading import Trace
from .session import Session
from .state import Point
from .told import Selected
from .waiting import Waiter

IDLE_RENEWAL_SECONDS = 540.0
POLL_SECONDS = 60.0
DAY = 86_400.0
NEWEST = 50
"""So many of the last UIDs tell how far the server's clock has come."""


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """What the account's settings say; seconds. `read_only`: open folders with EXAMINE and tell the server nothing."""

    folders: tuple[str, ...] = ("INBOX",)
    after: After = field(default_factory=lambda: After(Action.SEEN))
    poll_interval: float = POLL_SECONDS
    idle_renewal: float = IDLE_RENEWAL_SECONDS
    read_only: bool = False


class ImapMailbox:
    """`remarks` says by folder what the server refused when it was told (a read-only folder, a missing target)."""

    def __init__(self, session: Session, settings: ImapSettings, *, now: Callable[[], float] = time.time) -> None:
        self.session = session
        self.settings = settings
        self.remarks: dict[Folder, str] = {}
        self._now = now
        self._folders = OpenFolders(session, read_only=settings.read_only, probe_seconds=settings.poll_interval)
        self._acknowledger = Acknowledger(session, settings.after)
        watched = [Folder(name) for name in settings.folders]
        self._waiter = Waiter(self._folders, watched, poll=settings.poll_interval, renewal=settings.idle_renewal)

    @classmethod
    async def open(
        cls,
        endpoint: Endpoint,
        credentials: Credentials,
        settings: ImapSettings,
        *,
        trace: Trace | None = None,
        notice: Callable[[str], None] = lambda text: None,
        now: Callable[[], float] = time.time,
    ) -> Self:
        """Connect and sign in; no folder is opened yet. Raises the kinds of AccountFailure."""
        _check_target(settings)
        session = await sign_in.connect(endpoint, trace=trace, notice=notice)
        await sign_in.authenticate(session, credentials)
        return cls(session, settings, now=now)

    @property
    def login_delay(self) -> float:
        """IMAP servers ask for none."""
        return 0.0

    @property
    def clock_skew(self) -> float | None:
        """IMAP does not tell the time."""
        return None

    @property
    def last_round_trip(self) -> float | None:
        """Event-loop time at which the server last answered a command."""
        return self.session.last_round_trip

    @property
    def idle_since(self) -> float | None:
        """Event-loop time at which the IDLE under way began; None while not idling."""
        return self.session.idle_since

    @property
    def certificate_expiry(self) -> float | None:
        """POSIX seconds when the server's certificate ends; None without TLS."""
        facts = self.session.connection.facts
        return None if facts is None else facts.expires

    async def folders(self) -> Sequence[Folder]:
        """The watched folders in the order of the settings."""
        return [Folder(name) for name in self.settings.folders]

    # --- where to begin ----------------------------------------------------------------------------------------------

    async def baseline(self, folder: Folder, since: float | None) -> Baseline:
        """See `Mailbox.baseline`."""
        if since == 0:
            return Baseline(None, 0.0)
        selected = await self._folders.open(folder)
        following = await folders.next_uid(self.session, selected, 1)
        if since is None:
            return Baseline(Point(selected.validity, following).text, await self._server_time(following))
        first = await self._first_since(since, following)
        return Baseline(Point(selected.validity, first).text, since)

    async def _server_time(self, following: int) -> float:
        """No later than what the server's clock says now, in its own whole seconds, and behind the mail that is there.

        IMAP does not tell the time, and an INTERNALDATE is what mail is compared with after a reset: the second behind the
        last message's, or, where that has not passed yet, that second itself. In doubt mail counts as new.
        """
        newest = range(max(following - NEWEST, 1), following)
        dates = [date async for _, date in self._dates(newest) if date is not None]
        now = float(int(self._now()))
        if not dates:
            return now - DAY
        return max(dates) + (1 if max(dates) < now else 0)

    async def _first_since(self, since: float, following: int) -> int:
        """The lowest UID received at or after `since`."""
        also = folders.received_since(since)
        async with aclosing(folders.windows(self.session, 1, following, also=also)) as windows:
            async for uids in windows:
                for start in range(0, len(uids), DESCRIBED_AT_ONCE):
                    found = await self._received_since(uids[start : start + DESCRIBED_AT_ONCE], since)
                    if found:
                        return min(found)
        return following

    async def _received_since(self, uids: Sequence[int], since: float) -> list[int]:
        return [uid async for uid, date in self._dates(uids) if date is None or date >= since]

    async def _dates(self, uids: Sequence[int]) -> AsyncGenerator[tuple[int, float | None]]:
        """INTERNALDATE of each of these UIDs that is there."""
        wanted = set(uids)
        for text in encode.uid_sets(uids):
            async for response in self.session.stream(Command("UID FETCH", (text, b"(UID INTERNALDATE)"))):
                answer = None if isinstance(response, Status) else answers.fetch(response)
                if answer and answer.uid in wanted:
                    yield answer.uid, answer.received_at

    # --- what is new ---------------------------------------------------------------------------------------------------

    async def pages(self, since: Mapping[Folder, SyncState]) -> AsyncGenerator[Page]:
        """See `Mailbox.pages`."""
        missing: FolderMissing | None = None
        left = await self._as_left(since)
        for folder in await self.folders():
            try:
                async with aclosing(self._pages_of(folder, since.get(folder), folder in left)) as pages:
                    async for page in pages:
                        yield page
            except FolderMissing as error:
                missing = missing or error
        if missing:
            raise missing

    async def recent(self, since: Mapping[Folder, SyncState], after: float) -> AsyncGenerator[Page]:
        """See `Mailbox.recent`."""
        for folder in await self.folders():
            try:
                selected = await self._folders.open(folder, anew=True)
            except FolderMissing:
                continue
            point = Point.parse(since.get(folder)) or Point(selected.validity, 1)
            if point.validity != selected.validity or point.resetting:
                continue
            following = await folders.next_uid(self.session, selected, point.next_uid)
            reader = FolderReader(self.session, folder, point, self.settings.after.told())
            async with aclosing(reader.received_since(after, following)) as pages:
                async for page in pages:
                    yield page
                    await self._return_to(folder, point)

    async def _as_left(self, since: Mapping[Folder, SyncState]) -> set[Folder]:
        """Folders that are not open and, by one STATUS each, all pipelined, have nothing new."""
        fresh = {folder: self._folders.fresh(folder, since.get(folder)) for folder in await self.folders()}
        asked = {folder for folder, point in fresh.items() if point and not self._folders.is_open(folder, point)}
        return asked - await self._folders.changed(asked)

    async def _pages_of(self, folder: Folder, text: SyncState | None, as_left: bool) -> AsyncGenerator[Page]:
        point, end = self._folders.fresh(folder, text), None
        if point and as_left:
            yield Page(folder, (), point.text, point.resetting)
            return
        self._folders.points.pop(folder, None)
        if point is None or not self._folders.is_open(folder, point):
            point, end = await self._begin(folder, Point.parse(text))
        reader = FolderReader(self.session, folder, point, self.settings.after.told())
        async with aclosing(reader.pages(end)) as pages:
            async for page in pages:
                yield page
                await self._return_to(folder, reader.point)
        self._folders.points[folder] = reader.point

    async def _return_to(self, folder: Folder, point: Point) -> None:
        """Receipts of another folder may have been acknowledged while the page was away."""
        if (await self._folders.open(folder)).validity != point.validity:
            raise ConnectionLost(f"UIDVALIDITY of {folder!r} changed while it was listed")

    async def _begin(self, folder: Folder, point: Point | None) -> tuple[Point, int]:
        """Open the folder anew: where to go on in it, and its UIDNEXT."""
        selected = await self._folders.open(folder, anew=True)
        if selected.validity == 0 and point and point.validity:
            raise self._folders.park(
                FolderMissing(folder, f"the server tells no UIDVALIDITY of {folder!r}", hint="mail there is held")
            )
        expected = point.next_uid if point and point.validity == selected.validity else 1
        following = await folders.next_uid(self.session, selected, expected)
        return state.begin(point, selected.validity, following), following

    # --- messages ------------------------------------------------------------------------------------------------------

    async def fetch(self, listings: Sequence[Listing], *, limit: int) -> AsyncGenerator[Fetched]:
        """See `Mailbox.fetch`."""
        by_uid: dict[int, Listing] = {}
        stale: list[Listing] = []
        if listings:
            selected = await self._folders.open(listings[0].folder)
            for listing in listings:
                uid = self._uid(listing.folder, listing.unique_id, selected)
                if uid is None:
                    stale.append(listing)
                else:
                    by_uid[uid] = listing
        for listing in stale:
            yield Fetched(listing, Extent.GONE, detail="the server gave its messages new numbers since")
        async with aclosing(Fetcher(self.session, by_uid, limit).fetch()) as arrived:
            async for fetched in arrived:
                yield fetched

    async def acknowledge(self, receipts: Sequence[Receipt]) -> Sequence[Receipt]:
        """See `Mailbox.acknowledge`. Receipts of a numbering that is over are confirmed: nothing of it can be told any more."""
        by_folder: dict[Folder, list[Receipt]] = {}
        for receipt in receipts:
            by_folder.setdefault(receipt.folder, []).append(receipt)
        confirmed: list[Receipt] = []
        for folder, owed in by_folder.items():
            confirmed += await self._acknowledge_in(folder, owed)
        return confirmed

    async def _acknowledge_in(self, folder: Folder, owed: Sequence[Receipt]) -> Sequence[Receipt]:
        if self.settings.read_only:
            return ()
        if self.settings.after.action is Action.KEEP:
            return owed
        try:
            selected = await self._folders.open(folder)
            if selected.read_only:  # it may have been so for a moment: under another program's lock, in maintenance
                selected = await self._folders.open(folder, anew=True)
        except FolderMissing as error:
            self.remarks[folder] = error.reason
            return ()
        uids = {receipt: self._uid(folder, receipt.unique_id, selected) for receipt in owed}
        told = await self._acknowledger.acknowledge(uid for uid in uids.values() if uid is not None)
        self._remark(folder)
        removed = self._acknowledger.removes
        return [
            replace(receipt, stays=uid is None or not removed) for receipt, uid in uids.items() if uid is None or uid in told
        ]

    def _remark(self, folder: Folder) -> None:
        self.remarks.pop(folder, None)
        if self._acknowledger.remark:
            self.remarks[folder] = self._acknowledger.remark

    def _uid(self, folder: Folder, unique_id: str, selected: Selected) -> int | None:
        """The UID that this id means in the open folder; None if it is of another numbering."""
        validity, uid, epoch = state.read_unique_id(unique_id) or (-1, 0, 0)
        point = self._folders.points.get(folder)
        if validity != selected.validity or (point and point.epoch != epoch):
            return None
        return uid

    # --- waiting and leaving -----------------------------------------------------------------------------------------

    async def wait(self) -> bool:
        """See `Mailbox.wait`. Always True: an IMAP session goes on until it breaks."""
        await self._waiter.wait()
        return True

    async def close(self) -> Sequence[Receipt]:
        """Log out where that is still possible. Never raises."""
        await self.session.close()
        return ()


def _check_target(settings: ImapSettings) -> None:
    """Raises PermanentFailure for a target that would bring mail back, or cannot be named."""
    target = settings.after.target
    if folders.same_name(target) in map(folders.same_name, settings.folders):
        raise PermanentFailure(f"mail would be moved to {target!r}, which is watched itself", setting="receiver.after")
    try:
        encode.folder(target, utf8=True)
    except encode.Unencodable as error:
        raise PermanentFailure(f"the folder {target!r} cannot be named: {error}", setting="receiver.after") from error
