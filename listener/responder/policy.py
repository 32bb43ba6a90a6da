"""How one account answers: what its settings say, in the words that the rules and budgets ask for.

`policy_of` makes it from the configuration; the supervisor gives those of all accounts to the ledger, which decides about an
answer in the transaction that files the message. An account without `[accounts.reply]` acknowledges nothing; a hook's reply
is then judged as if `to = "verified"` stood there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ..config import Account, Config, Limits

NEVER = "never"
NEW_CASE = "new_case"


class Purpose(StrEnum):
    """What an outgoing mail is for; the ledger keeps the word."""

    AUTOMATIC = "automatic"
    HOOK = "hook"
    NOTIFICATION = "notification"
    ALERT = "alert"


@dataclass(frozen=True, slots=True)
class Budgets:
    """How many answers may leave (R-82). Counts of what was not suppressed; the windows stand in `budgets.py`."""

    per_sender: int = 1
    hook_per_sender: int = 20
    per_case: int = 3
    per_minute: int = 20
    per_day: int = 500
    per_domain: int = 5
    breaker: float = 10.0
    breaker_floor: int = 100


@dataclass(frozen=True, slots=True)
class ReplyPolicy:
    """One account's. Addresses and domains are in small letters."""

    account: str
    on: str = NEVER
    anyone: bool = False
    can_send: bool = False
    own_addresses: frozenset[str] = frozenset()
    own_domains: frozenset[str] = frozenset()
    budgets: Budgets = Budgets()
    notify: tuple[str, ...] = ()
    notify_on: str = NEW_CASE

    def notifies(self, is_new: bool) -> bool:
        """Is anybody told of a message that opened (or joined) a case?"""
        return bool(self.notify) and (is_new or self.notify_on != NEW_CASE)

    def acknowledges(self, is_new: bool) -> bool:
        """Is an acknowledgement considered for a message that opened (or joined) a case?"""
        return self.on != NEVER and (is_new or self.on != NEW_CASE)


def policies_of(config: Config) -> Mapping[str, ReplyPolicy]:
    """By account."""
    own = own_addresses(config)
    return {account.id: policy_of(account, own, config.limits) for account in config.accounts}


def policy_of(account: Account, own: frozenset[str], limits: Limits) -> ReplyPolicy:
    """One account's; `own` as `own_addresses` gives it."""
    reply = account.reply
    return ReplyPolicy(
        account=account.id,
        on=reply.on if reply is not None else NEVER,
        anyone=reply is not None and reply.to == "anyone",
        can_send=account.sender is not None,
        own_addresses=frozenset(one for one in own if not one.startswith("@")),
        own_domains=frozenset(one[1:] for one in own if one.startswith("@")),
        budgets=budgets_of(limits),
        notify=tuple(one.lower() for one in account.notify.to) if account.notify is not None else (),
        notify_on=account.notify.on if account.notify is not None else NEW_CASE,
    )


def budgets_of(limits: Limits) -> Budgets:
    """As the configuration sets them."""
    return Budgets(
        per_sender=limits.replies_per_sender,
        hook_per_sender=limits.hook_replies_per_sender,
        per_case=limits.replies_per_case,
        per_minute=limits.replies_per_minute,
        per_day=limits.replies_per_day,
        per_domain=limits.replies_per_domain,
        breaker=limits.reply_breaker,
        breaker_floor=limits.reply_breaker_floor,
    )


def own_addresses(config: Config) -> frozenset[str]:
    """Every address that is ours, of each account and of `listener.own_addresses`; `@domain` is a whole one."""
    ours = set(config.listener.own_addresses)
    for account in config.accounts:
        receiver, sender, reply = account.receiver, account.sender, account.reply
        ours |= {account.address or "", receiver.user, receiver.user_principal_name or ""}
        ours |= {sender.user if sender is not None else "", (reply.envelope_from or "") if reply is not None else ""}
    return frozenset(one.lower() for one in ours if "@" in one)
