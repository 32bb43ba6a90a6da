"""How much mail the whole process may hold between fetch and commit, whatever the number of accounts.

Receivers take from it by announced size before they fetch, and give back after the commit. First come, first served: a small
wish never overtakes a large one, which would otherwise wait for ever. No I/O.
"""

from __future__ import annotations

import asyncio
from collections import deque


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
