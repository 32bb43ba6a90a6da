"""The life of the daemon, in call order: open, start, watch, drain. One process, one event loop, one `Supervisor`.

It starts and keeps alive one runner per account, the dispatcher and the admin server, and alone decides what follows a failure.
An account's failure is its own. The process ends by itself only when the ledger is lost to it (exit 75); a configuration that
cannot be used ends it before it begins (exit 78).

    SIGTERM, SIGINT   drain in the order of `_drain` and exit 0; a second one ends at once
    SIGHUP            read the configuration again; restart what changed, and nothing else

Every effect on the world comes through `Seams`, so that a test can stand between.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from functools import partial

import structlog

from ..admin.api import Api
from ..admin.health import Health
from ..admin.metrics import Metrics
from ..admin.ordering import Desk
from ..admin.server import AdminServer, AdminUnavailable, admin_token
from ..admin.signed import Signed, links_of
from ..admin.verbs import Verbs
from ..backoff import Backoff
from ..config import Config
from ..credentials.expiry import credential_expiries
from ..dispatcher import AccountPlan, Dispatcher, Observer
from ..errors import ConfigurationError, LedgerError, LedgerFull, ListenerError
from ..hooks import HookHost
from ..hooks.build import start_hosts, stop_hosts
from ..systemd import Notifier
from .account_runner import Shared, described
from .canary import Canaries
from .fleet import Fleet
from .keeper import Work, keep
from .looking_after import Steering, open_book, open_desk, parked_accounts
from .plans import keyring_of, limits_of, plans_of
from .reloading import Reloading
from .retention import retain
from .seams import Seams, make_sealed
from .sending import Sending, open_sending
from .storage import StorageWatch
from .telling import open_exporter, open_telling

ROUND = 5.0
"""Seconds between the supervisor's rounds: ledger probed, systemd told."""
BEAT = 1.0
"""Seconds between the event loop's heartbeats."""
LANDING = 10.0
"""Seconds that messages in flight get to be stored when we stop (R-96)."""
HOOKS = 30.0
"""Seconds that running hooks get to finish when we stop (R-96)."""
MAIL = 10.0
"""Seconds that mail under way gets to be taken by its server when we stop (R-96)."""

FINE, AT_ONCE, TRY_AGAIN, CONFIGURATION = 0, 1, 75, 78

log = structlog.get_logger(__name__)


class Supervisor(Reloading):
    """Runs one configuration until told otherwise. `reread` gives the configuration anew for SIGHUP."""

    def __init__(
        self,
        config: Config,
        *,
        reread: Callable[[], Config] | None = None,
        seams: Seams | None = None,
        now: Callable[[], float] = time.time,
        chance: random.Random | None = None,
        end_at_once: Callable[[int], object] = os._exit,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        self.config = config
        self._steering = Steering(config, self._take_on, self._note_parked, lambda: self._draining)
        self.metrics = Metrics()
        self._reread = reread or (lambda: config)
        self._seams = seams or Seams()
        self._now = now
        self._chance = chance or random.Random()
        self._end_at_once = end_at_once
        self._on_ready = on_ready
        self._notifier = Notifier()
        self._code = FINE
        self._draining = False
        self._reload_wanted = False
        self._reloading: asyncio.Task[None] | None = None
        self._stirred = asyncio.Event()
        self._plans: dict[str, AccountPlan] = {}
        self._hosts: dict[str, HookHost] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> int:
        """From start to exit code."""
        with self._signals():
            try:
                await self._open()
            except ConfigurationError as error:
                return _gave_up(CONFIGURATION, error)
            except (LedgerError, AdminUnavailable) as error:
                return _gave_up(TRY_AGAIN, error)
            try:
                await self._start()
                await self._watch()
            except LedgerError as error:
                self._fatal(error)
            finally:
                await self._drain()
        log.info("daemon.stopped", code=self._code)
        return self._code

    # --- open: everything that can be refused comes first; when this raises, nothing is left open -----------------------

    async def _open(self) -> None:
        listener, admin = self.config.listener, self.config.admin
        async with AsyncExitStack() as undo:
            self.ledger = await self._seams.open_ledger(listener.state_dir, now=self._now, expect_state=listener.expect_state)
            undo.push_async_callback(self.ledger.close)
            sealed = make_sealed(self.config, self.ledger)
            self.book, merged = await open_book(self.ledger, sealed, self._steering)
            self.config = merged.config
            self._plans = plans_of(self.config, keyring_of(listener, self.config.accounts))
            self._storage = StorageWatch(self.ledger, self._fatal, self._chance)
            self.ledger.watch_commits(partial(self.metrics.observe, "db_commit_seconds"))
            self._tokens = self._seams.make_tokens(self.config, self.ledger)
            undo.push_async_callback(self._tokens.close)
            links = links_of(self.config, self.ledger, self._now)
            self._signing = {"sign_url": links.url} if links else {}
            self._hosts = dict(self._seams.build_hosts(self.config, **self._signing))
            await start_hosts(self._hosts.values())
            undo.push_async_callback(self._stop_hosts)
            self._fleet = Fleet(self._shared(), self.config.limits)
            self.health = Health(self.ledger, self._fleet.statuses, asyncio.get_running_loop().time, starting=True)
            self.health.expiries = lambda: credential_expiries(self.config.oauth.values())
            token = admin_token(admin, listener.state_dir)
            signed = Signed(links, self.ledger) if links else None
            verbs = Verbs(self.ledger, self._fleet, accounts_desk=self._open_desk())
            api = Api(self.health, self.metrics, verbs, token, admin, signed=signed)
            self.admin = AdminServer(api)
            await self.admin.start(admin, listener.state_dir)
            self._telling = await open_telling(self.config, self.ledger, self._fleet.statuses, self._now, self._chance.uniform)
            undo.push_async_callback(self._telling.close)
            self._exporter = open_exporter(self.config.otlp, self.ledger, self.metrics, self.health, self._now)
            self._canaries = self._make_canaries()
            self._parser = self._seams.make_parser(self.config.limits)
            self._dispatcher = self._make_dispatcher()
            self._sending = self._open_sending()
            undo.pop_all()

    def _make_dispatcher(self) -> Dispatcher:
        metrics = self.metrics
        return Dispatcher(
            self.ledger,
            self._parser,
            self._hosts,
            self._plans,
            limits_of(self.config),
            Observer(
                metrics.count_filed, metrics.count_set_aside, metrics.count_delivered, self._canaries.seen, self._note_latency
            ),
            now=self._now,
            uniform=self._chance.uniform,
        )

    def _make_canaries(self) -> Canaries:
        ways = (self._tokens.token_of, self._seams.open_carrier, self.metrics, self._now)
        keys = lambda: keyring_of(self.config.listener, self.config.accounts)  # noqa: E731  (read anew: it may be rotated)
        return Canaries(lambda: self.config, keys, self._fleet.statuses, *ways)

    def _open_sending(self) -> Sending:
        about = (self.config, self.ledger, self._tokens, self.metrics, self._seams.open_carrier)
        return open_sending(*about, self._fleet.statuses, self._now, self._chance.uniform)

    def _open_desk(self) -> Desk:
        about = (self.book, self.ledger, self._tokens, self._fleet)
        return open_desk(*about, self._steering, lambda: self.config, self._now)

    def _note_latency(self, account: str, seconds: float) -> None:
        if (known := self.config.account(account)) is not None:
            self.metrics.observe("message_latency_seconds", seconds, known.receiver.protocol)

    def _shared(self) -> Shared:
        clock = asyncio.get_running_loop().time
        ledger, seams, tokens, metrics = self.ledger, self._seams, self._tokens, self.metrics
        how = (self._keep, self._storage.until_writable, self._fatal, self._now, clock, self._chance)
        return Shared(ledger, seams, tokens, metrics, *how)

    async def _stop_hosts(self) -> None:
        await stop_hosts(self._hosts.values())

    # --- start ----------------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        self._tasks = [self._keep("heartbeat", self._beat), self._keep("dispatcher", self._dispatcher.run)]
        self._tasks.append(self._keep("retention", partial(retain, self.ledger, lambda: self.config, self._now)))
        self._tasks.append(self._keep("outbox", self._sending.outbox.run))
        self._tasks.append(self._keep("notifier", self._telling.notifier.run))
        self._tasks.append(self._keep("canaries", self._canaries.run))
        if self._exporter is not None:
            self._tasks.append(self._keep("otlp", self._exporter.run))
        await self._fleet.start(self.config.accounts, self.config)
        self._fleet.park(parked_accounts(self.book))
        log.info("daemon.ready", accounts=len(self.config.accounts), admin=self.admin.addresses)
        self.health.starting = False
        self._notifier.ready(self._in_words())
        self._on_ready()

    def _keep(self, name: str, work: Work) -> asyncio.Task[None]:
        """Keep it going until it is cancelled, whatever ends it."""
        ended = partial(self._task_ended, name)
        return asyncio.create_task(keep(work, Backoff(self._chance.uniform), ended), name=name)

    async def _task_ended(self, name: str, error: BaseException | None) -> None:
        """A task that should run for ever has ended: say so. Trouble with the ledger is everybody's."""
        if self._draining:
            return
        if isinstance(error, LedgerFull):
            await self._storage.until_writable()
        elif isinstance(error, LedgerError):
            self._fatal(error)
        else:
            self.metrics.count("task_restarts_total", name)
            log.error("task.restarted", task=name, error=described(error) if error else "it returned", exc_info=error)

    # --- watch ----------------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        """The event loop turns: seen once a second."""
        clock = asyncio.get_running_loop().time
        while True:
            self.health.loop_beat = clock()
            await asyncio.sleep(BEAT)
            self.metrics.observe("event_loop_lag_seconds", clock() - self.health.loop_beat - BEAT)

    async def _watch(self) -> None:
        """Rounds, until told to stop."""
        pause = min(ROUND, self._notifier.watchdog_interval or ROUND)
        while not self._draining:
            await self._round()
            if self._reload_wanted and (self._reloading is None or self._reloading.done()):
                self._reload_wanted = False
                self._reloading = asyncio.create_task(self._reload(), name="reload")
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stirred.wait()
            self._stirred.clear()

    async def _round(self) -> None:
        """Look after the ledger, and tell systemd that we are alive if we are."""
        answered = await self._storage.probe()
        self.health.supervisor_beat = asyncio.get_running_loop().time()
        if answered and not self.health.not_live():
            self._notifier.alive()
        self._notifier.status(self._in_words())

    def _fatal(self, error: LedgerError) -> None:
        """Nothing this process writes can be trusted from now on: end, and let the next one begin from what is there."""
        if self._code == FINE:
            self._code = TRY_AGAIN
            log.critical("ledger.lost", error=described(error))
        self._stop()

    def _in_words(self) -> str:
        """What `systemctl status` shows."""
        states = ", ".join(f"{number} {state}" for state, number in self.health.states().items() if number)
        reasons = ", ".join(self.health.not_ready())
        return f"{self.health.summary()}{f' ({reasons})' if reasons else ''}: {states or 'no accounts'}"

    # --- signals --------------------------------------------------------------------------------------------------------

    @contextmanager
    def _signals(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        handlers = {signal.SIGTERM: self.terminate, signal.SIGINT: self.terminate, signal.SIGHUP: self.reload}
        for number, handler in handlers.items():
            loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                loop.remove_signal_handler(number)

    def terminate(self) -> None:
        """SIGTERM: drain; the second one ends at once. What is not committed is still on the server."""
        if self._draining:
            log.warning("daemon.ended_at_once")
            self._end_at_once(AT_ONCE)
        self._stop()

    def reload(self) -> None:
        """SIGHUP."""
        self._reload_wanted = True
        self._stirred.set()

    def _stop(self) -> None:
        self._draining = True
        self._stirred.set()

    # --- drain ----------------------------------------------------------------------------------------------------------

    async def _drain(self) -> None:
        """In this order (R-96): say so, stop fetching, let hooks finish, say goodbye to servers, close the ledger."""
        self._draining = self.health.draining = True
        self._notifier.stopping("draining")
        lost = self._code != FINE
        log.info("daemon.draining")
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.wait({self._reloading})
        async with self._steering.lock:  # a change that was committed is applied first
            pass
        if not await self._fleet.hold(0.0 if lost else LANDING):
            log.warning("drain.unfinished", what="messages in flight stay on the server")
        await self._dispatcher.drain(0.0 if lost else HOOKS)
        await self._sending.outbox.drain(0.0 if lost else MAIL)
        await self._parser.close()
        await self._stop_hosts()
        await self._fleet.stop(self._fleet.ids())
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._telling.close()
        await self.admin.stop()
        await self._tokens.close()
        await self.ledger.close()


def _gave_up(code: int, error: ListenerError) -> int:
    """Say in one line each why we do not even begin."""
    for fault in error.faults if isinstance(error, ConfigurationError) else (error,):
        log.critical("daemon.refused", error=str(fault))
    return code
