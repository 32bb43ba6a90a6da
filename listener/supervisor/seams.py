"""How the daemon gets its effects: ledger, mailboxes, hooks. Each through a factory, so that a test can stand between.

The supervisor is given `Seams()`; the crash suite gives it factories that wrap what these return. There is no test code in the
product.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial

from ..config import Config, Grant, Limits
from ..credentials.oauth import Tokens
from ..credentials.sealing import SealedSecrets, sealing_keys
from ..hooks import HookHost
from ..hooks.build import build_hosts, rebuilt
from ..ledger import Ledger
from ..mailbox import Mailbox
from ..outbox import OpenCarrier, open_carrier
from ..parsing import Parser
from ..protocols.opening import open_mailbox

OpenMailbox = Callable[..., Awaitable[Mailbox]]
"""As `protocols.opening.open_mailbox`."""
Hosts = Mapping[str, HookHost]
"""Running hooks by the name that accounts give them."""


def make_parser(limits: Limits) -> Parser:
    """Parses in this process what is quick, and the rest in workers under these limits."""
    return Parser(deadline=limits.parse_timeout, memory=limits.parse_memory)


def make_sealed(config: Config, ledger: Ledger) -> SealedSecrets:
    """The ledger's sealed secrets; the key is read, or made, when it is first needed."""
    return SealedSecrets(ledger, partial(sealing_keys, config.listener))


def make_tokens(config: Config, ledger: Ledger) -> Tokens:
    """The OAuth 2.0 profiles, their rotated refresh tokens kept encrypted in the ledger.

    A key that is configured, or needed at once, is read now. Raises ConfigurationError where it cannot be used.
    """
    keys = partial(sealing_keys, config.listener)
    if config.listener.key_file or any(profile.grant is Grant.REFRESH_TOKEN for profile in config.oauth.values()):
        keys()
    return Tokens(config.oauth, SealedSecrets(ledger, keys))


@dataclass(frozen=True, slots=True)
class Seams:
    """The factories."""

    open_ledger: Callable[..., Awaitable[Ledger]] = Ledger.open
    open_mailbox: OpenMailbox = open_mailbox
    make_tokens: Callable[[Config, Ledger], Tokens] = make_tokens
    build_hosts: Callable[..., Hosts] = build_hosts
    rebuild_hosts: Callable[..., Hosts] = rebuilt
    make_parser: Callable[[Limits], Parser] = make_parser
    open_carrier: OpenCarrier = open_carrier
