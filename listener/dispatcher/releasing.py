"""Releases what was held for a flood, step by step, once its sender is quiet. The ledger says what is due and when.

Run by `Dispatcher`; woken when something was held, and else by the clock. Each step is one transaction, so whatever was
released before a crash is on its way, and the rest is held and due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from ..ledger import Ledger
from .patience import until_writable

LONGEST_SLEEP = 300.0
"""Seconds after which it looks again whatever it expects: clocks are set, machines are suspended."""

log = structlog.get_logger(__name__)


class Releasing:
    """The stage. `now` gives POSIX seconds, as the ledger's does."""

    def __init__(self, ledger: Ledger, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._now = now
        self._stopping = False
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Until stopped."""
        while not self._stopping:
            self._woken.clear()
            step = await until_writable(self._ledger.release_held)
            if step.messages:
                log.info("flood.released", messages=step.messages, again_at=step.next_at)
            due = LONGEST_SLEEP if step.next_at is None else step.next_at - self._now()
            await self._rest(min(max(due, 0.0), LONGEST_SLEEP))

    def wake(self) -> None:
        """Something was held, or the clock was set."""
        self._woken.set()

    def stop(self) -> None:
        """End after the step under way."""
        self._stopping = True
        self._woken.set()

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
