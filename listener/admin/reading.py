"""Keeps the lists searchable by words: reads what is new into the ledger's full-text index, a little at a time.

Begun and ended with the admin server. A search reads the newest itself, so this only keeps that short.
"""

from __future__ import annotations

import asyncio

from ..errors import LedgerError
from ..ledger import Ledger

LOOK_EVERY = 15.0
"""Seconds between two looks for something new."""
BREATH = 0.05
"""Seconds that the ledger's writer is left alone between two transactions, so that mail never waits for words."""


async def keep_words_read(ledger: Ledger) -> None:
    """Until cancelled, or the ledger is closed."""
    while True:
        try:
            left = await ledger.search.index()
        except LedgerError:
            left = 0  # the supervisor looks after the ledger; words can wait
        await asyncio.sleep(BREATH if left else LOOK_EVERY)
