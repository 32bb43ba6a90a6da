"""Is the daemon alive, ready, started; and how far has each account come? Facts only, no HTTP.

Called by the admin server for `/livez`, `/readyz`, `/startupz` and `/healthz`, and by the supervisor before it tells systemd
that all is well. Each check returns the reasons against it, so an empty list is a yes.

Rules of the file
1. Live means progress: the event loop, the supervisor and the ledger's thread have moved lately. No dependency, no account.
2. Ready means that we could take mail: the ledger can be written, the configuration is loaded, we are not draining. Not one
   account's success: a wrong password must not take a pod out of service.
3. What needs no token shows no address, no subject and no account.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..ledger import Ledger, Row, State
from ..status import AccountState, AccountStatus

LOOP_LIMIT = 5.0
"""Seconds the event loop may be late before we are not live (R-93)."""
SUPERVISOR_LIMIT = 30.0
"""Seconds since the supervisor's last round before we are not live (R-93)."""
LEDGER_LIMIT = 30.0
"""Seconds since the ledger's thread last moved before we are not live."""

UNPROCESSED = frozenset({State.ACCEPTED, State.FILED})
FEW = 100
"""Accounts of whom each is asked for its oldest message; of more, those that have one are."""
TROUBLED = frozenset({AccountState.BACKOFF, AccountState.AUTH_FAILED, AccountState.NEEDS_CONSENT, AccountState.PARKED})
"""States in which an account receives nothing although it should."""


@dataclass(slots=True)
class Health:
    """What the supervisor keeps up to date and everybody else reads. `monotonic` is the event loop's clock."""

    ledger: Ledger
    statuses: Callable[[], Iterable[AccountStatus]]
    monotonic: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    expiries: Callable[[], Sequence[tuple[str, float]]] = tuple
    starting: bool = False
    """The accounts are not there yet: what is asked of them would be answered as if there were none."""
    draining: bool = False
    loop_beat: float = field(init=False)
    supervisor_beat: float = field(init=False)
    _startup_done: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self.loop_beat = self.supervisor_beat = self.monotonic()

    def not_live(self) -> list[str]:
        """Why the process makes no progress; empty when it does."""
        now = self.monotonic()
        ages = (
            ("event loop", now - self.loop_beat, LOOP_LIMIT),
            ("supervisor", now - self.supervisor_beat, SUPERVISOR_LIMIT),
            ("ledger thread", now - self.ledger.last_progress, LEDGER_LIMIT),
        )
        return [f"{what}: no progress for {age:.0f} s" for what, age, limit in ages if age > limit]

    def not_ready(self) -> list[str]:
        """Why no mail can be taken; empty when it can."""
        reasons = []
        if self.starting:
            reasons.append("starting")
        if self.draining:
            reasons.append("draining")
        if not self.ledger.writable:
            reasons.append("ledger not writable")
        return reasons

    def not_started(self) -> list[str]:
        """How many accounts wait for their first start; once none does, empty for good."""
        if self.starting:
            return ["starting"]
        waiting = sum(status.state is AccountState.STARTING for status in self.statuses())
        self._startup_done = self._startup_done or not waiting
        return [] if self._startup_done else [f"accounts not yet started: {waiting}"]

    def summary(self) -> str:
        """One word for the whole: ok, degraded, draining or unavailable."""
        if self.draining:
            return "draining"
        if not self.ledger.writable or self.not_live():
            return "unavailable"
        troubled = any(status.state in TROUBLED or status.sender_error for status in self.statuses())
        return "degraded" if troubled else "ok"

    def states(self) -> dict[AccountState, int]:
        """How many accounts are in each state; every state is named."""
        counted = dict.fromkeys(AccountState, 0)
        for status in self.statuses():
            counted[status.state] += 1
        return counted

    async def report(self) -> Row:
        """The body of `/healthz`."""
        return {"status": self.summary(), "accounts": await account_rows(self.statuses(), self.ledger, self.monotonic())}


async def account_rows(statuses: Iterable[AccountStatus], ledger: Ledger, clock: float) -> list[Row]:
    """Every account as `/healthz` and `listener accounts` show it. `clock` is the event loop's time."""
    chosen = list(statuses)
    few = len(chosen) <= FEW
    oldest = await ledger.search.oldest_unprocessed([s.id for s in chosen] if few else await ledger.search.busy())
    return [account_row(status, oldest.get(status.id), clock) for status in chosen]


def account_row(status: AccountStatus, oldest_unprocessed: float | None, clock: float) -> Row:
    """One account as JSON: times as RFC 3339 UTC, ages in seconds."""
    return {
        "id": status.id,
        "protocol": status.protocol,
        "state": status.state.value,
        "since": timestamp(status.since),
        "last_success": timestamp(status.last_success),
        "last_error": status.last_error,
        "lag_messages": status.lag_messages,
        "oldest_unprocessed": timestamp(oldest_unprocessed),
        "idle_age": idle_age(status, clock),
        "next_retry": timestamp(status.next_retry),
        "token_expiry": timestamp(status.token_expiry),
        "missing_folders": sorted(status.missing_folders),
        "sender_error": status.sender_error,
    }


def idle_age(status: AccountStatus, clock: float) -> float | None:
    """Seconds since the IDLE under way began; None when the account is not idling. It is renewed, so it stays small."""
    since = None if status.mailbox is None else status.mailbox.idle_since
    return None if since is None else round(max(0.0, clock - since), 1)


def timestamp(seconds: float | None) -> str | None:
    """POSIX seconds as RFC 3339 in UTC."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
