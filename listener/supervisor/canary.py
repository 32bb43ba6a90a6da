"""Sends each account's probe mails, and sees whether they come back: the one proof that mail really arrives (R-100).

One task for all accounts. A probe goes straight to the account's own sender and not through the ledger: one that is lost is
what we want to know. Whoever parses it ends it as ignored(canary), before rules, cases and hooks, and tells us here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import structlog

from .. import canary
from ..admin.metrics import Metrics
from ..config import Account, Config
from ..credentials import TokenOf
from ..errors import AccountFailure
from ..outbox import OpenCarrier, Parcel, sender_address
from ..protocols.submission import NULL_SENDER, Ended
from ..responder.compose import ComposeFault, Letter, compose
from ..responder.recipients import domain_of
from ..status import AccountState, AccountStatus
from ..tokens import Keyring

LOOK = 5.0
"""Seconds between two looks at whose turn it is."""
AWAY = frozenset({AccountState.STOPPED, AccountState.STARTING})
"""States in which an account is not expected to receive."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Canaries:
    """Of one daemon. `config`, `keys` and `statuses` give those of the moment."""

    config: Callable[[], Config]
    keys: Callable[[], Keyring]
    statuses: Callable[[], Iterable[AccountStatus]]
    token_of: TokenOf
    open_carrier: OpenCarrier
    metrics: Metrics
    now: Callable[[], float]
    _next: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """For ever."""
        while True:
            singing = [account for account in self.config().accounts if account.canary is not None]
            statuses = {status.id: status for status in self.statuses()} if singing else {}
            for account in singing:
                if account.canary is not None and (status := statuses.get(account.id)) is not None:
                    await self._attend(account, status, account.canary.every, account.canary.late_after)
            await asyncio.sleep(LOOK)

    def seen(self, account: str, sent_at: float, staged_at: float) -> None:
        """A probe of that account was found in the ledger. Not async."""
        self.metrics.observe("canary_seconds", max(0.0, staged_at - sent_at))
        if (status := self._status(account)) is not None:
            status.canary_due, status.canary_proven = None, True
            log.debug("canary.seen", account=account, seconds=round(staged_at - sent_at, 3))

    async def _attend(self, account: Account, status: AccountStatus, every: float, late_after: float) -> None:
        now = self.now()
        if status.state in AWAY:
            status.canary_due, status.canary_proven = None, False
        elif now >= self._next.get(account.id, 0.0):
            self._next[account.id] = now + every
            status.canary_due = status.canary_due or now + late_after  # that of the oldest one under way
            await self._send(account)

    async def _send(self, account: Account) -> None:
        """One attempt: what cannot be sent does not arrive, and that is told."""
        try:
            parcel = self._parcel(account)
            carrier = await self.open_carrier(account, self.token_of)
        except (AccountFailure, ComposeFault, LookupError) as error:
            log.warning("canary.not_sent", account=account.id, error=str(error))
            return
        try:
            result = await carrier.carry(parcel)
            if result.ended is not Ended.TAKEN:
                log.warning("canary.not_sent", account=account.id, error=result.said)
        except AccountFailure as error:
            log.warning("canary.not_sent", account=account.id, error=str(error))
        finally:
            await carrier.close()

    def _parcel(self, account: Account) -> Parcel:
        address, now = sender_address(account), self.now()
        name = canary.message_id(self.keys(), account.id, domain_of(address), now)
        text = "A probe of Listener: it sees whether mail arrives here. It may be deleted.\n"
        letter = Letter("", address, address, canary.SUBJECT, text, name, now, automatic="auto-generated")

        async def forget(draft: str) -> None:
            """A lost probe is not looked for."""

        return Parcel(name, address, compose(letter), (address, NULL_SENDER), None, forget)

    def _status(self, account: str) -> AccountStatus | None:
        return next((status for status in self.statuses() if status.id == account), None)
