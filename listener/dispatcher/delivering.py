"""From filed to done: call the hooks. One lane for each hook, so that a slow or broken one holds up nobody else's work.

Run by `Dispatcher`. The ledger hands out the head of each line (case and hook), so a case's messages reach a hook in order
while cases go side by side, at most `hook_concurrency` at a time. Nothing is polled: a lane looks when a commit may have made
work, when a call ended, and when the next retry is due.

Rules of the file
1. The attempt is counted and committed before the hook is called: a message cannot kill the process for ever.
2. What a hook answered is written down even when this process is being stopped. A call that stopping cut short is due again
   and not counted.
3. A failure is tried again later, each time later, and after `hook_attempts` it is dead. Refusal is final, deferral uncounted.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from ..errors import Refused
from ..hooks import Case, Deferred, Entry, HookFailed, HookHost, HookRefused, Ignored, Outcome
from ..hooks.calls import bound
from ..hooks.outcomes import one_line
from ..ledger import Delivery, DueDelivery, Ledger
from .patience import certainly, together, until_writable
from .plan import DispatchLimits, Observer

RETRY_AFTER = (60.0, 300.0, 1800.0, 7200.0, 21_600.0)
"""Seconds: the longest wait after the first failure, the second, …; the last one from then on."""

LONGEST_ASKED = 24 * 3600.0
"""Seconds: a Retry-After is honoured up to this."""

LOOK_AHEAD = 64
"""Deliveries that one look at the ledger brings; each is asked about again when it is begun."""

LONGEST_SLEEP = 300.0
"""Seconds after which a lane looks again whatever it expects: clocks are set, machines are suspended."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Failure:
    """A call that brought no outcome. `final`: do not ask again."""

    error: str
    final: bool = False
    retry_after: float | None = None


class Delivering:
    """The stage. `hosts` and `limits` are asked for those of the moment; `uniform(a, b)` draws a number between them."""

    def __init__(
        self,
        ledger: Ledger,
        hosts: Callable[[], Mapping[str, HookHost]],
        limits: Callable[[], DispatchLimits],
        observer: Observer,
        now: Callable[[], float],
        uniform: Callable[[float, float], float],
    ) -> None:
        self._ledger = ledger
        self._hosts = hosts
        self._limits = limits
        self._observer = observer
        self._now = now
        self._uniform = uniform
        self._lanes: dict[str, _Lane] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._stopped = asyncio.Event()

    async def run(self) -> None:
        """Until stopped and every call has ended."""
        async with together() as tasks:
            self._tasks = tasks
            self.hosts_changed()
            await self._stopped.wait()
            self._tasks = None

    def wake(self) -> None:
        """There may be new deliveries."""
        for lane in self._lanes.values():
            lane.wake()

    def stop(self) -> None:
        """Begin no more calls."""
        for lane in self._lanes.values():
            lane.stop()
        self._stopped.set()

    def interrupt(self) -> None:
        """Cut short the calls that still run; they are due again."""
        for lane in self._lanes.values():
            lane.interrupt()

    def hosts_changed(self) -> None:
        """Open lanes for new hooks, end those of removed ones."""
        if self._tasks is None or self._stopped.is_set():
            return
        hosts = self._hosts()
        for name in self._lanes.keys() - hosts.keys():
            self._lanes.pop(name).stop()
        for name in hosts.keys() - self._lanes.keys():
            lane = self._lanes[name] = _Lane(name, self._limits, self._ledger, self._deliver, self._now)
            self._tasks.create_task(lane.run())

    def running(self, names: set[str]) -> set[asyncio.Task[None]]:
        """The calls of these hooks that run at this moment."""
        return {task for name in names if name in self._lanes for task in self._lanes[name].running.values()}

    async def _deliver(self, due: DueDelivery) -> None:
        """One delivery from its count to its record."""
        try:
            delivery = await until_writable(lambda: self._ledger.begin_delivery(due.id))
        except Refused:  # settled, or its hook removed, since it was listed
            return
        began = time.monotonic()
        try:
            result = await self._call(delivery)
        except asyncio.CancelledError:
            await certainly(self._record(delivery, Deferred(0.0), 0.0))
            raise
        await certainly(self._record(delivery, result, time.monotonic() - began))

    async def _call(self, delivery: Delivery) -> Outcome | _Failure | None:
        host = self._hosts().get(delivery.hook)
        if host is None:
            return _Failure("its hook is not running")
        if delivery.attempt > self._limits().hook_attempts:
            return _Failure(f"the process ended during each of {delivery.attempt - 1} attempts", final=True)
        read_raw = partial(_read_raw, self._ledger, delivery.entry)
        try:
            return await host.handle(bound(delivery.message, read_raw), _case(delivery), _entry(delivery, read_raw))
        except HookRefused as error:
            return _Failure(one_line(str(error)), final=True)
        except HookFailed as error:
            return _Failure(one_line(str(error)), retry_after=error.retry_after)
        except Exception as error:  # the worker boundary: a fault of the host is this delivery's own
            log.error("delivery.host_fault", entry=delivery.entry, hook=delivery.hook, exc_info=True)
            return _Failure(f"the hook could not be called: {type(error).__name__}")

    async def _record(self, delivery: Delivery, result: Outcome | _Failure | None, seconds: float) -> None:
        """Write down what came of it, and say so."""
        about = {"entry": delivery.entry, "account": delivery.account, "hook": delivery.hook, "attempt": delivery.attempt}
        if isinstance(result, _Failure):
            retry_at = self._retry_at(delivery, result)
            await until_writable(lambda: self._ledger.fail_delivery(delivery.id, result.error, retry_at=retry_at))
            ended = "dead" if retry_at is None else "failed"
            log.warning(f"delivery.{ended}", **about, error=result.error, again_at=retry_at)
        else:
            await until_writable(lambda: self._ledger.settle_delivery(delivery.id, result))
            ended = "deferred" if isinstance(result, Deferred) else "ignored" if isinstance(result, Ignored) else "done"
            log.info(f"delivery.{ended}", **about)
        self._observer.delivered(delivery.hook.partition(":")[0], ended, seconds)
        if ended == "done" and delivery.received_at is not None:
            self._observer.latency(delivery.account, self._now() - delivery.received_at)

    def _retry_at(self, delivery: Delivery, failure: _Failure) -> float | None:
        """POSIX seconds of the next attempt; None when there is none. Full jitter: those that failed together part."""
        if failure.final or delivery.attempt >= self._limits().hook_attempts:
            return None
        longest = RETRY_AFTER[min(delivery.attempt, len(RETRY_AFTER)) - 1]
        asked = min(failure.retry_after or 0.0, LONGEST_ASKED)
        return self._now() + max(self._uniform(0.0, longest), asked)


class _Lane:
    """One hook's deliveries."""

    def __init__(
        self,
        name: str,
        limits: Callable[[], DispatchLimits],
        ledger: Ledger,
        deliver: Callable[[DueDelivery], Coroutine[Any, Any, None]],
        now: Callable[[], float],
    ) -> None:
        self.name = name
        self.running: dict[int, asyncio.Task[None]] = {}
        self._limits = limits
        self._ledger = ledger
        self._deliver = deliver
        self._now = now
        self._stopping = False
        self._heads: deque[DueDelivery] = deque()  # due, and not yet begun
        self._woken = asyncio.Event()

    async def run(self) -> None:
        """Until stopped and every call has ended."""
        async with together() as tasks:
            while not self._stopping:
                self._woken.clear()
                if not self._heads and len(self.running) < self._limits().hook_concurrency:
                    self._heads.extend(await self._ledger.due_deliveries(LOOK_AHEAD, self.running.keys(), hook=self.name))
                while self._heads and len(self.running) < self._limits().hook_concurrency and not self._stopping:
                    self._begin(tasks, self._heads.popleft())
                full = self._heads or len(self.running) >= self._limits().hook_concurrency
                await self._rest(None if full else await self._until_next())

    def wake(self) -> None:
        """Look whether something is due."""
        self._woken.set()

    def stop(self) -> None:
        """Begin no more."""
        self._stopping = True
        self._woken.set()

    def interrupt(self) -> None:
        """Cut short what runs."""
        for task in self.running.values():
            task.cancel()

    def _begin(self, tasks: asyncio.TaskGroup, due: DueDelivery) -> None:
        task = self.running[due.id] = tasks.create_task(self._deliver(due))
        task.add_done_callback(lambda _: self._ended(due.id))

    def _ended(self, delivery: int) -> None:
        del self.running[delivery]
        self._woken.set()

    async def _until_next(self) -> float:
        """Seconds until the next retry is due."""
        due = await self._ledger.next_due(self.running.keys(), hook=self.name)
        return LONGEST_SLEEP if due is None else min(max(due - self._now(), 0.0), LONGEST_SLEEP)

    async def _rest(self, seconds: float | None) -> None:
        """Until woken, or so many seconds (None: until a call ends)."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass


def _case(delivery: Delivery) -> Case:
    return Case(
        id=delivery.case_id,
        account=delivery.account,
        subject=delivery.case_subject,
        requester=delivery.case_requester,
        status=delivery.case_status,
        is_new=delivery.case_is_new,
        reference=delivery.case_reference,
        unverified=delivery.unverified,
    )


def _entry(delivery: Delivery, read_raw: Callable[[], bytes]) -> Entry:
    return Entry(
        id=delivery.entry,
        account=delivery.account,
        folder=delivery.folder,
        idempotency_key=delivery.idempotency_key,
        attempt=delivery.attempt,
        received_at=delivery.received_at,
        read_raw=read_raw,
    )


def _read_raw(ledger: Ledger, entry: int) -> bytes:
    octets = ledger.read_raw(entry)
    if octets is None:
        raise LookupError(f"the raw octets of message {entry} are no longer kept")
    return octets
