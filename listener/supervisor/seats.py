"""How many connections we have to one mailbox at a time: the preset's `max_connections`, over all accounts that use it (R-47).

An account has one connection; several accounts may watch one mailbox, and a preview opens a session of its own. Whoever comes
when all seats are taken waits in line. POP3 has one seat: a second session is refused there anyhow (RFC 1939 §4).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ..config import Account, ReceiverProtocol
from ..config.presets import providers

POP3_SEATS = 1


class Seats:
    """The seats of all mailboxes, by host and user."""

    def __init__(self) -> None:
        self._seats: dict[tuple[str, str], asyncio.Semaphore] = {}

    @asynccontextmanager
    async def taken(self, account: Account) -> AsyncIterator[None]:
        """A seat at the account's mailbox; waits for one."""
        async with self._of(account):
            yield

    def why_wait(self, account: Account) -> str:
        """What to tell people when all are taken; "" when there is one."""
        if not self._of(account).locked():
            return ""
        return f"waits: {seats_of(account)} sessions use this mailbox already, and its provider is asked for no more"

    def _of(self, account: Account) -> asyncio.Semaphore:
        receiver = account.receiver
        mailbox = (receiver.host.lower(), receiver.user_principal_name or receiver.user)
        return self._seats.setdefault(mailbox, asyncio.Semaphore(seats_of(account)))


def seats_of(account: Account) -> int:
    """How many connections its provider lets us have to one mailbox."""
    if account.receiver.protocol is ReceiverProtocol.POP3:
        return POP3_SEATS
    return providers().get(account.provider, providers()["custom"]).max_connections
