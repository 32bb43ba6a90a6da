"""How fast one mailbox may be asked: requests at once, requests in ten minutes, and pauses that the server asked for (R-37).

One `Pacing` belongs to one mailbox, so a throttled mailbox slows nobody else. Clock and sleep are the event loop's.
"""

from __future__ import annotations

import asyncio
import email.utils
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC

AT_ONCE = 2
"""Requests at once; Exchange Online refuses the fifth of one application to one mailbox."""
MOST_AT_ONCE = 4
PERIOD = 600.0
PER_PERIOD = 10_000
"""Exchange Online's limit for one application and mailbox."""
BURST = 2_000
"""Requests that may go without any pause; with the refill of one PERIOD they make PER_PERIOD."""
SPREAD = 0.1
"""A pause is lengthened by up to this part, so that not all come back at once."""
NEARLY_ONE = 0.999
"""A turn's worth, but for what floating-point arithmetic loses: waiting for the rest might never end."""
MAX_SECONDS = 86_400.0


class Pacing:
    """Hands out turns. `per_period` bounds the requests in any PERIOD."""

    def __init__(
        self,
        at_once: int = AT_ONCE,
        *,
        per_period: int = PER_PERIOD,
        chance: random.Random | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._slots = asyncio.Semaphore(min(max(at_once, 1), MOST_AT_ONCE))
        self._burst = float(min(BURST, per_period / 2))
        self._refill = (per_period - self._burst) / PERIOD
        self._left = self._burst
        self._counted_at: float | None = None
        self._resume_at = 0.0
        self._chance = chance or random.Random()
        self._sleep = sleep

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """One request's turn; it begins once neither a pause nor the budget stands against it."""
        async with self._slots:
            while (seconds := self._to_wait()) > 0:
                await self._sleep(seconds)
            self._left -= 1
            yield

    def pause(self, seconds: float) -> None:
        """The server wants none of this mailbox's requests for so long; turns under way go on."""
        longer = seconds * (1 + self._chance.uniform(0, SPREAD))
        self._resume_at = max(self._resume_at, _time() + longer)

    def _to_wait(self) -> float:
        now = _time()
        if self._counted_at is not None:
            self._left = min(self._burst, self._left + (now - self._counted_at) * self._refill)
        self._counted_at = now
        lacking = (1 - self._left) / self._refill if self._left < NEARLY_ONE else 0.0
        return max(self._resume_at - now, lacking)


def _time() -> float:
    return asyncio.get_running_loop().time()


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, in either of its forms (RFC 9110 §10.2.3); None without one."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:9]), MAX_SECONDS))
    until = http_date(text)
    return None if until is None else min(max(until - now, 0.0), MAX_SECONDS)


def http_date(value: str | None) -> float | None:
    """An HTTP-date as POSIX seconds, or None."""
    if not value or len(value) > 64:
        return None
    try:
        found = email.utils.parsedate_to_datetime(value)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
