"""How the daemon gets its effects: ledger, mailboxes, hooks. Each through a factory, so that a test can stand between.

The supervisor is given `Seams()`; the crash suite gives it factories that wrap what these return. There is no test code in the
product.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from .config import Account, Config
from .hooks import HookHost
from .hooks.build import build_hosts, rebuilt
from .ledger import Ledger
from .mailbox import Mailbox

OpenMailbox = Callable[[Account, Config], Awaitable[Mailbox]]
Hosts = Mapping[str, HookHost]
"""Running hooks by the name that accounts give them."""


async def open_mailbox(account: Account, config: Config) -> Mailbox:
    """A signed-in session of the account's receiver. Raises TransientFailure or PermanentFailure."""
    raise AssertionError(account.receiver.protocol)


@dataclass(frozen=True, slots=True)
class Seams:
    """The factories."""

    open_ledger: Callable[..., Awaitable[Ledger]] = Ledger.open
    open_mailbox: OpenMailbox = open_mailbox
    build_hosts: Callable[[Config], Hosts] = build_hosts
    rebuild_hosts: Callable[[Config, Hosts, Config], Hosts] = rebuilt
