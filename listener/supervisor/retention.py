"""Lets go, once an hour, of what `[retention]` no longer wants kept. A failed sweep is begun anew by the supervisor."""

from __future__ import annotations

import asyncio
import dataclasses
import math
from collections.abc import Callable

import structlog

from ..config import Config, Retention
from ..ledger import Keep, Ledger, Pruned

EVERY = 3600.0
"""Seconds between two sweeps; the first comes soon after the start."""
FIRST = 60.0

log = structlog.get_logger(__name__)


async def retain(ledger: Ledger, config: Callable[[], Config], now: Callable[[], float]) -> None:
    """For ever. `config` gives that of the moment, so that a reload takes effect at the next sweep."""
    await asyncio.sleep(FIRST)
    while True:
        pruned = await ledger.retention.sweep(keep_of(config().retention), now())
        if pruned != Pruned():
            log.info("ledger.pruned", **dataclasses.asdict(pruned))
        await asyncio.sleep(EVERY)


def keep_of(retention: Retention) -> Keep:
    """The settings as the ledger takes them: what has no time is kept for ever."""
    kept = (retention.raw, retention.attachments, retention.cases, retention.keys, retention.history)
    return Keep(*(math.inf if seconds is None else seconds for seconds in kept))
