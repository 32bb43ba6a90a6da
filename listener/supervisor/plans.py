"""What the dispatcher is told of each account, made from the configuration and the keys of thread tokens."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from .. import canary
from ..cases.settings import rules_of
from ..config import Account, Config, Listener
from ..credentials.sealing import keyring
from ..dispatcher import AccountPlan, DispatchLimits
from ..protocols.opening import trust_of
from ..rules import FloodLimit, compiled
from ..tokens import Keyring


def limits_of(config: Config) -> DispatchLimits:
    """The dispatcher's bounds as the configuration sets them."""
    return DispatchLimits(hook_attempts=config.limits.hook_attempts, hook_concurrency=config.limits.hook_concurrency)


def keyring_of(listener: Listener, accounts: Iterable[Account]) -> Keyring:
    """The keys that sign and verify; one is made where none is there and an account can send. Raises ConfigurationError."""
    return keyring(listener, make=any(account.sender for account in accounts))


def plans_of(config: Config, keys: Keyring) -> dict[str, AccountPlan]:
    """By account."""
    return {account.id: plan_of(account, config, keys) for account in config.accounts}


def plan_of(account: Account, config: Config, keys: Keyring) -> AccountPlan:
    """One account's hooks, trust, rules (its own, then the general ones), limit on floods, and how it finds cases."""
    flood = account.flood
    limit = FloodLimit(flood.messages, flood.within, flood.release_after) if flood.messages else None
    return AccountPlan(
        tuple(account.hooks),
        trust_of(account),
        compiled(account.rules, config.rules),
        limit,
        partial(keys.knows, account=account.id),
        rules_of(account, keys),
        partial(canary.sent_at, keys, account.id),
    )
