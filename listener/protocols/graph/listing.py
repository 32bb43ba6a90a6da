"""One round through a folder: its delta until the deltaLink, then, once an hour, what the delta may have forgotten.

Delta is a hint of ids (R-35): items come in any order, more than once, with our own changes among them, sometimes not at all.
So a page is a set, the ledger knows what is known, and every SAFETY_SECONDS the mail of the last two days is listed by time.

Rules of the file
1. A page's sync state is the link that follows it; it is never used before the page was yielded (R-33).
2. A state that the server lost (410 and its like, R-34) begins a reset: the folder is walked anew, and what is known is
   recognised. The walk is a reset to its end, in whatever session that comes.
3. Links are pinned before they are stored or followed.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from ...errors import ServerUnavailable
from ...mailbox import Folder, Listing, Page
from . import refusals
from .client import GraphClient
from .folders import Folders, folder_missing
from .items import SELECT, Document, Item, instant, items
from .refusals import Reply
from .state import State

DELTA_COUNT = 200
"""Items that a delta page may have."""
PAGE_COUNT = 25
"""Messages that are fetched and committed at once: Graph announces no sizes, so few of them bound the memory."""
SAFETY_SECONDS = 3600.0
SAFETY_REACH = 48 * 3600.0
MAX_RESTARTS = 3
"""Resets within one round, before the server is believed to be ill."""
MAX_PAGES = 50_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much at a time; see the constants."""

    delta_count: int = DELTA_COUNT
    page_count: int = PAGE_COUNT
    safety_seconds: float = SAFETY_SECONDS


@dataclass(frozen=True, slots=True)
class Watched:
    """A folder by name and id, and whether `isRead` means that nothing is owed for a message."""

    name: Folder
    id: str
    read_is_told: bool


class Round:
    """One pass; `echoes` names what we marked as read. `state` is what the next one begins from, once this one is through."""

    def __init__(
        self,
        client: GraphClient,
        folders: Folders,
        folder: Watched,
        bounds: Bounds,
        state: State,
        *,
        echoes: set[str],
        now: Callable[[], float],
    ) -> None:
        self.state = state
        self._echoes = echoes
        self._client, self._folders, self._folder = client, folders, folder
        self._bounds, self._now = bounds, now
        self._seen: set[str] = set()
        self._left = 0

    async def pages(self) -> AsyncGenerator[Page, None]:
        """Everything that came after the state, then the safety listing where it is due. Raises FolderMissing."""
        self._left = 0 if self.state.link else await self._folders.count(self._folder.id)
        async for document in self._documents():
            listed = items(document)
            found, reset = self._wanted(listed), self.state.reset
            self.state = self._after(document)
            self._left = max(self._left - len(listed), 0)
            for page in self._cut(found, reset, more=_next(document)):
                yield page
        if self._now() - self.state.swept >= self._bounds.safety_seconds:
            async for page in self._safety():
                yield page

    async def recent(self, after: float) -> AsyncGenerator[Page, None]:
        """What was received at or after that time, asked for by time; nothing of it moves the state."""
        floor = self.state.floor
        async for page in self._received_since(after if floor is None else max(after, floor)):
            yield page

    async def walk(self) -> AsyncGenerator[Sequence[Item], None]:
        """The items of the whole folder, page by page, for a baseline; `state` is current afterwards."""
        async for document in self._documents():
            self.state = self._after(document)
            yield items(document)

    # --- the delta ---------------------------------------------------------------------------------------------------

    async def _documents(self) -> AsyncGenerator[Document, None]:
        """One answer after the other until the deltaLink; the caller moves `state` on."""
        restarts = 0
        for _ in range(MAX_PAGES):
            reply = await self._client.ask("GET", self._link(), page=self._bounds.delta_count)
            if reply.state_lost:
                restarts += 1
                if restarts > MAX_RESTARTS:
                    raise ServerUnavailable(f"the delta state is lost again and again: {reply.shown}")
                await self._restart(reply)
                continue
            if reply.gone:
                raise folder_missing(self._folder.name)
            document = refusals.required(reply, self._client.mailbox, self._client.endpoint.section)
            asked = self.state.link
            yield document
            if not _next(document):
                return
            if self.state.link == asked:
                raise ServerUnavailable("Microsoft Graph's nextLink leads to the page that it is on")
        raise ServerUnavailable("Microsoft Graph's delta has no end")

    def _link(self) -> str:
        if self.state.link is not None:
            return self._client.pinned(self.state.link)
        return self._client.url("mailFolders", self._folder.id, "messages", "delta", select=SELECT)

    async def _restart(self, reply: Reply) -> None:
        """Rule 2. The server may say where to begin anew."""
        link = self._client.pinned(reply.location) if reply.location else None
        self.state = replace(self.state, link=link, reset=True, swept=self._now())
        self._left = await self._folders.count(self._folder.id)

    def _after(self, document: Document) -> State:
        """The state once this page is committed."""
        # A walk from the beginning sees everything, as the safety listing would.
        swept = self._now() if self.state.link is None else self.state.swept
        if _next(document):
            return replace(self.state, link=self._client.pinned(document["@odata.nextLink"]), swept=swept)
        if "@odata.deltaLink" not in document:
            raise ServerUnavailable("Microsoft Graph's delta page has no link to go on from")
        return State(self._folder.id, self._client.pinned(document["@odata.deltaLink"]), swept=swept)

    def _wanted(self, found: Sequence[Item]) -> list[Item]:
        """Without what is before the floor, and without our own changes coming back, which the ledger has."""
        floor = self.state.floor
        after = [one for one in found if floor is None or one.received_at is None or one.received_at >= floor]
        return after if self.state.reset else [one for one in after if not self._is_echo(one)]

    def _is_echo(self, one: Item) -> bool:
        echo = one.is_read and one.id in self._echoes
        self._echoes.discard(one.id)
        return echo

    def _cut(self, found: Sequence[Item], reset: bool, *, more: bool) -> Iterator[Page]:
        """Pages of a few; only the last one carries the state, because it covers them all."""
        count = self._bounds.page_count
        groups = [found[start : start + count] for start in range(0, len(found), count)] or [[]]
        following = len(found)
        for number, group in enumerate(groups, 1):
            following -= len(group)
            last = number == len(groups)
            remaining = following + (max(self._left, 1) if more else 0)
            yield Page(self._folder.name, self._listings(group), self.state.text() if last else None, reset, remaining)

    def _listings(self, found: Sequence[Item]) -> tuple[Listing, ...]:
        recent = self._now() - SAFETY_REACH
        self._seen.update(one.id for one in found if one.received_at is None or one.received_at >= recent)
        told = self._folder.read_is_told
        return tuple(one.listing(self._folder.name, acknowledged=told and one.is_read) for one in found)

    # --- what the delta forgot ---------------------------------------------------------------------------------------

    async def _safety(self) -> AsyncGenerator[Page, None]:
        """What was received in the last two days and not listed in this round, then the state with the time of this."""
        began = self._now()
        async for page in self._received_since(began - SAFETY_REACH):
            yield page
        self.state = replace(self.state, swept=began)
        yield Page(self._folder.name, (), self.state.text())

    async def _received_since(self, moment: float) -> AsyncGenerator[Page, None]:
        since = f"receivedDateTime ge {instant(moment)}"
        url = self._client.url(
            *("mailFolders", self._folder.id, "messages"),
            filter=since,
            select=SELECT,
            orderby="receivedDateTime asc",
            top=str(self._bounds.delta_count),
        )
        async for document in self._client.collection(url):
            found = [one for one in items(document) if one.id not in self._seen]
            for start in range(0, len(found), self._bounds.page_count):
                yield Page(self._folder.name, self._listings(found[start : start + self._bounds.page_count]), remaining=1)


def _next(document: Document) -> bool:
    return "@odata.nextLink" in document
