"""From accepted to filed: take due entries, parse them side by side, file them in order of arrival, a batch a commit.

Run by `Dispatcher`. Each account has a lane; whatever stands parsed at the head of the lanes makes the next batch, so a message
that parses slowly holds up its own account only, and batches grow by themselves while a commit is under way.

Rules of the file
1. Within an account, messages are filed in the order in which they arrived.
2. An entry of an earlier process life is suspicious, because that life may have died of it: such are parsed one at a time,
   in a worker process, the attempt counted and committed first. A life that is told to end takes back what it counted.
3. No message can stop the others: what cannot be parsed is quarantined, what cannot be filed is dead, both with its reason.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import structlog

from ..errors import LedgerError, LedgerFull, ParseCrash, ParseTimeout
from ..ledger import DueEntry, Ended, FiledAs, Ledger, Parsed, State
from ..message.model import InboundMessage, Trust
from .judging import CANARY, RULE, judged
from .patience import together, until_writable
from .plan import AccountPlan, DispatchLimits, Observer

MAX_PARSE_ATTEMPTS = 3
"""Failures of a suspicious entry, the process's own death included, before it is quarantined."""

AT_ONCE = 8
"""Parses begun between two looks at the rest of the event loop; a small message is parsed right on it."""

FLOOD = "flood"
DUPLICATE = "duplicate"
UNFILABLE = "unfilable"

log = structlog.get_logger(__name__)


class MessageParser(Protocol):
    """What `listener.parsing.Parser` does."""

    async def parse(self, octets: bytes, trust: Trust, *, isolated: bool = False) -> InboundMessage:
        """Raises ParseTimeout or ParseCrash."""
        ...


@dataclass(slots=True)
class _Work:
    """An entry on its way. `due` is dropped once it was parsed: the octets are no longer needed."""

    id: int
    account: str
    due: DueEntry | None
    parsed: Parsed | None = None


class Filing:
    """The stage. `plans` and `limits` are asked for those of the moment; `held` is called when a flood was held."""

    def __init__(
        self,
        ledger: Ledger,
        parser: MessageParser,
        plans: Callable[[], Mapping[str, AccountPlan]],
        limits: Callable[[], DispatchLimits],
        observer: Observer,
        held: Callable[[], None] = lambda: None,
    ) -> None:
        self._held = held
        self.committing = asyncio.Lock()
        """Held during each commit; whoever holds it sees no filing by an older plan."""
        self._ledger = ledger
        self._parser = parser
        self._plans = plans
        self._limits = limits
        self._observer = observer
        self._lanes: dict[str, deque[_Work]] = {}
        self._ready: deque[_Work] = deque()
        self._parked: set[int] = set()
        self._given_up: set[int] = set()
        self._taken: set[int] = set()
        self._counted: set[int] = set()
        self._octets = 0
        self._may_be_more = True
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        self._helpers: set[asyncio.Task[None]] = set()
        self._ordinary: asyncio.Queue[_Work] = asyncio.Queue()
        self._suspicious: asyncio.Queue[_Work] = asyncio.Queue()

    async def run(self) -> None:
        """Until stopped. What it had taken and not filed is handed back, however it ends."""
        try:
            async with together() as tasks:
                self._helpers |= {tasks.create_task(self._parse_side_by_side(tasks)), tasks.create_task(self._parse_alone())}
                await self._serve_until_stopped()
                for helper in self._helpers:
                    helper.cancel()
            if self._counted:
                with suppress(LedgerFull):
                    await self._ledger.parses_given_up(self._counted)
        finally:
            self._ledger.hand_back(self._taken | self._parked)

    def wake(self) -> None:
        """There may be new entries."""
        self._may_be_more = True
        self._changed.set()

    def stop(self) -> None:
        """End after the commit under way; one that waits for room on the disk is begun anew by the next life."""
        self._stopping.set()
        self._changed.set()

    def plans_changed(self) -> None:
        """Accounts that had no plan may have one now."""
        self._ledger.hand_back(self._parked)
        self._parked.clear()
        self.wake()

    async def _serve_until_stopped(self) -> None:
        try:
            await self._serve()
        except LedgerFull:
            if not self._stopping.is_set():
                raise

    async def _serve(self) -> None:
        while not self._stopping.is_set():
            if self._may_be_more and self._has_room():
                await self._take()
            elif self._ready:
                await self._commit([self._ready.popleft() for _ in range(min(len(self._ready), self._limits().batch))])
            else:
                await self._changed.wait()
                self._changed.clear()

    def _has_room(self) -> bool:
        """Half of it free: taking a few at a time would cost a query each."""
        return len(self._taken) * 2 <= self._limits().ahead and self._octets * 2 <= self._limits().ahead_octets

    async def _take(self) -> None:
        """Queue due entries for parsing, in order of arrival."""
        self._may_be_more = False
        room, octets = self._limits().ahead - len(self._taken), self._limits().ahead_octets - self._octets
        due = await self._ledger.due_entries(room, octets)
        self._may_be_more = self._may_be_more or bool(due)
        for entry in due:
            self._admit(entry)

    def _admit(self, entry: DueEntry) -> None:
        if entry.id in self._given_up:
            return
        if entry.account not in self._plans():
            if not self._parked:
                log.warning("message.parked", entry=entry.id, account=entry.account, hint="its account is not configured")
            self._parked.add(entry.id)  # it waits in the ledger until the account is back
            return
        work = _Work(entry.id, entry.account, entry)
        self._taken.add(entry.id)
        self._octets += len(entry.octets)
        self._lanes.setdefault(entry.account, deque()).append(work)
        (self._suspicious if entry.suspicious else self._ordinary).put_nowait(work)

    # --- parsing -----------------------------------------------------------------------------------------------------

    async def _parse_side_by_side(self, tasks: asyncio.TaskGroup) -> None:
        """Every ordinary entry in a task of its own; how many, `ahead` bounds."""
        begun = 0
        while True:
            work = await self._ordinary.get()
            task = tasks.create_task(self._parse(work))
            self._helpers.add(task)
            task.add_done_callback(self._helpers.discard)
            begun += 1
            if begun % AT_ONCE == 0:
                await asyncio.sleep(0)

    async def _parse(self, work: _Work) -> None:
        assert work.due is not None
        try:
            self._finish(work, self._filed(work, await self._understand(work, isolated=False)))
        except (ParseTimeout, ParseCrash) as error:
            self._finish(work, _quarantined(work, error.reason, str(error)))

    async def _parse_alone(self) -> None:
        while True:
            work = await self._suspicious.get()
            self._finish(work, await self._suspected(work))

    async def _suspected(self, work: _Work) -> Parsed:
        """Counted first, in a worker, again and again up to MAX_PARSE_ATTEMPTS."""
        while True:
            self._counted.add(work.id)
            attempt = await until_writable(lambda: self._ledger.parse_attempted(work.id))
            if attempt > MAX_PARSE_ATTEMPTS:
                return _quarantined(work, ParseCrash.reason, f"the process ended {attempt - 1} times while it was parsed")
            try:
                return self._filed(work, await self._understand(work, isolated=True))
            except (ParseTimeout, ParseCrash) as error:
                self._counted.discard(work.id)
                log.warning("message.parse_failed", entry=work.id, account=work.account, attempt=attempt, error=str(error))
                if attempt >= MAX_PARSE_ATTEMPTS:
                    return _quarantined(work, error.reason, str(error))

    async def _understand(self, work: _Work, *, isolated: bool) -> InboundMessage:
        """Raises ParseTimeout or ParseCrash, and nothing else."""
        assert work.due is not None
        plan = self._plans().get(work.account, AccountPlan())
        try:
            return await self._parser.parse(work.due.octets, plan.trust, isolated=isolated)
        except (ParseTimeout, ParseCrash):
            raise
        except Exception as error:  # the worker boundary: a fault of the parser is this message's own
            log.error("message.parser_fault", entry=work.id, account=work.account, exc_info=True)
            raise ParseCrash(f"the parser failed: {type(error).__name__}") from None

    def _filed(self, work: _Work, message: InboundMessage) -> Parsed:
        assert work.due is not None
        return judged(work.due, message, self._plans().get(work.account, AccountPlan()))

    def _finish(self, work: _Work, parsed: Parsed) -> None:
        """It is parsed; it and those that waited behind it are ready to be filed."""
        assert work.due is not None
        self._octets -= len(work.due.octets)
        work.parsed, work.due = parsed, None
        lane = self._lanes[work.account]
        while lane and lane[0].parsed is not None:
            self._ready.append(lane.popleft())
        if not lane:
            del self._lanes[work.account]
        self._changed.set()

    # --- filing ------------------------------------------------------------------------------------------------------

    async def _commit(self, batch: Sequence[_Work]) -> None:
        parsed = [work.parsed for work in batch if work.parsed is not None]
        async with self.committing:
            plans = self._plans()
            accounts = {work.account: plans[work.account] for work in batch if work.account in plans}
            cases = await self._file(parsed, accounts)
        self._taken.difference_update(work.id for work in batch)
        self._counted.difference_update(work.id for work in batch)
        self._tell(batch, cases)

    async def _file(self, batch: Sequence[Parsed], plans: Mapping[str, AccountPlan]) -> dict[int, FiledAs]:
        """The case of each entry that could be filed. A batch that cannot be filed as a whole is filed one by one."""
        hooks = {account: plan.hooks for account, plan in plans.items()}
        rules = {account: plan.cases for account, plan in plans.items()}
        try:
            return dict(await until_writable(lambda: self._ledger.file(batch, hooks, rules), stopped=self._stopping))
        except LedgerError:
            raise
        except Exception as error:  # a fault of one row must not stop the others (rule 3)
            if len(batch) == 1:
                return await self._bury(batch[0], error)
        cases: dict[int, FiledAs] = {}
        for one in batch:
            cases |= await self._file([one], plans)
        return cases

    async def _bury(self, parsed: Parsed, error: Exception) -> dict[int, FiledAs]:
        """What cannot be filed is dead; `listener retry` tries again."""
        log.error("message.unfilable", entry=parsed.entry, exc_info=error)
        dead = Parsed(parsed.entry, None, State.DEAD, UNFILABLE, {"error": f"{type(error).__name__}: {error}"[:500]})
        try:
            await until_writable(lambda: self._ledger.file([dead], {}), stopped=self._stopping)
        except LedgerError:
            raise
        except Exception:  # not even that: it stays accepted, and this life leaves it alone
            log.error("message.given_up", entry=parsed.entry, exc_info=True)
            self._given_up.add(parsed.entry)
        return {}

    def _tell(self, batch: Iterable[_Work], cases: Mapping[int, FiledAs]) -> None:
        filed = held = 0
        for work in batch:
            assert work.parsed is not None
            became = cases.get(work.id)
            if isinstance(became, str):
                filed += 1
                log.debug("message.filed", entry=work.id, account=work.account, case=became)
                continue
            state, reason = (became.state, became.reason) if isinstance(became, Ended) else _ended(work.parsed)
            if reason == CANARY and work.parsed.detail:
                self._observer.canary(work.account, work.parsed.detail["sent_at"], work.parsed.detail["staged_at"])
                continue
            held += reason == FLOOD
            self._observer.set_aside(state, reason)
            if reason in (FLOOD, DUPLICATE) or reason.startswith(RULE):
                log.info("message.set_aside", entry=work.id, account=work.account, reason=reason)
            else:
                log.warning("message.set_aside", entry=work.id, account=work.account, reason=reason)
        self._observer.filed(filed)
        if held:
            self._held()


def _ended(parsed: Parsed) -> tuple[State, str]:
    """State and reason of what came into no case, and that the ledger has not ended itself."""
    return (parsed.state, parsed.reason) if parsed.reason else (State.DEAD, UNFILABLE)


def _quarantined(work: _Work, reason: str, error: str) -> Parsed:
    return Parsed(work.id, None, State.QUARANTINED, reason, {"error": error})
