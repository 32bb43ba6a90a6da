"""An IMAP account as receivers see it: the `Mailbox` of listener/mailbox.py over one session.

Opened by the supervisor's receiver for work, and with `read_only` by `check` and `preview`, which then change nothing. The
parts are beside this file: `sign_in` and `session` speak, `listing` finds what is new, `fetching` brings it, and
`acknowledging` tells the server. Here is what joins them: which folder is open, how far each was listed, and waiting.

Rules of the file
1. IDLE is only a hint. Before each IDLE and after each wake-up the folder is searched for UIDs beyond the point reached, and
   at least every SAFETY_SECONDS it is opened anew, which also notices that it was renamed, deleted or renumbered.
2. A folder that cannot be opened is parked: asked for again every `poll_interval`, and no trouble for the others.
3. A UIDVALIDITY that the server does not tell is 0. Where one was known before, the folder is parked: held, not replayed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
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
from .reading import Trace
from .session import Selected, Session
from .state import Point

SAFETY_SECONDS = 300.0
"""However well IDLE seems to work, the folder is looked into so often."""
IDLE_RENEWAL_SECONDS = 540.0
POLL_SECONDS = 60.0
LOOKS = 3
"""A server may tell of new mail in the tail of the very answer that did not find it: look again, but not for ever."""
DAY = 86_400.0


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
        self._points: dict[Folder, Point] = {}
        self._parked: dict[Folder, tuple[float, FolderMissing]] = {}
        self._stale: set[Folder] = set()
        self._acknowledger = Acknowledger(session, settings.after)

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
    def last_round_trip(self) -> float | None:
        """Event-loop time at which the server last answered a command."""
        return self.session.last_round_trip

    @property
    def idle_since(self) -> float | None:
        """Event-loop time at which the IDLE under way began; None while not idling."""
        return self.session.idle_since

    async def folders(self) -> Sequence[Folder]:
        """The watched folders in the order of the settings."""
        return [Folder(name) for name in self.settings.folders]

    # --- where to begin ----------------------------------------------------------------------------------------------

    async def baseline(self, folder: Folder, since: float | None) -> Baseline:
        """See `Mailbox.baseline`. The server's clock is not told by IMAP; ours stands in."""
        if since == 0:
            return Baseline(None, 0.0)
        selected = await self._open(folder)
        following = await folders.next_uid(self.session, selected, 1)
        if since is None:
            return Baseline(Point(selected.validity, following).text, self._now())
        first = await self._first_since(since, following)
        return Baseline(Point(selected.validity, first).text, since)

    async def _first_since(self, since: float, following: int) -> int:
        """The lowest UID received at or after `since`. SEARCH SINCE knows only days, in a zone of the server's choice."""
        day = time.gmtime(max(since - DAY, 0))
        month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[day.tm_mon - 1]
        also = f"SINCE {day.tm_mday}-{month}-{day.tm_year}".encode("ascii")
        async with aclosing(folders.windows(self.session, 1, following, also=also)) as windows:
            async for uids in windows:
                for start in range(0, len(uids), DESCRIBED_AT_ONCE):
                    found = await self._received_since(uids[start : start + DESCRIBED_AT_ONCE], since)
                    if found:
                        return min(found)
        return following

    async def _received_since(self, uids: Sequence[int], since: float) -> list[int]:
        found: list[int] = []
        for text in encode.uid_sets(uids):
            async for response in self.session.stream(Command("UID FETCH", (text, b"(UID INTERNALDATE)"))):
                answer = None if isinstance(response, Status) else answers.fetch(response)
                if answer and answer.uid and answer.uid in uids and (answer.received_at is None or answer.received_at >= since):
                    found.append(answer.uid)
        return found

    # --- what is new ---------------------------------------------------------------------------------------------------

    async def pages(self, since: Mapping[Folder, SyncState]) -> AsyncGenerator[Page]:
        """See `Mailbox.pages`."""
        missing: FolderMissing | None = None
        for folder in await self.folders():
            try:
                async with aclosing(self._pages_of(folder, since.get(folder))) as pages:
                    async for page in pages:
                        yield page
            except FolderMissing as error:
                missing = missing or error
        if missing:
            raise missing

    async def _pages_of(self, folder: Folder, text: SyncState | None) -> AsyncGenerator[Page]:
        known = self._points.pop(folder, None)
        point: Point | None = None
        end: int | None = None
        if known and known.text == text and folder not in self._stale:
            if self._is_open(folder, known):
                point = known
            elif await self._unchanged(folder, known):
                self._points[folder] = known
                yield Page(folder, (), known.text, known.resetting)
                return
        if point is None:
            point, end = await self._begin(folder, Point.parse(text))
        reader = FolderReader(self.session, folder, point, self.settings.after.told())
        async with aclosing(reader.pages(end)) as pages:
            async for page in pages:
                yield page
                await self._return_to(folder, reader.point)
        self._points[folder] = reader.point

    async def _return_to(self, folder: Folder, point: Point) -> None:
        """Receipts of another folder may have been acknowledged while the page was away."""
        if (await self._open(folder)).validity != point.validity:
            raise ConnectionLost(f"UIDVALIDITY of {folder!r} changed while it was listed")

    async def _begin(self, folder: Folder, point: Point | None) -> tuple[Point, int]:
        """Open the folder anew: where to go on in it, and its UIDNEXT."""
        selected = await self._open(folder, anew=True)
        if selected.validity == 0 and point and point.validity:
            raise self._park(FolderMissing(folder, f"the server tells no UIDVALIDITY of {folder!r}", hint="mail there is held"))
        expected = point.next_uid if point and point.validity == selected.validity else 1
        following = await folders.next_uid(self.session, selected, expected)
        return state.begin(point, selected.validity, following), following

    async def _unchanged(self, folder: Folder, point: Point) -> bool:
        """Whether a folder that is not open is as we left it, by STATUS."""
        self._refuse_parked(folder)
        try:
            items = await folders.folder_status(self.session, folder)
        except FolderMissing as error:
            raise self._park(error) from None
        return (items.get("UIDVALIDITY"), items.get("UIDNEXT")) == (point.validity, point.next_uid)

    # --- open folders --------------------------------------------------------------------------------------------------

    def _is_open(self, folder: Folder, point: Point) -> bool:
        selected = self.session.selected
        return selected is not None and selected.name == folder and selected.validity == point.validity

    async def _open(self, folder: Folder, *, anew: bool = False) -> Selected:
        """Have the folder open. Raises FolderMissing, without asking the server again too soon."""
        selected = self.session.selected
        if selected and selected.name == folder and not anew:
            return selected
        self._refuse_parked(folder)
        try:
            selected = await folders.open_folder(self.session, folder, read_only=self.settings.read_only)
        except FolderMissing as error:
            raise self._park(error) from None
        self._parked.pop(folder, None)
        self._stale.discard(folder)
        return selected

    def _park(self, error: FolderMissing) -> FolderMissing:
        folder = Folder(error.folder)
        self._parked[folder] = (asyncio.get_running_loop().time() + self.settings.poll_interval, error)
        self._points.pop(folder, None)
        return error

    def _refuse_parked(self, folder: Folder) -> None:
        until, error = self._parked.get(folder, (0.0, None))
        if error and asyncio.get_running_loop().time() < until:
            raise error.with_traceback(None)

    # --- messages ------------------------------------------------------------------------------------------------------

    async def fetch(self, listings: Sequence[Listing], *, limit: int) -> AsyncGenerator[Fetched]:
        """See `Mailbox.fetch`."""
        by_uid: dict[int, Listing] = {}
        stale: list[Listing] = []
        if listings:
            selected = await self._open(listings[0].folder)
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
            selected = await self._open(folder)
        except FolderMissing as error:
            self.remarks[folder] = error.reason
            return ()
        uids = {receipt: self._uid(folder, receipt.unique_id, selected) for receipt in owed}
        told = await self._acknowledger.acknowledge(uid for uid in uids.values() if uid is not None)
        self._remark(folder)
        return [receipt for receipt, uid in uids.items() if uid is None or uid in told]

    def _remark(self, folder: Folder) -> None:
        self.remarks.pop(folder, None)
        if self._acknowledger.remark:
            self.remarks[folder] = self._acknowledger.remark

    def _uid(self, folder: Folder, unique_id: str, selected: Selected) -> int | None:
        """The UID that this id means in the open folder; None if it is of another numbering."""
        validity, uid, epoch = state.read_unique_id(unique_id) or (-1, 0, 0)
        point = self._points.get(folder)
        if validity != selected.validity or (point and point.epoch != epoch):
            return None
        return uid

    # --- waiting -------------------------------------------------------------------------------------------------------

    async def wait(self) -> bool:
        """See `Mailbox.wait`. Always True: an IMAP session goes on until it breaks."""
        loop = asyncio.get_running_loop()
        safety, poll = loop.time() + SAFETY_SECONDS, loop.time() + self.settings.poll_interval
        folder = await self._waiting_room()
        if folder is None:
            await self.session.listen(self.settings.poll_interval)
            return True
        others = [other for other in await self.folders() if other != folder]
        while True:
            for _ in range(LOOKS):
                if await self._has_news(folder):
                    return True
                if not self.session.hinted:
                    break
            idles = self.session.offers("IDLE")
            until = min(safety, loop.time() + self.settings.idle_renewal, poll if others or not idles else safety)
            seconds = max(until - loop.time(), 0.0)
            if await (self.session.idle(seconds) if idles else self.session.listen(seconds)):
                return True
            if loop.time() >= safety:
                self._stale.add(folder)
                return True
            if loop.time() >= poll:
                if await self._others_have_news(others):
                    return True
                poll = loop.time() + self.settings.poll_interval

    async def _waiting_room(self) -> Folder | None:
        """The first folder that is listed and can be opened."""
        for folder in await self.folders():
            if folder in self._points:
                return folder
        return None

    async def _has_news(self, folder: Folder) -> bool:
        """Look for mail beyond the point reached; True also where the folder must be listed anew."""
        point = self._points[folder]
        try:
            selected = await self._open(folder)
        except FolderMissing:
            return True
        if selected.validity != point.validity:
            self._stale.add(folder)
            return True
        return bool(await folders.from_uid(self.session, point.next_uid, look_again=True))

    async def _others_have_news(self, others: Sequence[Folder]) -> bool:
        for folder in others:
            point = self._points.get(folder)
            try:
                if point is None or not await self._unchanged(folder, point):
                    return True
            except FolderMissing:
                continue
        return False

    async def close(self) -> Sequence[Receipt]:
        """Log out where that is still possible. Never raises."""
        await self.session.close()
        return ()


def _check_target(settings: ImapSettings) -> None:
    """Raises PermanentFailure for a target that would bring mail back, or cannot be named."""
    target = settings.after.target
    if target in settings.folders:
        raise PermanentFailure(f"mail would be moved to {target!r}, which is watched itself", setting="receiver.after")
    try:
        encode.folder(target, utf8=True)
    except encode.Unencodable as error:
        raise PermanentFailure(f"the folder {target!r} cannot be named: {error}", setting="receiver.after") from error
