"""Accounts and profiles made in the console, as the supervisor runs them: the book, and the desk that the verbs work at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import structlog

from ..accounts import AccountBook, Consents, Merged, Trials
from ..accounts.consents import used_by
from ..admin.ordering import Desk
from ..config import Config, ReceiverProtocol
from ..credentials.oauth import Tokens
from ..credentials.sealing import SealedSecrets
from ..errors import ConfigurationError, Fault, Refused
from ..ledger import KeptKind, Ledger
from .fleet import Fleet

log = structlog.get_logger(__name__)

Commit = Callable[[], Awaitable[None]]


@dataclass
class Steering:
    """The configuration of one daemon, changed by one person or signal at a time. `change` takes on a new one.

    `change(new, commit)` prepares what may be refused, commits, and applies; before the commit nothing has happened.
    """

    files: Config
    change: Callable[[Config, Commit], Awaitable[None]]
    parked: Callable[[Merged], None]
    stopping: Callable[[], bool]
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def changing(self) -> AbstractAsyncContextManager[object]:
        """See `accounts.Steering`."""
        return self.lock

    async def adopt(self, merged: Merged, commit: Commit) -> None:
        """Goes on to its end when the caller is cancelled: what was committed is also applied."""
        if self.stopping():
            raise Refused("the daemon is stopping: try again when it runs")
        work = asyncio.create_task(self._adopt(merged, commit), name="configuration change")
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait({work})
            raise

    async def _adopt(self, merged: Merged, commit: Commit) -> None:
        await self.change(merged.config, commit)
        self.parked(merged)


async def nothing() -> None:
    """The commit of a change that has nothing to commit."""


async def open_book(ledger: Ledger, sealed: SealedSecrets, steering: Steering) -> tuple[AccountBook, Merged]:
    """What is kept, merged with the files. What cannot run is parked and said; the daemon starts all the same."""
    book = AccountBook(ledger, sealed, steering)
    await book.load()
    merged = await book.merged(steering.files)
    book.parked = merged.parked
    for kind, id in merged.parked:
        log.error("account.parked", kind=kind.value, id=id, error=book.why_parked(kind, id))
    return book, merged


def whole(merged: Merged) -> Config:
    """The configuration, if all of it can run. Raises ConfigurationError with every fault of what is kept in the ledger."""
    faults = [
        Fault(f"{kind}.{id}.{fault.setting}".rstrip("."), fault.reason, "the ledger")
        for (kind, id), found in merged.parked.items()
        for fault in found
    ]
    if faults:
        raise ConfigurationError(faults)
    return merged.config


def parked_accounts(book: AccountBook) -> dict[str, tuple[str, str]]:
    """Protocol and reason of each account that is kept and cannot run."""
    found = {}
    for kind, id in book.parked:
        kept = book.kept(kind, id)
        if kind is KeptKind.ACCOUNT and kept is not None:
            receiver = kept.settings.get("receiver")
            protocol = receiver.get("protocol") if isinstance(receiver, dict) else None
            known = protocol if protocol in set(ReceiverProtocol) else ReceiverProtocol.IMAP
            found[id] = (str(known), book.why_parked(kind, id))
    return found


def open_desk(
    book: AccountBook,
    ledger: Ledger,
    tokens: Tokens,
    fleet: Fleet,
    steering: Steering,
    config: Callable[[], Config],
    now: Callable[[], float],
) -> Desk:
    """Where people look after accounts and profiles."""

    async def wake(profile: str) -> list[str]:
        """Accounts that waited for a consent begin again at once."""
        running = [id for id in used_by(config(), profile) if fleet.known(id)]
        for id in running:
            fleet.begin_again(id)
        return running

    async def restart(id: str) -> None:
        """Begin one account anew, whatever it waits for."""
        async with steering.lock:
            account = config().account(id)
            if account is not None and not steering.stopping():
                await fleet.stop({id})
                await fleet.start([account], config())

    trials = Trials(book, config, ledger, tokens.token_of, tokens.skew)
    return Desk(book, trials, Consents(config, tokens, wake, now), config, restart, tokens, now)
