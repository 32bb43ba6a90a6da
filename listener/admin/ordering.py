"""What all verbs stand on: a ledger, whoever controls the accounts, the desk where they are looked after, and who orders it.

Whatever changes something is written into the audit first, so that no change can be there without its line, and a second
time if it was refused.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Self

import structlog

from ..accounts import AccountBook, Consents, Trials
from ..config import Config
from ..credentials.oauth import Tokens
from ..errors import LedgerFull, ListenerError
from ..ledger import Ledger, Order
from .controls import Controls
from .sessions import Sessions

log = structlog.get_logger(__name__)

COMMAND_LINE = "command line"
MAX_SAID = 300
"""Characters of a refusal's reason that the audit keeps."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Where accounts and profiles are looked after. `config`: what runs; `restart`: begin an account's sessions anew."""

    book: AccountBook
    trials: Trials
    consents: Consents
    config: Callable[[], Config]
    restart: Callable[[str], Awaitable[None]]
    tokens: Tokens
    now: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True)
class Ordering:
    """`who` is the name of a token, or of the way in. `sessions` are those of browsers, where there are any.

    `accounts_desk`: where accounts are looked after; None where that cannot be done.
    """

    ledger: Ledger
    controls: Controls
    who: str = COMMAND_LINE
    sessions: Sessions | None = None
    accounts_desk: Desk | None = None

    def by(self, who: str) -> Self:
        """The same, ordered by somebody else."""
        return replace(self, who=who)

    def with_sessions(self, sessions: Sessions) -> Self:
        """The same, in a daemon that browsers sign in to."""
        return replace(self, sessions=sessions)

    @asynccontextmanager
    async def order(self, action: str, target: str, **detail: Any) -> AsyncIterator[None]:
        """Around whatever changes something: the audit knows of it before it is done. `detail` holds no secret."""
        await self.ledger.access.record(Order(self.who, action, target, detail))
        async with self._told_if_refused(action, target):
            yield

    @asynccontextmanager
    async def copying(self, action: str, target: str) -> AsyncIterator[None]:
        """The same around what only copies: it is done also where the disk is full, for then it is wanted most."""
        try:
            await self.ledger.access.record(Order(self.who, action, target, {}))
        except LedgerFull:
            log.warning("audit.full", who=self.who, action=action, target=target)
            yield
            return
        async with self._told_if_refused(action, target):
            yield

    @asynccontextmanager
    async def _told_if_refused(self, action: str, target: str) -> AsyncIterator[None]:
        try:
            yield
        except ListenerError as error:
            why = {"reason": str(error)[:MAX_SAID]}
            await self.ledger.access.record(Order(self.who, action, target, why, refused=True))
            raise
