"""What the outbox is told: who sends, with which bounds, how a way to a server is opened, and whom to tell how it goes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from ..config import Account, Config
from ..credentials import TokenOf
from ..errors import AccountFailure
from ..protocols.submission import Result
from ..responder.policy import Budgets, budgets_of
from ..tokens import Keyring

KeepDraft = Callable[[str], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Parcel:
    """One composed mail on its way out. `envelopes`: the envelope senders to try, in order; "" is the empty one.

    `draft` is its id in the sending mailbox as far as it is known, `keep_draft` makes it known durably (Graph only).
    """

    message_id: str
    recipient: str
    octets: bytes = field(repr=False)
    envelopes: tuple[str, ...]
    draft: str | None
    keep_draft: KeepDraft


class Carrier(Protocol):
    """An open way to the server that an account sends through; used for one parcel at a time."""

    @property
    def resumes(self) -> bool:
        """Can it find out what became of a parcel that an earlier process life had begun to send?"""
        ...

    async def carry(self, parcel: Parcel) -> Result:
        """Hand it over. Raises AccountFailure only for what is the account's trouble and not the parcel's."""
        ...

    async def close(self, *, politely: bool = True) -> None:
        """Say goodbye, or just go. Never raises."""
        ...


OpenCarrier = Callable[[Account, TokenOf], Awaitable[Carrier]]


@dataclass(frozen=True, slots=True)
class SendingPlan:
    """The accounts that may send, and the bounds. `reply_timeout` in seconds."""

    accounts: Mapping[str, Account]
    keyring: Keyring
    budgets: Budgets = Budgets()  # noqa: RUF009  (frozen)
    reply_timeout: float = 86_400.0
    senders_at_once: int = 4


def plan_of(config: Config, keyring: Keyring) -> SendingPlan:
    """As the configuration says it."""
    accounts = {account.id: account for account in config.accounts if account.sender is not None}
    limits = config.limits
    return SendingPlan(accounts, keyring, budgets_of(limits), limits.reply_timeout, limits.senders_at_once)


def _nothing(*_: object) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Observer:
    """Called as things happen, for metrics and status; must return at once."""

    settled: Callable[[str, str], None] = _nothing
    """An outgoing mail of that purpose reached that state (sent, deferred, failed, unknown)."""
    suppressed: Callable[[str, int], None] = _nothing
    """That rule suppressed so many more."""
    trouble: Callable[[str, AccountFailure | None], None] = _nothing
    """That account cannot send, and why; None: it can."""
    breaker: Callable[[bool], None] = _nothing
    """Whether all automatic answers are stopped."""
