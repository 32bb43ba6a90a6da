"""The outbox: due response → compose → submit → sent, deferred, failed or unknown. The ledger says what is due.

The supervisor makes one, keeps `run` going (it may be run again after a failure), tells it of a new configuration by `update`,
and ends it by `drain`. Each account that has something to send gets a lane, a few of them at a time; an account whose server
cannot be reached or refuses us rests, and delays nobody else.

    lane.py        one account's mails, in one session
    composing.py   a row of the ledger → octets          templating.py   the templates, read and tried
    carriers.py    SMTP and Microsoft Graph              plan.py         what it is told

It fails only with the ledger: LedgerFailed, FenceLost, LedgerError once it is closed. A full disk is waited out.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import structlog

from ..backoff import Backoff
from ..credentials import TokenOf
from ..errors import AccountFailure, LedgerError, PermanentFailure
from ..ledger import Ledger
from ..ledger.responses import ResponseState
from ..responder.budgets import breaker_open
from .carriers import open_carrier
from .composing import sender_address
from .lane import Lane, repeat_at
from .patience import until_writable
from .plan import Carrier, Observer, OpenCarrier, Parcel, SendingPlan, plan_of
from .templating import template_faults

__all__ = [
    "Carrier",
    "Observer",
    "OpenCarrier",
    "Outbox",
    "Parcel",
    "SendingPlan",
    "open_carrier",
    "plan_of",
    "sender_address",
    "template_faults",
]

LONGEST_SLEEP = 300.0
"""Seconds after which the outbox looks again whatever it expects: clocks are set, machines are suspended."""
QUICK_TRIES = 3
"""Refused sign-ins in a row, after which only …"""
SLOW = 3600.0
"""… seconds later another one is tried: wrong passwords lock accounts (R-49)."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Rest:
    """One account's failures; it opens no session before `until` (POSIX seconds)."""

    backoff: Backoff
    until: float = 0.0
    refusals: int = 0


@dataclass(slots=True)
class _Watched:
    """What was seen last of the budgets, so that changes can be told."""

    suppressed: dict[str, int] | None = None
    breaker: bool = False


@dataclass(slots=True)
class _Running:
    lane: Lane
    task: asyncio.Task[None]


@dataclass(slots=True)
class _State:
    running: dict[str, _Running] = field(default_factory=dict)
    rests: dict[str, _Rest] = field(default_factory=dict)
    resume: dict[str, list[int]] = field(default_factory=dict)
    troubled: set[str] = field(default_factory=set)
    orphans: bool = True
    """Nobody has looked yet for rows that are being sent by nobody."""


class Outbox:
    """See the module. `uniform(a, b)` draws a number; `now` is POSIX seconds."""

    def __init__(
        self,
        ledger: Ledger,
        plan: SendingPlan,
        token_of: TokenOf,
        open_carrier: OpenCarrier = open_carrier,
        observer: Observer = Observer(),  # noqa: B008  (frozen)
        *,
        now: Callable[[], float] = time.time,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._ledger = ledger
        self._plan = plan
        self._token_of = token_of
        self._open_carrier = open_carrier
        self._observer = observer
        self._now = now
        self._uniform = uniform
        self._state = _State()
        self._watched = _Watched()
        self._draining = False
        self._ended = asyncio.Event()
        self._ended.set()

    async def run(self) -> None:
        """Until drained. One at a time; after a failure it may be run again and goes on where it was."""
        if self._draining:
            return
        self._ended.clear()
        try:
            while not self._draining:
                self._ledger.responses.work.clear()
                if self._state.orphans:
                    await self._recover()
                pause = await self._begin()
                await self._watch()
                await self._sleep(pause)
                self._reap()
            await self._until_idle()
        finally:
            await self._cut_short()
            self._state.orphans = True
            self._ended.set()

    async def drain(self, within: float) -> bool:
        """Finish the mails under way, begin no more; what is not done within so many seconds is cut short. Then `run` ends.

        True when nothing had to be cut short.
        """
        self._draining = True
        for one in self._state.running.values():
            one.lane.stop()
        self._ledger.responses.stir()
        try:
            async with asyncio.timeout(within):
                await self._ended.wait()
        except TimeoutError:
            log.warning("outbox.interrupted", seconds=within)
            for one in self._state.running.values():
                one.task.cancel()
            await self._ended.wait()
            return False
        return True

    def update(self, plan: SendingPlan) -> None:
        """Go on by this plan; mails under way are finished by the old one. Accounts that rested are tried again."""
        self._plan = plan
        self._state.rests.clear()
        for account in self._state.troubled - plan.accounts.keys():
            self._trouble(account, None)
        self._ledger.responses.stir()

    # --- lanes ----------------------------------------------------------------------------------------------------------

    async def _recover(self) -> None:
        """What was being sent by a life, or a lane, that ended: looked up where that can be done, else unknown (R-42)."""
        self._state.orphans = False
        for response in await self._ledger.responses.begun():
            if response.account in self._state.running:
                continue
            account = self._plan.accounts.get(response.account)
            if account is not None and account.sender is not None and account.sender.protocol == "graph":
                _once(self._state.resume.setdefault(response.account, []), response.id)
                continue
            said, again_at = "the process ended while it was sent", repeat_at(response, self._now())
            await until_writable(
                lambda number=response.id, said=said, again_at=again_at: self._ledger.responses.settle(  # type: ignore[misc]
                    number, ResponseState.UNKNOWN, said, again_at=again_at
                ),
                self._uniform,
            )
            self._observer.settled(response.purpose.value, ResponseState.UNKNOWN.value)
            log.warning("reply.unknown", reply=response.id, entry=response.entry, account=response.account, error=said)

    async def _begin(self) -> float:
        """Open lanes for accounts with due mail, as many as may send at a time; the seconds until more is due."""
        now = self._now()
        due = await self._ledger.responses.waiting() | dict.fromkeys(self._state.resume, now)
        soonest = now + LONGEST_SLEEP
        for account, due_at in sorted(due.items(), key=lambda item: item[1]):
            rest = self._state.rests.get(account)
            at = max(due_at, rest.until if rest is not None else 0.0)
            if account not in self._plan.accounts or account in self._state.running:
                continue
            if at > now:
                soonest = min(soonest, at)
            elif len(self._state.running) < self._plan.senders_at_once:
                self._open_lane(account)
        return max(0.0, soonest - now)

    def _open_lane(self, account: str) -> None:
        settings = self._plan.accounts[account]
        lane = Lane(
            settings,
            self._ledger,
            self._plan,
            Observer(partial(self._settled, account), trouble=self._trouble_of),
            lambda: self._open_carrier(settings, self._token_of),
            self._now,
            self._uniform,
            self._state.resume.get(account, ()),
        )
        task = asyncio.create_task(lane.run(), name=f"outbox {account}")
        task.add_done_callback(lambda _: self._ledger.responses.stir())
        self._state.running[account] = _Running(lane, task)

    def _settled(self, account: str, purpose: str, state: str) -> None:
        """A lane settled a mail; one that was taken ends what the account's failures before it led to."""
        if state == ResponseState.SENT:
            self._state.rests.pop(account, None)
        self._observer.settled(purpose, state)

    def _reap(self) -> None:
        """Judge the lanes that have ended. Raises LedgerError where one ended with that."""
        for account, one in list(self._state.running.items()):
            if not one.task.done():
                continue
            del self._state.running[account]
            error = asyncio.CancelledError() if one.task.cancelled() else one.task.exception()
            if isinstance(error, LedgerError):
                raise error
            if error is None:
                self._state.resume.pop(account, None)
            else:
                self._rest(account, error)

    def _rest(self, account: str, error: BaseException) -> None:
        """Leave the account alone for a while, and say why."""
        rest = self._state.rests.setdefault(account, _Rest(Backoff(self._uniform)))
        seconds = rest.backoff.next()
        if isinstance(error, PermanentFailure):
            rest.refusals += 1
            seconds = SLOW if rest.refusals >= QUICK_TRIES else seconds
        rest.until = self._now() + seconds
        if isinstance(error, AccountFailure):
            self._trouble(account, error)
            log.warning("sender.backoff", account=account, error=str(error), seconds=round(seconds, 1))
        else:
            self._state.orphans = True
            log.error("sender.restarted", account=account, error=repr(error), seconds=round(seconds, 1), exc_info=error)

    def _trouble_of(self, account: str, error: AccountFailure | None) -> None:
        """A lane tells that its server took the sign-in."""
        self._trouble(account, error)
        rest = self._state.rests.get(account)
        if rest is not None:
            rest.refusals = 0

    def _trouble(self, account: str, error: AccountFailure | None) -> None:
        if error is None and account in self._state.troubled:
            self._state.troubled.discard(account)
            log.info("sender.well", account=account)
        elif error is not None:
            self._state.troubled.add(account)
        self._observer.trouble(account, error)

    # --- waiting --------------------------------------------------------------------------------------------------------

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(seconds, LONGEST_SLEEP)):
                await self._ledger.responses.work.wait()
        except TimeoutError:
            pass

    async def _until_idle(self) -> None:
        tasks = [one.task for one in self._state.running.values()]
        if tasks:
            await asyncio.wait(tasks)

    async def _cut_short(self) -> None:
        """Leave no lane behind; what was under way stays `sending` and is judged by the next start."""
        for one in self._state.running.values():
            one.task.cancel()
        await self._until_idle()
        self._state.running.clear()

    # --- the budgets ----------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Tell what was suppressed since the last look, and of the breaker when it opens or closes."""
        rules: dict[str, int] = {}
        for (_, _, rule), number in (await self._ledger.responses.tallies()).items():
            if rule:
                rules[rule] = rules.get(rule, 0) + number
        for rule, number in rules.items():
            if self._watched.suppressed is not None and number > self._watched.suppressed.get(rule, 0):
                self._observer.suppressed(rule, number - self._watched.suppressed.get(rule, 0))
        self._watched.suppressed = rules
        in_day, before = await self._ledger.responses.answered(self._now())
        is_open = breaker_open(self._plan.budgets, in_day, before)
        self._observer.breaker(is_open)
        if is_open and not self._watched.breaker:
            log.error("reply.breaker_open", answers=in_day, week_before=before)
        elif self._watched.breaker and not is_open:
            log.info("reply.breaker_closed", answers=in_day)
        self._watched.breaker = is_open


def _once(numbers: list[int], number: int) -> None:
    if number not in numbers:
        numbers.append(number)
