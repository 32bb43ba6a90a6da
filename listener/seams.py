"""How the daemon gets its effects: ledger, mailboxes, hooks. Each through a factory, so that a test can stand between.

The supervisor is given `Seams()`; the crash suite gives it factories that wrap what these return. There is no test code in the
product.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from .config import Account, Config, Limits
from .hooks import HookHost
from .hooks.build import build_hosts, rebuilt
from .ledger import Ledger
from .mailbox import Mailbox
from .opening import open_mailbox
from .parsing import Parser

OpenMailbox = Callable[[Account, Config], Awaitable[Mailbox]]
Hosts = Mapping[str, HookHost]
"""Running hooks by the name that accounts give them."""


def make_parser(limits: Limits) -> Parser:
    """Parses in this process what is quick, and the rest in workers under these limits."""
    return Parser(deadline=limits.parse_timeout, memory=limits.parse_memory)


@dataclass(frozen=True, slots=True)
class Seams:
    """The factories."""

    open_ledger: Callable[..., Awaitable[Ledger]] = Ledger.open
    open_mailbox: OpenMailbox = open_mailbox
    build_hosts: Callable[[Config], Hosts] = build_hosts
    rebuild_hosts: Callable[[Config, Hosts, Config], Hosts] = rebuilt
    make_parser: Callable[[Limits], Parser] = make_parser
