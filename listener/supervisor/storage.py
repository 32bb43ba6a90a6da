"""Can the ledger be written? Asked once a round; whoever found it full waits here until it is not.

A full disk is no reason to end: fetching stops, mail stays on its server, and everybody goes on by themselves once there is
room. Trouble that cannot pass ends the process, which `fatal` is told.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import structlog

from ..errors import LedgerError, LedgerFull
from ..ledger import Ledger

PROBE = 10.0
"""Seconds that the ledger gets to answer a probe."""
AFTER_FULL = 2.0
"""Seconds over which accounts come back once the ledger can be written again."""

log = structlog.get_logger(__name__)


class StorageWatch:
    """Of one ledger."""

    def __init__(self, ledger: Ledger, fatal: Callable[[LedgerError], None], chance: random.Random) -> None:
        self._ledger = ledger
        self._fatal = fatal
        self._chance = chance
        self._writable = asyncio.Event()
        self._full = False

    async def probe(self) -> bool:
        """Does the ledger's thread answer, and can it write? Wakes those who wait for that. False: it does not answer."""
        try:
            async with asyncio.timeout(PROBE):
                await self._ledger.probe()
        except TimeoutError:
            log.error("ledger.stalled", seconds=PROBE)
            return False
        except LedgerFull as error:
            if not self._full:
                log.error("ledger.full", error=str(error))
            self._full = True
            self._writable.clear()
        except LedgerError as error:
            self._fatal(error)
            return False
        else:
            if self._full:
                log.info("ledger.writable")
            self._full = False
            self._writable.set()
        return True

    async def until_writable(self) -> None:
        """Returns once the ledger can be written again, for everybody at a moment of their own."""
        self._writable.clear()
        await self._writable.wait()
        await asyncio.sleep(self._chance.uniform(0.0, AFTER_FULL))
