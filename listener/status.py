"""What one account is doing and how far it has come: the facts that health, metrics and the console show.

Written by the account's receiver and its supervisor, read by everybody else; no I/O. Health is progress: `last_success` is
the last *completed* round trip with the server, `lag_messages` what the server has and the ledger has not. A socket that
is merely open proves nothing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import StrEnum

from .mailbox import Folder, Mailbox


class AccountState(StrEnum):
    """What an account is doing, as `/healthz` says it."""

    STARTING = "starting"
    CONNECTING = "connecting"
    RECEIVING = "receiving"
    IDLE = "idle"
    POLLING = "polling"
    BACKOFF = "backoff"
    AUTH_FAILED = "auth_failed"
    NEEDS_CONSENT = "needs_consent"
    RECONCILING = "reconciling"
    PARKED = "parked"
    STOPPED = "stopped"


@dataclass(slots=True)
class AccountStatus:
    """One account's progress; written by its receiver and the supervisor, read by health, metrics and the console.

    Times are POSIX seconds. `last_success` is the last completed round trip with the server, never the state of a socket.
    """

    id: str
    protocol: str
    state: AccountState = AccountState.STARTING
    since: float = field(default_factory=time.time)
    last_success: float | None = None
    last_error: str | None = None
    sender_error: str | None = None
    """Why its answers cannot be sent; None: they can, as far as we know."""
    sender_proven: bool = False
    """Has its sender been tried since the start?"""
    next_retry: float | None = None
    token_expiry: float | None = None
    certificate_expiry: float | None = None
    canary_due: float | None = None
    """When the oldest probe under way should have come back; None: none is."""
    canary_proven: bool = False
    """Has a probe come back since the account went to work?"""
    provider: str = "custom"
    lag: dict[Folder, int] = field(default_factory=dict)
    missing_folders: dict[Folder, str] = field(default_factory=dict)
    started: bool = False
    created_at: float = field(default_factory=time.time)
    mailbox: Mailbox | None = None

    def enter(self, state: AccountState) -> None:
        """Change state; `since` moves only when it really changes."""
        if state is not self.state:
            self.state, self.since = state, time.time()

    def succeeded(self) -> None:
        """A round trip with the server was completed just now."""
        self.last_success = time.time()

    @property
    def lag_messages(self) -> int:
        """Messages that the server has and the ledger has not, as far as the server told us."""
        return sum(self.lag.values())
