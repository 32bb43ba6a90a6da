"""Three ways of waiting that both stages need: for a disk with room, for a write that must not be lost, and for each other."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from ..backoff import Backoff
from ..errors import LedgerFull

T = TypeVar("T")

FIRST_LOOK = 0.5
LONGEST_LOOK = 15.0
"""Seconds between tries while the ledger is full."""

LAST_WRITE = 5.0
"""Seconds that a write gets to finish although its task was cancelled."""


async def until_writable(
    write: Callable[[], Awaitable[T]],
    uniform: Callable[[float, float], float] = random.uniform,
    stopped: asyncio.Event | None = None,
) -> T:
    """The write's result, tried again for as long as the ledger is full: nothing of it was committed, and room may come.

    Raises that LedgerFull once `stopped` is set: whoever is told to end does not wait for a disk.
    """
    backoff = Backoff(uniform, base=FIRST_LOOK, cap=LONGEST_LOOK)
    stopped = stopped or asyncio.Event()
    while True:
        try:
            return await write()
        except LedgerFull:
            if stopped.is_set():
                raise
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(backoff.next()):
                    await stopped.wait()


async def certainly(write: Coroutine[Any, Any, T]) -> T:
    """The write's result; when the caller is cancelled, it is still given LAST_WRITE seconds to be committed."""
    task = asyncio.ensure_future(write)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        done, _ = await asyncio.wait({task}, timeout=LAST_WRITE)
        if not done:
            task.cancel()
        raise


@asynccontextmanager
async def together() -> AsyncIterator[asyncio.TaskGroup]:
    """A task group that raises the first error itself, not a group of one."""
    try:
        async with asyncio.TaskGroup() as group:
            yield group
    except BaseExceptionGroup as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None
