"""The dispatcher: due entry → parse → case → hooks → settle. The ledger says what is due; everything after reads the ledger.

The supervisor makes one, keeps `run` going (it may be run again after a failure), tells it of a new configuration by
`update`, and ends it by `drain`. It starts and stops no hooks: they come running, and are stopped by whoever started them.

    filing.py      accepted → filed: parsed side by side, filed in order of arrival, a batch a commit
    delivering.py  filed → done: one lane for each hook, in order within a case
    releasing.py   quarantined(flood) → accepted, slowly, once the sender is quiet

It fails only with the ledger: LedgerFailed, FenceLost, LedgerError once it is closed. A full disk is waited out.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping

import structlog

from ..hooks import HookHost
from ..ledger import Ledger
from .delivering import Delivering
from .filing import Filing, MessageParser
from .patience import together, until_writable
from .plan import AccountPlan, DispatchLimits, Observer
from .releasing import Releasing

__all__ = ["AccountPlan", "DispatchLimits", "Dispatcher", "Observer"]

HANDOVER = 30.0
"""Seconds that calls of a replaced or removed hook get to end at a reload."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """See the module. `hosts` are running hooks by name, `plans` the configured accounts; `uniform(a, b)` draws a number."""

    def __init__(
        self,
        ledger: Ledger,
        parser: MessageParser,
        hosts: Mapping[str, HookHost],
        plans: Mapping[str, AccountPlan],
        limits: DispatchLimits = DispatchLimits(),  # noqa: B008  (frozen)
        observer: Observer = Observer(),  # noqa: B008  (frozen)
        *,
        now: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._ledger = ledger
        self._parser = parser
        self._hosts = dict(hosts)
        self._plans = dict(plans)
        self._limits = limits
        self._observer = observer
        self._now = now
        self._uniform = uniform
        self._draining = False
        self._running: tuple[Filing, Delivering, Releasing] | None = None
        self._dropping: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._ended.set()

    async def run(self) -> None:
        """Until drained. One at a time; after a failure it may be run again and goes on where it was."""
        if self._draining:
            return
        ledger, observer = self._ledger, self._observer
        releasing = Releasing(ledger, self._now)
        filing = Filing(ledger, self._parser, lambda: self._plans, lambda: self._limits, observer, releasing.wake)
        delivering = Delivering(ledger, lambda: self._hosts, lambda: self._limits, observer, self._now, self._uniform)
        self._running = filing, delivering, releasing
        self._ended.clear()
        try:
            async with together() as tasks:
                self._dropping = tasks.create_task(self._drop_hooks())
                await asyncio.wait({self._dropping})
                if self._draining:
                    return
                listening = tasks.create_task(self._listen(filing, delivering))
                delivery = tasks.create_task(delivering.run())
                release = tasks.create_task(releasing.run())
                await filing.run()
                await delivery
                release.cancel()
                listening.cancel()
        finally:
            self._running = None
            self._ended.set()

    async def drain(self, within: float) -> bool:
        """Take nothing new; let running hooks finish, at most so many seconds; what is cut short is due again. Then `run` ends.

        True when nothing had to be cut short.
        """
        self._draining = True
        if self._running is None:
            return True
        filing, delivering, releasing = self._running
        releasing.stop()
        filing.stop()
        delivering.stop()
        if self._dropping is not None:
            self._dropping.cancel()  # it may be waiting for room on the disk; the next start drops them
        try:
            async with asyncio.timeout(within):
                await self._ended.wait()
        except TimeoutError:
            log.warning("dispatcher.interrupted", seconds=within)
            delivering.interrupt()
            await self._ended.wait()
            return False
        return True

    async def update(
        self, hosts: Mapping[str, HookHost], plans: Mapping[str, AccountPlan], limits: DispatchLimits | None = None
    ) -> None:
        """Go on with these (limits None: with those of before).

        Returns once no call of a host that is no longer among them runs (or HANDOVER seconds later), so that it can be stopped.
        """
        self._limits = limits or self._limits
        changed = {name for name, host in self._hosts.items() if hosts.get(name) is not host}
        if self._running is None:
            self._hosts, self._plans = dict(hosts), dict(plans)
            return
        filing, delivering, _ = self._running
        leaving = delivering.running(changed)
        async with filing.committing:
            self._hosts, self._plans = dict(hosts), dict(plans)
            delivering.hosts_changed()
            await self._drop_hooks()
        filing.plans_changed()
        if leaving:
            await asyncio.wait(leaving, timeout=HANDOVER)

    async def _drop_hooks(self) -> None:
        """Deliveries of hooks that an account no longer has will never be made."""
        configured = {account: plan.hooks for account, plan in self._plans.items()}
        dropped = await until_writable(lambda: self._ledger.drop_hooks(configured), self._uniform)
        if dropped:
            log.warning("delivery.hook_removed", deliveries=dropped)

    async def _listen(self, filing: Filing, delivering: Delivering) -> None:
        """Pass the ledger's word on: something may be due."""
        while True:
            await self._ledger.work.wait()
            self._ledger.work.clear()
            filing.wake()
            delivering.wake()
