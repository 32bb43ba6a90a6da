"""How much mail may be fetched: what the whole process holds between fetch and commit, and what an account takes in a day.

Receivers take from `ByteBudget` by announced size before they fetch, and give back after the commit. First come, first served:
a small wish never overtakes a large one, which would otherwise wait for ever. `DayAllowance` counts the octets of one account
against what its provider hands out in a day (R-48). No I/O.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

DAY = 86_400.0
"""Seconds; days are those of UTC."""


class ByteBudget:
    """How many octets of mail the whole process may hold between fetch and commit; first come, first served."""

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = total
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def used(self) -> int:
        """Octets handed out at the moment."""
        return self.total - self._free

    async def take(self, octets: int) -> int:
        """Wait for that many octets (at most all of them); returns what to `give` back."""
        octets = min(octets, self.total)
        if self._waiting or octets > self._free:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((octets, turn))
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self.give(octets)
                raise
        else:
            self._free -= octets
        return octets

    def give(self, octets: int) -> None:
        """Return octets and let the next in line go."""
        self._free += octets
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.cancelled():
                if wanted > self._free:
                    return
                self._free -= wanted
                turn.set_result(None)
            self._waiting.popleft()


class DayAllowance:
    """How many octets one account may take in bulk in a day; `limit` None: as many as it likes. `now` gives POSIX seconds."""

    def __init__(self, limit: int | None, now: Callable[[], float]) -> None:
        self.limit = limit
        self.used = 0
        self._now = now
        self._day = self.day

    @property
    def day(self) -> float:
        """When today began."""
        return self._now() // DAY * DAY

    @property
    def seconds_left(self) -> float:
        """Until it begins anew."""
        return self.day + DAY - self._now()

    def count(self, octets: int) -> None:
        """So many more were fetched."""
        self._turn()
        self.used += octets

    @property
    def spent(self) -> bool:
        """Whether the rest of what is old must wait for tomorrow."""
        self._turn()
        return self.limit is not None and self.used >= self.limit

    def _turn(self) -> None:
        if self.day != self._day:
            self._day, self.used = self.day, 0
