"""A Mailbox without a wire: the narrow interface straight on top of folders in memory.

For tests of what stands above a mailbox (receiver, crash points), and the first to pass the contract suite that every real
implementation must pass (tests/contract/). The folders are an `Store`, which outlives the session as a server would:
deliver to it, expunge from it, renumber it. Identity and sync state are IMAP's: `UIDVALIDITY:UID`, `UIDVALIDITY:UIDNEXT`.

    store = Store(time.time)
    store.deliver("INBOX", octets)
    mailbox = FakeMailbox(store, after="seen")
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence

from ..errors import ConnectionLost, FolderMissing
from ..mailbox import MOVED, Baseline, Extent, Fetched, Folder, Listing, Page, Receipt, SyncState
from .imap.fetch import header_end, section
from .store import Folder as Box
from .store import Message, NoSuchFolder, Store, Watcher

PAGE_COUNT = 100
PAGE_OCTETS = 8 * 1024 * 1024


class FakeMailbox:
    """One session. `after` is as in the settings; `refused` names messages, as (folder, UID), that are never handed over."""

    def __init__(
        self,
        store: Store,
        folders: Sequence[str] = ("INBOX",),
        *,
        after: str = "seen",
        page_count: int = PAGE_COUNT,
        page_octets: int = PAGE_OCTETS,
        refused: Collection[tuple[str, int]] = (),
    ) -> None:
        self._store, self._after, self._refused = store, after, refused
        self._folders = tuple(Folder(name) for name in folders)
        self._page_count, self._page_octets = page_count, page_octets
        self._listed: dict[Folder, int] = {}
        self._news = asyncio.Event()
        self._lost = self._closed = False
        self.waiting = False
        self.remarks: dict[Folder, str] = {}
        self.login_delay = 0.0
        self.idle_since: float | None = None
        self.certificate_expiry: float | None = None
        self.clock_skew: float | None = None

    # --- the interface -------------------------------------------------------------------------------------------------

    async def folders(self) -> Sequence[Folder]:
        self._check()
        return self._folders

    async def baseline(self, folder: Folder, since: float | None) -> Baseline:
        self._check()
        box = self._box(folder)
        now = self._store.now()
        if since is None:
            return Baseline(_state(box, box.uid_next), now)
        if not since:
            return Baseline(None, 0.0)
        later = (message.uid for message in box.messages.values() if message.internal_date >= since)
        return Baseline(_state(box, next(later, box.uid_next)), since)

    async def pages(self, since: Mapping[Folder, SyncState]) -> AsyncIterator[Page]:
        missing = None
        for folder in self._folders:
            self._check()
            try:
                box = self._box(folder)
            except FolderMissing as error:
                missing = missing or error
                continue
            for page in self._pages_of(folder, box, since.get(folder)):
                self._check()
                yield page
        if missing:
            raise missing

    async def recent(self, since: Mapping[Folder, SyncState], after: float) -> AsyncIterator[Page]:
        for folder in self._folders:
            self._check()
            try:
                box = self._box(folder)
            except FolderMissing:
                continue
            validity, begin = _point(since.get(folder), box)
            messages = [m for m in box.messages.values() if m.uid >= begin and m.internal_date >= after]
            if messages and validity == box.uid_validity:
                yield Page(folder, tuple(_listing(folder, box, message) for message in messages), remaining=1)

    async def fetch(self, listings: Sequence[Listing], *, limit: int) -> AsyncIterator[Fetched]:
        for listing in listings:
            self._check()
            yield self._fetch_one(listing, limit)

    async def acknowledge(self, receipts: Sequence[Receipt]) -> Sequence[Receipt]:
        for receipt in receipts:
            self._check()
            message = self._find(receipt.folder, receipt.unique_id)
            if message:
                self._tell(self._store[receipt.folder], message)
        return tuple(receipts)

    async def wait(self) -> bool:
        """Sleeps until a folder has changed since it was last listed; at once when it has already."""
        boxes = [self._store[name] for name in self._folders if name in self._store]
        watcher = _Waker(self._news)
        for box in boxes:
            box.watchers.add(watcher)
        self.waiting = True
        try:
            while not any(box.uid_next > self._listed.get(Folder(box.name), 0) for box in boxes):
                self._check()
                await self._news.wait()
                self._news.clear()
        finally:
            self.waiting = False
            for box in boxes:
                box.watchers.discard(watcher)
        self._check()
        return True

    async def close(self) -> Sequence[Receipt]:
        self._closed = True
        self._news.set()
        return ()

    # --- for tests -----------------------------------------------------------------------------------------------------

    def lose(self) -> None:
        """The connection breaks: whatever is asked from now on, and `wait` itself, raises ConnectionLost."""
        self._lost = True
        self._news.set()

    # --- how -----------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._lost or self._closed:
            raise ConnectionLost("the fake connection is gone")

    def _box(self, folder: Folder) -> Box:
        try:
            box = self._store[folder]
        except NoSuchFolder:
            raise FolderMissing(folder, f"there is no folder {folder!r}") from None
        if not box.selectable:
            raise FolderMissing(folder, f"the folder {folder!r} cannot be opened")
        return box

    def _pages_of(self, folder: Folder, box: Box, since: SyncState | None) -> Iterator[Page]:
        """Pages up to what is there now. Within a reset only the last page moves the state: one that breaks off stays one."""
        validity, begin = _point(since, box)
        reset = validity != box.uid_validity or begin > box.uid_next
        end = _state(box, box.uid_next)
        self._listed[folder] = box.uid_next
        messages = [message for message in box.messages.values() if reset or message.uid >= begin]
        at = 0
        while True:
            chunk = messages[at : at + self._fitting(messages, at)]
            at += len(chunk)
            last = at >= len(messages)
            state = end if last else None if reset else _state(box, chunk[-1].uid + 1)
            listings = tuple(_listing(folder, box, message) for message in chunk)
            yield Page(folder, listings, state, reset, len(messages) - at)
            if last:
                return

    def _fitting(self, messages: Sequence[Message], at: int) -> int:
        """How many of the messages from here make a page: at least one, whatever its size."""
        octets = 0
        for count, message in enumerate(messages[at : at + self._page_count]):
            octets += len(message.octets)
            if octets > self._page_octets:
                return max(count, 1)
        return self._page_count

    def _find(self, folder: Folder, unique_id: str) -> Message | None:
        if folder not in self._store:
            return None
        validity, uid = (int(part) for part in unique_id.split(":"))
        box = self._store[folder]
        return box.messages.get(uid) if box.uid_validity == validity else None

    def _fetch_one(self, listing: Listing, limit: int) -> Fetched:
        message = self._find(listing.folder, listing.unique_id)
        if message is None:
            return Fetched(listing, Extent.GONE)
        if (listing.folder, message.uid) in self._refused:
            return Fetched(listing, Extent.REFUSED, detail="this message is not handed over")
        if len(message.octets) > limit:
            return Fetched(listing, Extent.HEADER, message.octets[: header_end(message.octets)])
        return Fetched(listing, Extent.WHOLE, message.octets)

    def _tell(self, box: Box, message: Message) -> None:
        action, _, target = self._after.partition(":")
        if action == "seen":
            box.set_flags(message.uid, message.flags | {"\\Seen"})
        elif action == "move":
            self._store.copy(box, [message.uid], self._store.create(target))
        if action in ("move", "delete"):
            box.expunge([message.uid])


class _Waker(Watcher):
    """Wakes the sleeper on whatever happens in a folder."""

    def __init__(self, news: asyncio.Event) -> None:
        self._news = news

    def expunged(self, uid: int) -> None:
        self._news.set()

    def arrived(self, uid: int) -> None:
        self._news.set()

    def flagged(self, uid: int, by: Watcher | None) -> None:
        self._news.set()


def _state(box: Box, uid: int) -> SyncState:
    return SyncState(f"{box.uid_validity}:{uid}")


def _listing(folder: Folder, box: Box, message: Message) -> Listing:
    field = section(message.octets, "HEADER.FIELDS (MESSAGE-ID)") or b""
    found = re.search(rb"<([^<>]*)>", field)
    return Listing(
        folder,
        f"{box.uid_validity}:{message.uid}",
        len(message.octets),
        message.internal_date,
        None,
        found[1].decode("utf-8", "replace") if found else None,
        "\\Seen" in message.flags,
    )


def _point(since: SyncState | None, box: Box) -> tuple[int, int]:
    """UIDVALIDITY and the UID to go on from; MOVED is nobody's UIDVALIDITY."""
    if since == MOVED:
        return 0, 1
    validity, begin = since.split(":") if since else (box.uid_validity, 1)
    return int(validity), int(begin)
