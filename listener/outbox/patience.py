"""Waiting for a disk with room: what came of a mail must be written down, however long that takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..backoff import Backoff
from ..errors import LedgerFull

T = TypeVar("T")

FIRST_LOOK = 0.5
LONGEST_LOOK = 15.0
"""Seconds between tries while the ledger is full."""


async def until_writable(write: Callable[[], Awaitable[T]], uniform: Callable[[float, float], float]) -> T:
    """The write's result, tried again for as long as the ledger is full: nothing of it was committed."""
    backoff = Backoff(uniform, base=FIRST_LOOK, cap=LONGEST_LOOK)
    while True:
        try:
            return await write()
        except LedgerFull:
            await asyncio.sleep(backoff.next())
