"""All accounts of one daemon: makes, starts, pauses, holds and ends their runners. What `/healthz` and the verbs steer by.

Each runner's task is kept alive by the supervisor, so that even a fault in the runner itself costs one account some seconds and
no more. An account that was paused stays so over restarts; the ledger remembers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from ..admin.health import UNPROCESSED, account_rows
from ..budget import ByteBudget
from ..config import Account, Config, Limits, Listener
from ..credentials.rotation import Rotated, rotate
from ..ledger import Ledger, Row
from ..preview import preview
from ..status import AccountState, AccountStatus
from .account_runner import AccountRunner, FetchGate, Shared
from .logins import LoginGate
from .seats import Seats

LOOK_AGAIN = 0.05
"""Seconds between looks whether messages in flight have landed, while draining."""
ROOM_AGAIN = 1.0
"""Seconds between looks whether there is room again, while too much lies unprocessed."""
CLOSING = 12.0
"""Seconds that sessions get for their polite end, all at once."""


@dataclass(frozen=True, slots=True)
class _Member:
    runner: AccountRunner
    task: asyncio.Task[None]


class Fleet:
    """The accounts that run. Also the verbs' `Controls`."""

    def __init__(self, shared: Shared, limits: Limits) -> None:
        self._shared = shared
        self._budget = ByteBudget(limits.fetch_budget)
        self._logins = LoginGate(limits.login_rate, shared.clock)
        self._seats = Seats()
        self._room = Room(shared.ledger, shared.clock)
        self._members: dict[str, _Member] = {}
        self._parked: list[AccountStatus] = []
        self._listener = Listener()

    # --- life -----------------------------------------------------------------------------------------------------------

    async def start(self, accounts: Iterable[Account], config: Config) -> None:
        """Begin these accounts in random order; each waits for its turn to sign in. They are listed as in the configuration."""
        self._listener = config.listener
        paused = await self._shared.ledger.paused()
        starting = list(accounts)
        self._shared.chance.shuffle(starting)
        for account in starting:
            runner = self._runner(account, config, account.id in paused)
            self._members[account.id] = _Member(runner, self._shared.keep("account", runner.run))
        order = [account.id for account in config.accounts]
        self._members = {id: self._members[id] for id in order if id in self._members}

    async def stop(self, ids: Iterable[str]) -> None:
        """End these accounts' sessions politely, all at once, and forget them."""
        ending = [self._members[id] for id in ids if id in self._members]
        for member in ending:
            member.task.cancel()
        if ending:
            await asyncio.wait([member.task for member in ending], timeout=CLOSING)
        for member in ending:
            del self._members[member.runner.account.id]

    async def hold(self, seconds: float) -> bool:
        """Fetch nothing more; wait for what is in flight, at most so long. True: nothing is."""
        for runner in self._runners():
            runner.gate.close()
        deadline = self._shared.clock() + seconds
        while any(runner.fetching for runner in self._runners()):
            if self._shared.clock() >= deadline:
                return False
            await asyncio.sleep(LOOK_AGAIN)
        return True

    def ids(self) -> list[str]:
        """Every account's id."""
        return list(self._members)

    def statuses(self) -> Iterator[AccountStatus]:
        """Every account's progress, in the configuration's order; then those that are kept and cannot run."""
        yield from (runner.status for runner in self._runners())
        yield from self._parked

    def park(self, accounts: Mapping[str, tuple[str, str]]) -> None:
        """These are kept and cannot run: protocol, and why. From now on these only, but for ids that run from a file."""
        self._parked = [
            AccountStatus(id, protocol, AccountState.PARKED, last_error=why, started=True)
            for id, (protocol, why) in accounts.items()
            if id not in self._members
        ]

    def _runners(self) -> list[AccountRunner]:
        return [member.runner for member in self._members.values()]

    def _runner(self, account: Account, config: Config, paused: bool) -> AccountRunner:
        room = partial(self._room.wait, account.id, config.limits.account_backlog, config.limits.backlog)
        gate = FetchGate(room, self._room.landed)
        return AccountRunner(account, config, self._shared, self._budget, self._logins, self._seats, gate, paused)

    # --- Controls -------------------------------------------------------------------------------------------------------

    def known(self, account: str) -> bool:
        """Is there such an account in the configuration?"""
        return account in self._members

    async def accounts(self, ids: Collection[str]) -> list[Row]:
        """Rows of these as in `/healthz`."""
        wanted = set(ids)
        chosen = [status for status in self.statuses() if status.id in wanted]
        return await account_rows(chosen, self._shared.ledger, self._shared.clock())

    async def pause(self, account: str) -> None:
        """Close its session now and open none until `resume`; kept over restarts."""
        await self._shared.ledger.set_paused(account, True)
        self._members[account].runner.pause()

    async def resume(self, account: str) -> None:
        """Open a session now; ends a back-off too."""
        await self._shared.ledger.set_paused(account, False)
        self._members[account].runner.resume()

    def begin_again(self, account: str) -> None:
        """What it waited for is there now: a session at once, unless it is paused."""
        self._members[account].runner.begin_again()

    async def wake(self, account: str) -> None:
        """Look for work on the server now: something was released that must be fetched."""
        self._members[account].runner.wake()

    def trace(self, account: str, seconds: float) -> float:
        """Log what is said to its server, for so long (0: no more); how long it will be. Outlives sessions, not a restart."""
        trace = self._members[account].runner.trace
        trace.show(seconds)
        return trace.seconds_left

    async def token(self, profile: str, user: str, protocol: str) -> str:
        """An access token of that profile. Raises AccountFailure."""
        return await self._shared.tokens.source(profile, user, protocol).token()

    async def preview(self, account: str, since: float | None, limit: int) -> list[Row]:
        """Which messages would be processed, and how. Raises AccountFailure."""
        runner, shared = self._members[account].runner, self._shared
        async with self._seats.taken(runner.account):
            return await preview(runner.account, runner.config, shared.ledger, shared.tokens.token_of, since=since, limit=limit)

    async def rotate_key(self) -> Rotated:
        """Seal every stored secret anew, with the keys as the configuration names them now. Raises ConfigurationError."""
        return await rotate(self._listener, self._shared.ledger)


class Room:
    """Back-pressure (R-105): is there room for more mail of an account, or does too much lie unprocessed already?"""

    def __init__(self, ledger: Ledger, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._clock = clock
        self._counted_at = -ROOM_AGAIN
        self._total = 0

    async def wait(self, account: str, most: int, most_of_all: int) -> None:
        """Returns once fewer than `most` of this account and `most_of_all` of all accounts wait to be processed."""
        while True:
            if await self._is_there(account, most, most_of_all):
                return
            await asyncio.sleep(ROOM_AGAIN)

    def landed(self, messages: int) -> None:
        """So many were stored since all were last counted."""
        self._total += messages

    async def _is_there(self, account: str, most: int, most_of_all: int) -> bool:
        if (await self._ledger.backlog(account)).unprocessed >= most:
            return False
        now = self._clock()
        if now - self._counted_at >= ROOM_AGAIN:
            self._counted_at = now
            counts = await self._ledger.counts()
            self._total = sum(number for (_, state, _), number in counts.items() if state in UNPROCESSED)
        return self._total < most_of_all
