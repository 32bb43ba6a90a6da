"""Keeps one account running: session, rest, session …, whatever a session ends with.

The supervisor makes one for each account. A session is a task of its own, so that it can be ended for a pause, and so that
one that raises, returns or is cancelled by somebody else is simply followed by another, counted (R-95). Trouble with the
ledger itself is not the account's: `LedgerFull` waits until it can be written again, anything worse is the supervisor's.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from ..admin.metrics import Metrics
from ..budget import ByteBudget, DayAllowance
from ..config import Account, Config, ReceiverProtocol
from ..credentials.oauth import Tokens, TokenUse
from ..errors import AuthenticationRefused, LedgerError, LedgerFull, ListenerError, PermanentFailure, Throttled, TokenExpired
from ..ledger import Accepted, Ledger
from ..mailbox import Mailbox
from ..receiver import Receiver
from ..status import AccountState, AccountStatus
from .logins import SURVIVAL, LoginGate, Patience, Rest
from .seams import Seams
from .seats import Seats
from .tracing import ProtocolTrace

CLOSING = 10.0
"""Seconds that a session gets for its polite end."""
LOOK_AGAIN = 1.0
"""Seconds between looks whether a session whose token runs out is still fetching …"""
LAST_LOOKS = 30
"""… which it may be until so many looks before the token's end."""
RESET_OF = {ReceiverProtocol.IMAP: "uidvalidity", ReceiverProtocol.POP3: "uidl", ReceiverProtocol.GRAPH: "delta"}
"""What was given anew when known mail must be recognised by its content."""
BUSY = frozenset({AccountState.RECEIVING, AccountState.RECONCILING})

log = structlog.get_logger(__name__)


Keep = Callable[[str, Callable[[], Awaitable[None]]], asyncio.Task[None]]
"""Name and work → the task that keeps that work going until it is cancelled."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What all accounts share. `ledger_writable` waits until it is; `fatal` is told of ledger trouble that ends the process."""

    ledger: Ledger
    seams: Seams
    tokens: Tokens
    metrics: Metrics
    keep: Keep
    ledger_writable: Callable[[], Awaitable[None]]
    fatal: Callable[[LedgerError], None]
    now: Callable[[], float]
    clock: Callable[[], float]
    chance: random.Random


class FetchGate:
    """May an account fetch now? Shut for good while draining; waits for room when too much lies unprocessed (R-105)."""

    def __init__(self, room: Callable[[], Awaitable[None]], landed: Callable[[int], None]) -> None:
        self._room = room
        self.landed = landed
        self._open = True
        self.held = False

    async def __call__(self) -> None:
        """Returns when the next page may be fetched."""
        self.held = True
        try:
            await self._room()
            await self.wait_if_closed()
        finally:
            self.held = False

    async def wait_if_closed(self) -> None:
        """Returns at once while it is open; never once it is closed: whoever waits here is ended."""
        if not self._open:
            await asyncio.Event().wait()

    def close(self) -> None:
        """Let nothing through any more."""
        self._open = False


class AccountRunner:
    """One account's life, as this configuration wants it."""

    def __init__(
        self,
        account: Account,
        config: Config,
        shared: Shared,
        budget: ByteBudget,
        logins: LoginGate,
        seats: Seats,
        gate: FetchGate,
        paused: bool,
    ) -> None:
        self.account = account
        self.status = AccountStatus(account.id, account.receiver.protocol, provider=account.provider)
        self.gate = gate
        self.paused = paused
        self.config = config
        self.trace = ProtocolTrace(account.id, shared.clock)
        self._shared = shared
        self._logins = logins
        self._seats = seats
        self._patience = Patience(shared.clock, shared.chance.uniform, account.receiver.poll_interval)
        self._tokens = TokenUse(shared.tokens, self._note_expiry)
        self._receiver = self._make_receiver(budget)
        self._session: asyncio.Task[None] | None = None
        self._proving: asyncio.TimerHandle | None = None
        self._changing: asyncio.Task[None] | None = None
        self._asked = False
        self._awake = asyncio.Event()

    def _make_receiver(self, budget: ByteBudget) -> Receiver:
        return Receiver(
            self.account.id,
            self._shared.ledger,
            self._open_mailbox,
            budget,
            self.status,
            since=self.account.since,
            owe=self.account.receiver.after != "keep",
            removes=self.account.receiver.after not in ("keep", "seen"),
            limit=self.config.limits.max_message,
            on_accepted=self._accepted,
            on_staged=self._staged,
            on_reset=self._reset,
            may_fetch=self.gate,
            allowance=DayAllowance(self.account.receiver.max_per_day, self._shared.now),
            identity=self.account.mailbox_identity,
        )

    def _accepted(self, accepted: Accepted) -> None:
        self._shared.metrics.count_accepted(self.status.protocol, accepted)
        self.gate.landed(accepted.accepted)
        if accepted.accepted:
            self._patience.mail_came()

    def _staged(self, seconds: float) -> None:
        self._shared.metrics.observe("fetch_to_stage_seconds", seconds, self.status.protocol)

    def _reset(self) -> None:
        self._shared.metrics.count("reconciles_total", self.status.protocol, RESET_OF[self.account.receiver.protocol])

    async def _open_mailbox(self) -> Mailbox:
        mailbox = await self._shared.seams.open_mailbox(self.account, self.config, self._tokens.token_of, trace=self.trace)
        self.status.certificate_expiry = mailbox.certificate_expiry
        self._patience.opened(mailbox.login_delay)
        self._proving = asyncio.get_running_loop().call_later(SURVIVAL, self._proven)
        if self.account.receiver.protocol is not ReceiverProtocol.GRAPH:  # that one shows a token with each request
            self._changing = asyncio.create_task(self._change_token(), name=f"token of {self.account.id}")
        return mailbox

    def _note_expiry(self, seconds: float) -> None:
        self.status.token_expiry = self._shared.now() + seconds

    async def _change_token(self) -> None:
        """Follow this session by one with the next token before the server ends it for the old one's sake (R-50)."""
        try:
            await self._tokens.until_change()
        except PermanentFailure as error:  # this session may go on; the next one will not
            self.status.last_error = described(error)
            log.warning("token.not_renewed", account=self.account.id, error=self.status.last_error)
            return
        for _ in range(int((self._tokens.seconds_left or 0.0) / LOOK_AGAIN - LAST_LOOKS)):
            if self.status.state not in BUSY:
                break
            await asyncio.sleep(LOOK_AGAIN)
        log.info("token.changed", account=self.account.id)
        self._interrupt()

    def _proven(self) -> None:
        """Success has lasted: what went wrong before is history."""
        self.status.last_error = None

    # --- what the supervisor and people ask -----------------------------------------------------------------------------

    def pause(self) -> None:
        """End the session now and open none until `resume`."""
        self.paused = True
        self._interrupt()

    def resume(self) -> None:
        """Open a session now, whatever the back-off says; one that runs is left alone."""
        if self.paused or self._session is None:
            self.paused = False
            self._patience.forget()
            self._awake.set()

    def begin_again(self) -> None:
        """A person mended what failed (a consent): forget the failures, and open a session now unless paused."""
        if not self.paused and self._session is None:
            self._patience.forget()
            self._awake.set()

    def wake(self) -> None:
        """Look for work now, unless it is being done."""
        if self.status.state not in BUSY:
            self._interrupt()

    @property
    def fetching(self) -> bool:
        """Is a message in flight that a drain should wait for?"""
        return self._session is not None and self.status.state in BUSY and not self.gate.held

    # --- the loop ---------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                if self.paused:
                    await self._stay_paused()
                    continue
                self._say_why_it_waits()
                async with self._seats.taken(self.account):
                    await self._logins.turn(self.account.receiver.host)
                    await self.gate.wait_if_closed()
                    rest = None if self.paused else await self._one_session()
                if rest is not None:
                    await self._rest(rest)
        finally:
            self.status.enter(AccountState.STOPPED)

    def _say_why_it_waits(self) -> None:
        if why := self._seats.why_wait(self.account):
            self.status.enter(AccountState.BACKOFF)
            self.status.last_error = why
            log.warning("account.waits", account=self.account.id, error=why)

    async def _one_session(self) -> Rest:
        """Run a session to its end, and say how to go on."""
        self._asked = False
        self._awake.clear()
        self._session = session = asyncio.create_task(self._receiver.run_session(), name=f"session {self.account.id}")
        try:
            await asyncio.wait({session})
        finally:
            if self._proving is not None:
                self._proving.cancel()
            if self._changing is not None:
                self._changing.cancel()
            await self._end(session)
            self._session = None
        return self._judge(session)

    def _judge(self, session: asyncio.Task[None]) -> Rest:
        error = asyncio.CancelledError() if session.cancelled() else session.exception()
        if self._asked and isinstance(error, asyncio.CancelledError):
            return Rest(0.0, self.status.state, "asked")
        if isinstance(error, LedgerError) and not isinstance(error, LedgerFull):
            self._shared.fatal(error)
        if isinstance(error, TokenExpired | AuthenticationRefused):
            self._tokens.refused()
        rest = self._patience.after(error)
        self._note(error, rest)
        return rest

    def _note(self, error: BaseException | None, rest: Rest) -> None:
        """Leave a trace where people look: status, log and counters."""
        provider, metrics = self.status.provider, self._shared.metrics
        metrics.count("reconnects_total", provider, rest.outcome)
        if error is None:
            self.status.last_error = None
            return
        self.status.last_error = described(error)
        facts = {"account": self.account.id, "error": self.status.last_error, "seconds": round(rest.seconds or 0.0, 1)}
        if isinstance(error, Throttled):
            how = "guessed" if error.retry_after is None else "retry_after"
            metrics.count("throttled_total", provider, how)
            metrics.count("throttle_wait_seconds_total", provider, how, by=rest.seconds or 0.0)
        if isinstance(error, ListenerError):
            log.warning("account.backoff", outcome=rest.outcome, **facts)
        else:
            metrics.count("task_restarts_total", "account")
            log.error("account.restarted", exc_info=error, **facts)

    async def _rest(self, rest: Rest) -> None:
        self.status.enter(rest.state)
        if rest.seconds is None:
            await self._shared.ledger_writable()
        elif rest.seconds > 0:
            self.status.next_retry = self._shared.now() + rest.seconds
            await self._sleep(rest.seconds)
            self.status.next_retry = None

    async def _stay_paused(self) -> None:
        self.status.enter(AccountState.STOPPED)
        self._awake.clear()
        await self._awake.wait()

    async def _sleep(self, seconds: float) -> None:
        """That long, or until somebody wants something of us."""
        try:
            async with asyncio.timeout(seconds):
                await self._awake.wait()
        except TimeoutError:
            pass

    def _interrupt(self) -> None:
        self._awake.set()
        if self._session is not None:
            self._asked = True
            self._session.cancel()

    async def _end(self, session: asyncio.Task[None]) -> None:
        """See a session to its end when we are being stopped: it says goodbye to the server."""
        if not session.done():
            session.cancel()
            await asyncio.wait({session}, timeout=CLOSING)


def described(error: BaseException) -> str:
    """An error as `last_error` shows it: its class, and what it says."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
