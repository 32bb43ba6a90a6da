"""A POP3 maildrop as a `Mailbox`: one session sees one fixed listing, and what it deletes is gone once QUIT was answered.

Used by the receiver; `wait` always says that nothing more can come in this session, so the supervisor sleeps and opens another.

Rules of the file
1. A message is named by its UIDL if that is well-formed and unique in this listing, else by `sha256:DIGEST:COPY`, for which it
   must be fetched to be listed at all (R-26).
2. DELE is sent only for acknowledged receipts, and they count only when QUIT was answered by +OK (RFC 1939 §6, R-28).
3. Nothing is deleted unless `after = "delete"`. Gmail hides what was retrieved all the same: docs/providers.md.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Self

from ...mailbox import MOVED, Baseline, Extent, Fetched, Folder, Listing, Page, Receipt, SyncState
from ..connection import CONNECT_SECONDS
from ..endpoint import Endpoint
from ..sasl import Credentials
from .grammar import Answer
from .headers import bare_message_id, received_time
from .listing import FEWEST, PAGE_COUNT, PAGE_OCTETS, Drop, Sketch, cut
from .reading import read_maildrop
from .session import Session, Trace
from .sign_in import authenticate, connect

INBOX = Folder("INBOX")
SIZE_SLACK = 2
"""How many times larger than announced a message may turn out: some servers count CRLF as one octet."""
SIZE_FLOOR = 65_536
"""A size announced below this is believed up to this: some servers announce 0."""
MAX_HEADER = 256 * 1024
RECENT_GROUP = 10
"""Messages whose headers are looked at in one go for when they were received."""
_SECONDS = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class Pop3Settings:
    """`delete`: remove from the server what was stored. `max_message`: larger ones are never fetched to be named."""

    delete: bool = False
    max_message: int = 50_000_000
    page_count: int = PAGE_COUNT
    page_octets: int = PAGE_OCTETS


class Pop3Mailbox:
    """One session in the TRANSACTION state. `last_round_trip` is when the server last answered in full, POSIX seconds."""

    def __init__(self, session: Session, settings: Pop3Settings, now: Callable[[], float] = time.time) -> None:
        self.session = session
        self.settings = settings
        self.last_round_trip = now()
        self._now = now
        self._drops: list[Drop] | None = None
        self._names: dict[int, str] = {}
        self._numbers: dict[str, Drop] = {}
        self._held: dict[str, bytes] = {}
        self._copies: Counter[str] = Counter()
        self._deleted: list[Receipt] = []

    @classmethod
    async def open(
        cls,
        endpoint: Endpoint,
        credentials: Credentials,
        settings: Pop3Settings,
        *,
        trace: Trace | None = None,
        deadline: float = CONNECT_SECONDS,
        now: Callable[[], float] = time.time,
    ) -> Self:
        """Connect and sign in. Raises what `connect` and `authenticate` raise."""
        session = await connect(endpoint, trace=trace, deadline=deadline)
        await authenticate(session, credentials)
        return cls(session, settings, now)

    @property
    def remarks(self) -> Mapping[Folder, str]:
        """Nothing but QUIT can be refused, and then the session is lost."""
        return {}

    @property
    def idle_since(self) -> float | None:
        """POP3 knows no IDLE."""
        return None

    @property
    def clock_skew(self) -> float | None:
        """POP3 does not tell the time."""
        return None

    @property
    def login_delay(self) -> float:
        """Seconds that must lie between two sign-ins (RFC 2449 §6.5); 0 where the server does not say."""
        words = self.session.capabilities.get("LOGIN-DELAY", ())
        return float(words[0]) if words and _SECONDS.fullmatch(words[0]) else 0.0

    @property
    def certificate_expiry(self) -> float | None:
        """POSIX seconds when the server's certificate ends; None without TLS."""
        facts = self.session.connection.facts
        return None if facts is None else facts.expires

    async def folders(self) -> Sequence[Folder]:
        return (INBOX,)

    async def baseline(self, folder: Folder, since: float | None) -> Baseline:
        """POP3 has neither dates nor order: what counts as before is named, message by message."""
        if since == 0:
            return Baseline(None, 0.0)
        drops = await self._listed()
        old = drops if since is None else await self._received_before(drops, since)
        present: list[str] = []
        for page in cut(old, self.settings.page_count, self.settings.page_octets):
            present += await self._name(page)
            self._held.clear()
        sketch = Sketch.of(drop.uidl for drop in drops if drop.uidl is not None)
        return Baseline(sketch.text(), self._now() if since is None else since, tuple(present))

    async def pages(self, since: Mapping[Folder, SyncState]) -> AsyncGenerator[Page, None]:
        """Everything that is there, each time: POP3 has no cursor. The sync state is a sketch of the ids."""
        drops = await self._listed()
        sketch = Sketch.of(drop.uidl for drop in drops if drop.uidl is not None)
        before = since.get(INBOX)
        anew = Sketch.read(before).replaced_by(sketch, fewest=FEWEST if self.settings.delete else 1)
        reset = before == MOVED or anew
        left = len(drops)
        for page in cut(drops, self.settings.page_count, self.settings.page_octets):
            left -= len(page)
            names = await self._name(page)
            listings = await self._identified(page, names) if reset else _plain(page, names)
            yield Page(INBOX, tuple(listings), sketch.text() if not left else None, reset, left)
            self._held.clear()
        if not drops:
            yield Page(INBOX, (), sketch.text())

    async def recent(self, since: Mapping[Folder, SyncState], after: float) -> AsyncGenerator[Page, None]:
        """From the last message backwards, as long as any of RECENT_GROUP was received since; maildrops grow at their end."""
        drops = await self._listed()
        sketch = Sketch.of(drop.uidl for drop in drops if drop.uidl is not None)
        before = since.get(INBOX)
        if before == MOVED or Sketch.read(before).replaced_by(sketch, fewest=1):
            return
        for end in range(len(drops), 0, -RECENT_GROUP):
            group = drops[max(end - RECENT_GROUP, 0) : end]
            old = {drop.number for drop in await self._received_before(group, after)}
            fresh = [drop for drop in group if drop.number not in old]
            if not fresh:
                return
            yield Page(INBOX, tuple(_plain(fresh, await self._name(fresh))), remaining=1)
            self._held.clear()

    async def fetch(self, listings: Sequence[Listing], *, limit: int) -> AsyncGenerator[Fetched, None]:
        asked: list[Listing] = []
        for listing in listings:
            if listing.unique_id in self._held:
                yield _fetched(listing, self._held[listing.unique_id], limit)
            elif listing.unique_id not in self._numbers:
                yield Fetched(listing, Extent.GONE)
            else:
                asked.append(listing)
        drops = [self._numbers[listing.unique_id] for listing in asked]
        commands = [_top(drop) if drop.size > limit else _retr(drop) for drop in drops]
        limits = [MAX_HEADER if drop.size > limit else _most(drop, limit) for drop in drops]
        async with aclosing(self._answers(commands, limits)) as answers:
            async for number, octets in answers:
                yield _fetched(asked[number], octets, 0 if drops[number].size > limit else limit)

    async def acknowledge(self, receipts: Sequence[Receipt]) -> Sequence[Receipt]:
        """DELE, which QUIT will carry out; what is not listed any more counts as confirmed."""
        if not self.settings.delete:
            return receipts
        await self._named()
        gone = [receipt for receipt in receipts if receipt.unique_id not in self._numbers]
        marked = {receipt.unique_id for receipt in self._deleted}
        listed = {receipt.unique_id: receipt for receipt in receipts if receipt.unique_id in self._numbers.keys() - marked}
        asked = list(listed.values())
        commands = [b"DELE %d" % self._numbers[receipt.unique_id].number for receipt in asked]
        waiting = iter(asked)
        async with aclosing(self.session.ask_all(commands)) as answers:
            async for answer in answers:
                self._answered()
                receipt = next(waiting)
                if answer.ok:
                    self._deleted.append(receipt)
        return gone

    async def wait(self) -> bool:
        return False

    async def close(self) -> Sequence[Receipt]:
        """QUIT; the receipts whose deletion it confirmed."""
        return tuple(self._deleted) if await self.session.quit() else ()

    # --- the listing of this session ---------------------------------------------------------------------------------

    async def _listed(self) -> list[Drop]:
        """UIDL first, then LIST; asked once, because a session's maildrop does not change (RFC 1939 §5)."""
        if self._drops is None:
            self._drops = await read_maildrop(self.session)
            self._answered()
        return self._drops

    async def _named(self) -> None:
        """See that every listed message has its name, also before the first page was asked for."""
        for page in cut(await self._listed(), self.settings.page_count, self.settings.page_octets):
            await self._name(page)
            self._held.clear()

    async def _name(self, page: Sequence[Drop]) -> list[str]:
        """Each message's unique id, found out once in a session: what is marked as deleted cannot be fetched again.

        Anonymous messages are fetched, and held until the page is done with.
        """
        fresh = [drop for drop in page if drop.number not in self._names]
        anonymous = [drop for drop in fresh if drop.uidl is None]
        whole = [drop.size <= self.settings.max_message for drop in anonymous]
        commands = [_retr(drop) if all_ else _top(drop) for drop, all_ in zip(anonymous, whole, strict=True)]
        limits = [_most(d, self.settings.max_message) if all_ else MAX_HEADER for d, all_ in zip(anonymous, whole, strict=True)]
        names = {drop.number: drop.uidl for drop in fresh if drop.uidl is not None}
        async for number, octets in self._answers(commands, limits):
            names[anonymous[number].number] = self._by_content(octets, hold=whole[number])
        self._names.update(names)
        self._numbers.update((names[drop.number], drop) for drop in fresh)
        return [self._names[drop.number] for drop in page]

    def _by_content(self, octets: bytes | Answer, *, hold: bool) -> str:
        """`sha256:DIGEST:COPY`; a message that the server refuses is named by its place, and refused again when fetched."""
        digest = "refused" if isinstance(octets, Answer) else hashlib.sha256(octets).hexdigest()
        self._copies[digest] += 1
        name = f"sha256:{digest}:{self._copies[digest]}"
        if hold and isinstance(octets, bytes):
            self._held[name] = octets
        return name

    async def _identified(self, page: Sequence[Drop], names: Sequence[str]) -> list[Listing]:
        """For a reset: with Message-ID and the time of the last hop, from the header alone."""
        listings = _plain(page, names)
        async for number, octets in self._answers([_top(drop) for drop in page], [MAX_HEADER] * len(page)):
            if isinstance(octets, bytes):
                drop = page[number]
                listings[number] = Listing(
                    INBOX, names[number], drop.size, received_time(octets), message_id=bare_message_id(octets)
                )
        return listings

    async def _received_before(self, drops: Sequence[Drop], moment: float) -> list[Drop]:
        """Those whose last hop was before; one without a readable date counts as new, because nothing may be skipped."""
        old: list[Drop] = []
        async for number, octets in self._answers([_top(drop) for drop in drops], [MAX_HEADER] * len(drops)):
            received = received_time(octets) if isinstance(octets, bytes) else None
            if received is not None and received < moment:
                old.append(drops[number])
        return old

    # --- the wire ----------------------------------------------------------------------------------------------------

    async def _answers(
        self, commands: Sequence[bytes], limits: Sequence[int]
    ) -> AsyncGenerator[tuple[int, bytes | Answer], None]:
        """Each command's number and answer. Left early, the session is over (session.py, rule 1)."""
        if not commands:
            return
        number = 0
        async with aclosing(self.session.messages(commands, limits)) as answers:
            async for answer in answers:
                self._answered()
                yield number, answer
                number += 1

    def _answered(self) -> None:
        self.last_round_trip = self._now()


def _plain(page: Sequence[Drop], names: Sequence[str]) -> list[Listing]:
    return [Listing(INBOX, name, drop.size) for drop, name in zip(page, names, strict=True)]


def _retr(drop: Drop) -> bytes:
    return b"RETR %d" % drop.number


def _top(drop: Drop) -> bytes:
    return b"TOP %d 0" % drop.number


def _most(drop: Drop, limit: int) -> int:
    return max(drop.size, min(SIZE_FLOOR, limit)) * SIZE_SLACK


def _fetched(listing: Listing, octets: bytes | Answer, limit: int) -> Fetched:
    """What came; of a message found to be larger than the limit, whatever was announced, the header section."""
    if isinstance(octets, Answer):
        return Fetched(listing, Extent.REFUSED, detail=octets.shown)
    if len(octets) <= limit:
        return Fetched(listing, Extent.WHOLE, octets)
    end = octets.find(b"\r\n\r\n")
    return Fetched(listing, Extent.HEADER, octets if end < 0 else octets[: end + 4])
