"""An asyncio event loop whose clock jumps: nothing waits, and hours of back-off pass in milliseconds.

When no callback is ready, the loop's time leaps to the next timer instead of sleeping towards it. Real things still get
their say: ready sockets and thread wake-ups are taken first, and while `real_work()` is held (a ledger call that a real
thread is answering) time stands still and the loop really waits.

    def test_x():
        run_virtual(main)          # main: async function, gets the loop as its only argument
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")
REAL_WAIT = 0.05
"""Seconds of real waiting at a time while real work is under way."""
STUCK = 400
"""So many empty waits in a row without any timer mean that nothing will ever happen."""
GRACE = 0.0005
"""Real seconds that sockets and threads get before each leap."""


class _LeapingSelector:
    """A selector that, instead of waiting, tells the loop's clock to leap."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()
        self._empty = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0:
            return self._real.select(0)
        if timeout is None:  # no timer at all: only real things can wake us
            ready = self._real.select(REAL_WAIT)
            self._empty = 0 if ready else self._empty + 1
            if self._empty > STUCK:
                raise RuntimeError("the test waits for something that no timer, socket or thread will bring")
            return ready
        ready = self._real.select(REAL_WAIT if self._loop.busy else GRACE)
        if not ready and not self._loop.busy:
            self._loop.leap(timeout)
        return ready

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class VirtualLoop(asyncio.SelectorEventLoop):
    """The loop. `time()` starts at 1000; `wall()` is the matching POSIX time."""

    def __init__(self) -> None:
        self._now = 1000.0
        self.busy = 0
        super().__init__(_LeapingSelector(self))  # type: ignore[arg-type]

    def time(self) -> float:
        return self._now

    def wall(self) -> float:
        return 1_800_000_000.0 + self._now

    def leap(self, seconds: float) -> None:
        self._now += seconds

    async def getaddrinfo(self, host: Any, port: Any, **hints: Any) -> Any:
        """A thread resolves, so time stands still meanwhile."""
        with self.real_work():
            return await super().getaddrinfo(host, port, **hints)

    @contextmanager
    def real_work(self) -> Iterator[None]:
        """Time stands still inside."""
        self.busy += 1
        try:
            yield
        finally:
            self.busy -= 1


class TimeStandsStill:
    """Wraps an object of coroutine methods answered by a real thread (a ledger), so that no time passes meanwhile."""

    def __init__(self, wrapped: Any, loop: VirtualLoop) -> None:
        self._wrapped, self._loop = wrapped, loop

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._wrapped, name)
        if not asyncio.iscoroutinefunction(value):
            return value

        async def call(*args: Any, **kwargs: Any) -> Any:
            with self._loop.real_work():
                return await value(*args, **kwargs)

        return call


def run_virtual(main: Callable[[VirtualLoop], Awaitable[T]]) -> T:
    """Run it on a fresh virtual loop; a run that needs a really waiting world ends by its own deadlines, which cost nothing."""

    async def with_loop() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        return await main(loop)

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(with_loop())
