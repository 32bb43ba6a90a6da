"""Accounts and profiles of the console where no daemon runs: what a command changes is in force with the next start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from ..accounts import AccountBook, Consents, Merged, Trials
from ..admin.ordering import Desk
from ..config import Config
from ..errors import Refused
from ..ledger import Ledger
from ..supervisor.seams import make_sealed, make_tokens


@dataclass
class Standing:
    """Nobody runs the configuration. See `accounts.Steering`."""

    files: Config
    config: Config
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def changing(self) -> AbstractAsyncContextManager[object]:
        """One change at a time."""
        return self.lock

    async def adopt(self, merged: Merged, commit: Callable[[], Awaitable[None]]) -> None:
        """Commit; there is nothing to apply it to."""
        await commit()
        self.config = merged.config


async def desk_of(config: Config, ledger: Ledger) -> Desk:
    """A desk over this ledger. Raises LedgerError, ConfigurationError."""
    standing = Standing(config, config)
    book = AccountBook(ledger, make_sealed(config, ledger), standing)
    await book.load()
    merged = await book.merged(config)
    book.parked, standing.config = merged.parked, merged.config
    tokens = make_tokens(merged.config, ledger)

    def running() -> Config:
        return standing.config

    consents = Consents(running, tokens, _nobody)
    return Desk(book, Trials(book, running, ledger, tokens.token_of, tokens.skew), consents, running, _refuse, tokens)


async def _nobody(profile: str) -> list[str]:
    """No account runs that could be woken."""
    return []


async def _refuse(account: str) -> None:
    raise Refused("no daemon runs that could restart it")
