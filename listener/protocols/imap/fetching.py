"""Octets of messages from the open folder: pipelined, bounded, and each listing answered for (`Mailbox.fetch`).

Only `BODY.PEEK[]` and `BODY.PEEK[HEADER]` are asked for, so that reading changes nothing (R-15). All commands of a call go
out at once; messages are handed on as they arrive, one in memory at a time. What did not come is looked up: gone from
the server, it is GONE; still there, it is fetched alone, and REFUSED with the server's words if that fails too (R-17).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import aclosing

from ...mailbox import Extent, Fetched, Listing
from . import answers, encode, folders
from .answers import Fetch, Skipped
from .encode import Command
from .grammar import Condition, Status
from .reading import Literals
from .session import Session

BATCH = 100
"""Messages one command asks for."""
MAX_HEADER = 256 * 1024
"""Octets of a header section that are kept of a message too large to fetch."""
OVERSHOOT = 16 * 1024 * 1024
"""A message this much larger than `limit`, although announced smaller, is read over; more than that ends the session."""

_WHOLE = b"(UID BODY.PEEK[])"
_HEADER = b"(UID BODY.PEEK[HEADER]<0.%d>)" % MAX_HEADER
_HEADER_LITERALS = Literals(MAX_HEADER, MAX_HEADER + OVERSHOOT)


def _section(items: bytes) -> str:
    """What these items ask for between the brackets."""
    return items.partition(b"[")[2].partition(b"]")[0].decode("ascii")


class Fetcher:
    """One call of `fetch`: which UIDs are still waited for, whole or as headers."""

    def __init__(self, session: Session, listings: Mapping[int, Listing], limit: int) -> None:
        self.session = session
        self.listings = listings
        self.headers = {uid for uid, listing in listings.items() if listing.size is not None and listing.size > limit}
        self.wanted = set(listings) - self.headers
        self.literals = Literals(limit, limit + OVERSHOOT)

    async def fetch(self) -> AsyncGenerator[Fetched]:
        """One Fetched for each listing, in any order. Raises what ends the session."""
        async with aclosing(self._ask(self.wanted, _WHOLE, self.literals)) as whole:
            async for answer in whole:
                if done := self._whole(answer):
                    yield done
        async with aclosing(self._ask(self.headers, _HEADER, _HEADER_LITERALS)) as headers:
            async for answer in headers:
                if done := self._header(answer):
                    yield done
        left = self.wanted | self.headers
        there = await folders.still_there(self.session, left) if left else set()
        for uid in sorted(left):
            yield await self._alone(uid) if uid in there else self._gone(uid)

    async def _ask(self, uids: Iterable[int], items: bytes, literals: Literals) -> AsyncGenerator[Fetch]:
        """What the server tells of any message, for all of these UIDs in pipelined commands."""
        ordered = sorted(uids)
        batches = (ordered[start : start + BATCH] for start in range(0, len(ordered), BATCH))
        commands = [Command("UID FETCH", (text, items)) for batch in batches for text in encode.uid_sets(batch)]
        if not commands:
            return
        async with aclosing(self.session.stream(*commands, literals=literals)) as responses:
            async for response in responses:
                if not isinstance(response, Status) and (answer := answers.fetch(response, _section(items))):
                    yield answer

    def _whole(self, answer: Fetch) -> Fetched | None:
        """None: not asked for, here already, or without octets."""
        if answer.uid not in self.wanted or answer.body is None:
            return None
        if isinstance(answer.body, Skipped):  # larger than it was announced
            self.wanted.discard(answer.uid)
            self.headers.add(answer.uid)
            return None
        if not answer.body and self.listings[answer.uid].size != 0:
            return None
        self.wanted.discard(answer.uid)
        return Fetched(self.listings[answer.uid], Extent.WHOLE, answer.body)

    def _header(self, answer: Fetch) -> Fetched | None:
        if answer.uid not in self.headers or not answer.body:
            return None
        self.headers.discard(answer.uid)
        return Fetched(self.listings[answer.uid], Extent.HEADER, answer.body)

    async def _alone(self, uid: int) -> Fetched:
        """The message by itself, or its header where that was wanted or it proves too large; else the server's words."""
        done, words = None, ""
        if uid in self.wanted:
            done, words = await self._one(uid, _WHOLE, self.literals, self._whole)
        if uid in self.headers:
            done, words = await self._one(uid, _HEADER, _HEADER_LITERALS, self._header)
        if done:
            return done
        if not await folders.still_there(self.session, [uid]):
            return self._gone(uid)
        return Fetched(self.listings[uid], Extent.REFUSED, detail=words or "the server answers without the message")

    async def _one(
        self, uid: int, items: bytes, literals: Literals, take: Callable[[Fetch], Fetched | None]
    ) -> tuple[Fetched | None, str]:
        """What came, and what the server said if it said no."""
        done, words = None, ""
        async with aclosing(self.session.stream(Command("UID FETCH", (b"%d" % uid, items)), literals=literals)) as responses:
            async for response in responses:
                if isinstance(response, Status):
                    words = "" if response.condition is Condition.OK else response.shown
                elif answer := answers.fetch(response, _section(items)):
                    done = take(answer) or done
        return done, words

    def _gone(self, uid: int) -> Fetched:
        return Fetched(self.listings[uid], Extent.GONE)
