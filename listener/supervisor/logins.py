"""When may we sign in? Paces sign-ins by host over all accounts, and says how long an account rests after a session.

`LoginGate` keeps a hundred accounts of one provider from arriving in the same second after a restart. `Patience` counts one
account's failures. They only compute; the account's runner waits.

Rules of the file
1. Unknown is temporary.
2. The count of failures is forgotten only after SURVIVAL of proven success; a server that takes a sign-in and then drops us
   has not proven anything (R-24).
3. Wrong passwords lock accounts: three quick tries, then one an hour (R-50). A person is told from the third on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..backoff import Backoff, Polling
from ..errors import (
    AuthenticationRefused,
    ConsentLost,
    FolderMissing,
    LedgerFull,
    PermanentFailure,
    Throttled,
    TokenExpired,
    TransientFailure,
)
from ..status import AccountState

SURVIVAL = 300.0
"""Seconds of success after which earlier failures are forgotten."""
QUICK_TRIES = 3
"""Refusals in a row before a person is asked; one may be a server's bad moment."""
SLOW = 3600.0
"""Seconds between tries of what only a person can mend."""
PARKED = 900.0
"""Seconds between looks for a folder or a certificate that a person may have mended meanwhile."""
TOKEN_LIFE = 60.0
"""Seconds that a session must have lasted for an expired token to be ordinary; sooner, something else is wrong."""
LONGEST_THROTTLE = 3600.0
"""A server may ask for more, but then we ask again sooner."""
SPREAD = 0.1
"""Long waits are spread by this part of their length, so that accounts do not march in step."""


class LoginGate:
    """At most `rate` sign-ins a second to each host; a second's worth may go at once."""

    def __init__(self, rate: float, clock: Callable[[], float]) -> None:
        self._interval = 1.0 / rate
        self._burst = max(0.0, 1.0 - self._interval)
        self._clock = clock
        self._due: dict[str, float] = {}

    async def turn(self, host: str) -> None:
        """Wait for this host's next place in the line."""
        now = self._clock()
        mine = max(self._due.get(host, 0.0), now - self._burst)
        self._due[host] = mine + self._interval
        if mine > now:
            await asyncio.sleep(mine - now)


@dataclass(frozen=True, slots=True)
class Rest:
    """What an account does until its next session. `seconds` None: wait until the ledger can be written."""

    seconds: float | None
    state: AccountState
    outcome: str


class Patience:
    """One account's failures. `uniform(a, b)` draws a number, `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float], uniform: Callable[[float, float], float], poll_interval: float) -> None:
        self._clock = clock
        self._uniform = uniform
        self._polling = Polling(poll_interval, clock)
        self._next_login = 0.0
        self._backoff = Backoff(uniform)
        self._refusals = 0
        self._well_since: float | None = None
        self._opened_at = -TOKEN_LIFE

    def opened(self, login_delay: float = 0.0) -> None:
        """A session was opened: the server took our sign-in, and wants so many seconds before the next (RFC 2449 §6.5)."""
        self._opened_at = self._clock()
        self._next_login = self._opened_at + min(login_delay, LONGEST_THROTTLE)
        if self._well_since is None:
            self._well_since = self._opened_at

    def mail_came(self) -> None:
        """There is something to look for: look often."""
        self._polling.mail_came()

    def forget(self) -> None:
        """A person says that the trouble is mended."""
        self._backoff.reset()
        self._refusals = 0

    @property
    def proven(self) -> bool:
        """Has success lasted long enough to forget what was before?"""
        return self._well_since is not None and self._clock() - self._well_since >= SURVIVAL

    def after(self, error: BaseException | None) -> Rest:
        """How long to rest after a session that ended so (None: as it should); never less than the server's login delay."""
        if self.proven:
            self.forget()
        rest = self._after(error)
        if rest.seconds is None:
            return rest
        return replace(rest, seconds=max(rest.seconds, self._next_login - self._clock()))

    def _after(self, error: BaseException | None) -> Rest:
        if error is None:
            return Rest(self._polling.interval, AccountState.POLLING, "ended")
        if isinstance(error, LedgerFull):
            return Rest(None, AccountState.BACKOFF, "ledger_full")
        if isinstance(error, TokenExpired) and self._clock() - self._opened_at >= TOKEN_LIFE:
            self._opened_at = self._clock()  # a new token that has expired too is another trouble
            return Rest(0.0, AccountState.CONNECTING, "token_expired")
        self._well_since = None
        return self._refused(error) if isinstance(error, PermanentFailure) else self._failed(error)

    def _failed(self, error: BaseException) -> Rest:
        if isinstance(error, Throttled):
            asked = min(error.retry_after or 0.0, LONGEST_THROTTLE) * self._uniform(1.0, 1.0 + SPREAD)
            return Rest(max(asked, self._backoff.next()), AccountState.BACKOFF, "throttled")
        known = isinstance(error, TransientFailure)
        return Rest(self._backoff.next(), AccountState.BACKOFF, "transient" if known else "internal_error")

    def _refused(self, error: PermanentFailure) -> Rest:
        self._refusals += 1
        match error:
            case ConsentLost():
                state, slow, outcome = AccountState.NEEDS_CONSENT, SLOW, "needs_consent"
            case AuthenticationRefused():
                state, slow, outcome = AccountState.AUTH_FAILED, SLOW, "auth_failed"
            case FolderMissing():
                state, slow, outcome = AccountState.PARKED, PARKED, "folder_missing"
            case _:
                state, slow, outcome = AccountState.PARKED, PARKED, "permanent"
        if self._refusals < QUICK_TRIES:
            return Rest(self._backoff.next(), AccountState.BACKOFF, outcome)
        return Rest(slow * self._uniform(1.0 - SPREAD, 1.0), state, outcome)
