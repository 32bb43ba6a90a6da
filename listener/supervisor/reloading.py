"""A new configuration while the daemon runs: from SIGHUP, or from a change in the console. The other half of `Supervisor`.

Everything is read and judged first; what cannot be used changes nothing. Then accounts, hooks and the rest that differ change,
and nothing else is touched.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from ..accounts import AccountBook, Merged
from ..admin.metrics import Metrics
from ..config import Config, changes
from ..credentials.oauth import Tokens
from ..dispatcher import AccountPlan, Dispatcher
from ..errors import ConfigurationError, LedgerError
from ..hooks import HookHost
from ..hooks.build import start_hosts, stop_hosts
from ..systemd import Notifier
from .account_runner import described
from .fleet import Fleet
from .looking_after import Steering, nothing, parked_accounts, whole
from .plans import keyring_of, limits_of, plans_of
from .seams import Seams
from .sending import Sending, sending_plan
from .telling import Telling, sources_of

FIXED_LIMITS = ("fetch_budget", "login_rate", "parse_timeout", "parse_memory")
"""Limits that take effect at the start only."""

log = structlog.get_logger(__name__)


class Reloading:
    """See the module. What it names is `Supervisor`'s."""

    config: Config
    metrics: Metrics
    book: AccountBook
    _reread: Callable[[], Config]
    _seams: Seams
    _notifier: Notifier
    _steering: Steering
    _stirred: asyncio.Event
    _plans: dict[str, AccountPlan]
    _hosts: dict[str, HookHost]
    _signing: Mapping[str, Any]
    _fleet: Fleet
    _tokens: Tokens
    _dispatcher: Dispatcher
    _sending: Sending
    _telling: Telling

    @abstractmethod
    def _fatal(self, error: LedgerError) -> None: ...

    @abstractmethod
    def _in_words(self) -> str: ...

    async def _reload(self) -> None:
        """Read and check everything first; what cannot be used changes nothing (R-97)."""
        self._notifier.reloading()
        try:
            async with self._steering.lock:
                files = await asyncio.to_thread(self._reread)
                merged = await self.book.merged(files)
                await self._take_on(whole(merged))
                self._steering.files = files
                self._note_parked(merged)
        except ConfigurationError as error:
            for fault in error.faults:
                log.error("reload.refused", fault=str(fault))
            self.metrics.count("reloads_total", "refused")
        except LedgerError as error:
            self._fatal(error)
        except Exception as error:  # ours: the old configuration goes on
            log.error("reload.failed", error=described(error), exc_info=error)
            self.metrics.count("reloads_total", "failed")
        else:
            self.metrics.count("reloads_total", "applied")
        self._notifier.ready(self._in_words())
        self._stirred.set()

    async def _take_on(self, new: Config, commit: Callable[[], Awaitable[None]] = nothing) -> None:
        """Start what is new among the hooks, which may be refused; commit; then apply the rest, which may not."""
        sending_plan(new)  # may be refused too
        sources_of(new)
        plans = plans_of(new, keyring_of(self.config.listener, new.accounts))
        hosts = dict(self._seams.rebuild_hosts(self.config, self._hosts, new, **self._signing))
        fresh = [host for name, host in hosts.items() if host is not self._hosts.get(name)]
        await start_hosts(fresh)
        try:
            await commit()
        except BaseException:
            await stop_hosts(fresh)
            raise
        await self._apply(new, hosts, plans)

    def _note_parked(self, merged: Merged) -> None:
        """What is kept and cannot run is shown, with the reason."""
        self.book.parked = merged.parked
        self._fleet.park(parked_accounts(self.book))

    async def _apply(self, new: Config, hosts: dict[str, HookHost], plans: dict[str, AccountPlan]) -> None:
        """Restart what changed, end what was removed, start what was added; leave the rest alone."""
        diff = changes(self.config, new)
        log.info("reload.applied", added=sorted(diff.added), removed=sorted(diff.removed), changed=sorted(diff.changed))
        fixed = [name for name in FIXED_LIMITS if getattr(new.limits, name) != getattr(self.config.limits, name)]
        if diff.restart_needed or fixed:
            log.warning("reload.restart_needed", settings=["listener", "admin"] if diff.restart_needed else fixed)
        await self._fleet.stop(diff.removed | diff.changed)
        await self._tokens.update(new.oauth)
        # Deliveries of removed accounts are still finished, so their hooks stay until the next start.
        removed = {id: plan for id, plan in self._plans.items() if new.account(id) is None}
        before, self._plans = self._hosts, removed | plans
        needed = {name for plan in self._plans.values() for name in plan.hooks}
        self._hosts = {name: host for name, host in (before | hosts).items() if name in needed}
        await self._dispatcher.update(self._hosts, self._plans, limits_of(new))
        self._sending.update(new)
        await self._telling.update(new)
        await stop_hosts(host for name, host in before.items() if self._hosts.get(name) is not host)
        self.config = new.model_copy(update={"listener": self.config.listener, "admin": self.config.admin})
        begin = diff.added | diff.changed
        await self._fleet.start([account for account in new.accounts if account.id in begin], new)
