"""What is new in the open folder: found by UID, described, and cut into pages (`Mailbox.pages`).

The order of things keeps P5: the state of a page covers exactly the UIDs that were searched for and described up to it, and
the last one is the server's UIDNEXT from *before* the search, so that what arrives meanwhile is found the next time.
What a server sends unasked, unsorted, twice or for UID 0 is filtered; what it fails to describe is listed without a size.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncGenerator, Iterator, Sequence

from ...mailbox import Folder, Listing, Page
from ...message import fields, identifiers
from . import answers, encode, folders
from .answers import Fetch
from .encode import Command
from .grammar import Status
from .session import Session
from .state import Point

PAGE_LISTINGS = 100
PAGE_OCTETS = 16 * 1024 * 1024
"""Announced octets of one page; a larger message is a page of its own."""
DESCRIBED_AT_ONCE = 500
MAX_MESSAGE_ID = 4_096
"""Octets of the Message-ID field that a reset asks for."""
MAX_GAPS = 100
"""Rounds of looking again behind the last message before the rest is left to the next call."""


class FolderReader:
    """Lists the open folder from `point` on, which moves with the pages.

    `told` are the flags any of which show that nothing is owed for a message; None: nothing ever is.
    """

    def __init__(self, session: Session, folder: Folder, point: Point, told: frozenset[str] | None) -> None:
        self.session = session
        self.folder = folder
        self.point = point
        self.told = told

    async def pages(self, end: int | None) -> AsyncGenerator[Page]:
        """`end` is UIDNEXT as the server told it before; None: just look for what came since.

        The last page, perhaps without listings, covers all there was.
        """
        shown: Point | None = None
        for _ in range(MAX_GAPS):
            async for uids in self._found(end):
                async for page in self._described(uids):
                    shown = self.point
                    yield page
            if end is None or self.point.next_uid >= end:
                break
            # UIDNEXT is ahead of the last message. Only a second look, after a NOOP, makes us believe it.
            if not await folders.from_uid(self.session, self.point.next_uid, look_again=True):
                self.point = self.point.advanced(end)
                break
        if shown != self.point:
            yield Page(self.folder, (), self.point.text, self.point.resetting)

    async def received_since(self, moment: float, end: int) -> AsyncGenerator[Page]:
        """From `point` on only what was received at or after that time; no page moves a sync state. `end` is UIDNEXT."""
        also = folders.received_since(moment)
        async for uids in folders.windows(self.session, self.point.next_uid, end, also=also):
            for batch in _batches(uids, 0):
                found = [one for one in await self._describe(batch) if (one[1].received_at or moment) >= moment]
                for group in _cut(found):
                    yield Page(self.folder, tuple(listing for _, listing in group), remaining=1)

    def _found(self, end: int | None) -> AsyncGenerator[list[int]]:
        if end is None:
            return self._came_since()
        return folders.windows(self.session, self.point.next_uid, end)

    async def _came_since(self) -> AsyncGenerator[list[int]]:
        yield await folders.from_uid(self.session, self.point.next_uid, look_again=True)

    async def _described(self, uids: Sequence[int]) -> AsyncGenerator[Page]:
        for batch in _batches(uids, self.point.horizon):
            described = await self._describe(batch)
            reset = self.point.resetting
            for group in _cut(described):
                last = group[-1][0]
                self.point = self.point.advanced(last + 1)
                remaining = len(uids) - bisect_right(uids, last)
                yield Page(self.folder, tuple(listing for _, listing in group), self.point.text, reset, remaining)
            self.point = self.point.advanced(batch[-1] + 1)

    async def _describe(self, uids: Sequence[int]) -> list[tuple[int, Listing]]:
        """The listings of these UIDs with their UIDs, ascending; without those that are gone."""
        told: dict[int, Fetch] = {uid: Fetch(uid) for uid in uids}
        for text in encode.uid_sets(uids):
            async for data in self.session.stream(Command("UID FETCH", (text, self._items()))):
                answer = None if isinstance(data, Status) else answers.fetch(data, "HEADER.FIELDS")
                if answer and answer.uid in told:
                    _merge(told[answer.uid], answer)
        silent = [uid for uid in uids if told[uid].size is None]
        gone = set(silent) - await folders.still_there(self.session, silent) if silent else set()
        return [(uid, self._listing(uid, told[uid])) for uid in uids if uid not in gone]

    def _items(self) -> bytes:
        items = b"(UID RFC822.SIZE INTERNALDATE FLAGS"
        if self.session.offers("X-GM-EXT-1"):
            items += b" X-GM-MSGID"
        elif self.session.offers("OBJECTID"):  # RFC 8474
            items += b" EMAILID"
        if self.point.resetting:
            items += b" BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]<0.%d>" % MAX_MESSAGE_ID
        return items + b")"

    def _listing(self, uid: int, told: Fetch) -> Listing:
        return Listing(
            self.folder,
            self.point.unique_id(uid),
            told.size,
            told.received_at,
            told.provider_id,
            _message_id(told.body) if told.body else None,
            self.told is None or bool(self.told & (told.flags or frozenset())),
        )


def _merge(into: Fetch, answer: Fetch) -> None:
    """What is told of one message may come in several answers; the first word on each thing counts."""
    for name in ("size", "received_at", "flags", "provider_id", "body"):
        if getattr(into, name) is None:
            setattr(into, name, getattr(answer, name))


def _message_id(header: bytes) -> str | None:
    """The Message-ID as the message's own reader will see it."""
    values = [value for name, value in fields.split(header, [])[0] if name == "message-id"]
    identifier, own = identifiers.message_id(values, b"")
    return identifier if own else None


def _batches(uids: Sequence[int], horizon: int) -> Iterator[Sequence[int]]:
    """At most DESCRIBED_AT_ONCE at a time, and never on both sides of the horizon."""
    position = 0
    while position < len(uids):
        end = min(position + DESCRIBED_AT_ONCE, len(uids))
        if uids[position] < horizon <= uids[end - 1]:
            end = bisect_right(uids, horizon - 1)
        yield uids[position:end]
        position = end


def _cut(described: Sequence[tuple[int, Listing]]) -> Iterator[list[tuple[int, Listing]]]:
    """Groups small enough to be fetched and committed at once."""
    group: list[tuple[int, Listing]] = []
    octets = 0
    for uid, listing in described:
        size = listing.size or 0
        if group and (len(group) == PAGE_LISTINGS or octets + size > PAGE_OCTETS):
            yield group
            group, octets = [], 0
        group.append((uid, listing))
        octets += size
    if group:
        yield group
