"""Keeps a piece of work going: whatever ends it, an error, a return or a stray cancellation, it is begun again (R-95).

Every task of the daemon that should run as long as the daemon does is started through `keep`. What may end the process is not
decided here: `ended` is told each time, and may cancel everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from ..backoff import Backoff

PROVEN = 300.0
"""Seconds of work after which earlier failures are forgotten."""


Work = Callable[[], Awaitable[None]]
Ended = Callable[[BaseException | None], Awaitable[None]]


async def keep(work: Work, backoff: Backoff, ended: Ended) -> None:
    """Run `work` again and again until cancelled. `ended` gets what ended it (None: it returned) before the next back-off."""
    loop = asyncio.get_running_loop()
    while True:
        began = loop.time()
        task = asyncio.ensure_future(work())
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        await ended(asyncio.CancelledError() if task.cancelled() else task.exception())
        if loop.time() - began >= PROVEN:
            backoff.reset()
        await asyncio.sleep(backoff.next())
