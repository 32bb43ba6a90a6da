"""A Microsoft 365 mailbox as a `Mailbox`: Graph's delta for each folder, MIME by `$value`, changes message by message.

Used by the receiver. A session is a client with its connections, not a state of the server's: it lasts until something breaks.

Rules of the file
1. A message is named by its immutable id, which it keeps when it is moved within the mailbox (R-32).
2. `start = "now"` walks the whole folder once: what is there is named as before the baseline, so that a later change of it,
   such as being read, is never taken for new mail (R-36). What came while we walked is found by the safety listing.
3. `wait` sleeps, then looks whether the deltas have anything: an idle mailbox costs one request a folder and interval. The
   interval is longer once nothing was fetched for an hour (`Polling`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Self

from ...backoff import Polling
from ...errors import FolderMissing, ServerUnavailable
from ...mailbox import Baseline, Fetched, Folder, Listing, Page, Receipt, SyncState
from ..endpoint import Endpoint
from ..imap.acknowledging import Action, After
from . import fetching
from .acknowledging import Acknowledger
from .client import GraphClient, Token
from .folders import Folders
from .items import SELECT, Item, instant, items
from .listing import Bounds, Round, Watched
from .refusals import Reply
from .state import State

MAX_PRESENT = 2_000_000
"""Messages that a folder may hold when it is first watched."""


@dataclass(frozen=True, slots=True)
class GraphSettings:
    """What the account's settings say; seconds. `read_only`: tell the server nothing."""

    folders: tuple[str, ...] = ("INBOX",)
    after: After = field(default_factory=lambda: After(Action.SEEN))
    poll_interval: float = 60.0
    read_only: bool = False
    bounds: Bounds = field(default_factory=Bounds)


class GraphMailbox:
    """One session. `last_round_trip` is when the server last answered in full, POSIX seconds; `waiting`: asleep in `wait`."""

    def __init__(
        self,
        client: GraphClient,
        settings: GraphSettings,
        *,
        notice: Callable[[str], None] = lambda text: None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.client = client
        self.settings = settings
        self.waiting = False
        self._folders = Folders(client)
        self._acknowledger = Acknowledger(client, self._folders, settings.after, notice)
        self._states: dict[Folder, State] = {}
        self._now, self._sleep = now, sleep
        self._polling = Polling(settings.poll_interval, now)

    @classmethod
    async def open(
        cls,
        endpoint: Endpoint,
        mailbox: str,
        token: Token,
        settings: GraphSettings,
        *,
        client: Mapping[str, Any] | None = None,
        now: Callable[[], float] = time.time,
        **how: Any,
    ) -> Self:
        """Signed in: the token was taken and the mailbox answers. `mailbox` is the user principal name.

        Raises what `GraphClient.ask` raises, and PermanentFailure where the mailbox may not be read.
        """
        asking = await GraphClient.open(endpoint, mailbox, token, **{"now": now, **(client or {})})
        session = cls(asking, settings, now=now, **how)
        try:
            await session._folders.id_of("INBOX")
        except BaseException:
            await session.close()
            raise
        return session

    @property
    def last_round_trip(self) -> float:
        """POSIX seconds."""
        return self.client.reached_at

    @property
    def remarks(self) -> Mapping[Folder, str]:
        """What Graph refuses is said in the log as a notice."""
        return {}

    @property
    def login_delay(self) -> float:
        """Graph asks for none."""
        return 0.0

    @property
    def idle_since(self) -> float | None:
        """Graph knows no IDLE."""
        return None

    @property
    def certificate_expiry(self) -> float | None:
        """Of no connection in particular."""
        return None

    @property
    def clock_skew(self) -> float | None:
        """By how many seconds the server's clock is ahead of ours, as its last answer says; None: it did not."""
        return self.client.skew

    async def folders(self) -> Sequence[Folder]:
        return tuple(Folder(name) for name in self.settings.folders)

    async def baseline(self, folder: Folder, since: float | None) -> Baseline:
        """Rule 2. The server's clock says what came before `since`; a message without a time counts as new."""
        if since == 0:
            return Baseline(None, 0.0)
        watched = await self._watched(folder)
        before, present = (await self._now_there(watched)) if since is None else (since, {})
        walk = self._round(watched, State(watched.id))
        async for found in walk.walk():
            present.update((item.id, None) for item in found if _is_before(item, before))
            if len(present) > MAX_PRESENT:
                raise ServerUnavailable(f'the folder "{folder}" holds more than {MAX_PRESENT} messages')
        state = State(watched.id, walk.state.link) if since is None else State(watched.id, floor=since)
        return Baseline(state.text(), before, tuple(present))

    async def count(self, folder: Folder) -> int:
        """How many messages it holds, as the server says. Raises FolderMissing."""
        return await self._folders.count((await self._watched(folder)).id)

    async def first_page(self, folder: Folder) -> int:
        """How many items the first page of its delta lists; asking changes nothing. Raises FolderMissing."""
        watched = await self._watched(folder)
        async with aclosing(self._round(watched, State(watched.id)).walk()) as walk:
            return len(await anext(walk))

    async def pages(self, since: Mapping[Folder, SyncState]) -> AsyncGenerator[Page, None]:
        missing: FolderMissing | None = None
        for name in await self.folders():
            try:
                watched = await self._watched(name)
                async with aclosing(self._pages_of(watched, since.get(name))) as pages:
                    async for page in pages:
                        yield page
            except FolderMissing as error:
                self._folders.forget()
                self._states.pop(name, None)
                missing = missing or error
        if missing is not None:
            raise missing

    async def _pages_of(self, watched: Watched, since: SyncState | None) -> AsyncGenerator[Page, None]:
        state = State.read(since)
        if since is not None and (state is None or state.folder != watched.id):
            state = State(watched.id, reset=True)
        this = self._round(watched, state or State(watched.id))
        async with aclosing(this.pages()) as pages:
            async for page in pages:
                yield page
        self._states[watched.name] = this.state

    async def recent(self, since: Mapping[Folder, SyncState], after: float) -> AsyncGenerator[Page, None]:
        for name in await self.folders():
            state = State.read(since.get(name))
            try:
                watched = await self._watched(name)
            except FolderMissing:
                self._folders.forget()
                continue
            if since.get(name) is None or (state and state.folder == watched.id and not state.reset):
                async with aclosing(self._round(watched, state or State(watched.id)).recent(after)) as pages:
                    async for page in pages:
                        yield page

    def fetch(self, listings: Sequence[Listing], *, limit: int) -> AsyncGenerator[Fetched, None]:
        self._polling.mail_came()
        return fetching.fetch(self.client, listings, limit)

    async def acknowledge(self, receipts: Sequence[Receipt]) -> Sequence[Receipt]:
        if self.settings.read_only:
            return ()
        return await self._acknowledger.acknowledge(receipts)

    async def wait(self) -> bool:
        """Rule 3. Raises what a broken connection raises."""
        while True:
            self.waiting = True
            try:
                await self._sleep(self._polling.interval)
            finally:
                self.waiting = False
            if await self._is_news():
                self._folders.forget()
                return True

    async def close(self) -> Sequence[Receipt]:
        await self.client.close()
        return ()

    # --- how ---------------------------------------------------------------------------------------------------------

    async def _is_news(self) -> bool:
        """May there be more in some folder? A look costs nothing but the request: the links stay as good as before."""
        for name in await self.folders():
            state = self._states.get(name)
            if state is None or state.link is None:
                if await self._is_there(name):
                    return True
            elif self._now() - state.swept >= self.settings.bounds.safety_seconds or await self._has_changes(state):
                return True
        return False

    async def _has_changes(self, state: State) -> bool:
        """Whatever the answer is, a lost state too, `pages` deals with it; only an empty one means that nothing is new."""
        reply = await self.client.ask("GET", self.client.pinned(state.link), page=self.settings.bounds.delta_count)
        return not reply.ok or bool(reply.document.get("value")) or "@odata.nextLink" in reply.document

    async def _is_there(self, name: Folder) -> bool:
        try:
            await self._folders.id_of(name)
        except FolderMissing:
            return False
        return True

    async def _watched(self, name: Folder) -> Watched:
        return Watched(name, await self._folders.id_of(name), self.settings.after.action is Action.SEEN)

    def _round(self, watched: Watched, state: State) -> Round:
        echoes = self._acknowledger.echoes
        return Round(self.client, self._folders, watched, self.settings.bounds, state, echoes=echoes, now=self._now)

    async def _now_there(self, watched: Watched) -> tuple[float, dict[str, None]]:
        """The server's clock, in whole seconds as its times are, and what of this very second is there already."""
        url = self.client.url("mailFolders", watched.id, select="id")
        reply: Reply = await self.client.ask("GET", url)
        moment = float(int(reply.date if reply.date is not None else self._now()))
        since = f"receivedDateTime ge {instant(moment)}"
        top = str(self.settings.bounds.delta_count)
        url = self.client.url("mailFolders", watched.id, "messages", filter=since, select=SELECT, top=top)
        return moment, {item.id: None async for document in self.client.collection(url) for item in items(document)}


def _is_before(item: Item, moment: float) -> bool:
    return item.received_at is not None and item.received_at < moment
