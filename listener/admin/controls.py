"""What only a running daemon can do, as the verbs ask for it; and what stands in for it where none runs."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Protocol

from ..config import Listener
from ..credentials.rotation import Rotated, rotate
from ..errors import PermanentFailure
from ..ledger import Ledger, Row
from ..status import AccountState, AccountStatus
from .health import account_rows


class Controls(Protocol):
    """What only a running daemon can do; `Ledgerwise` stands in for it where none runs."""

    def known(self, account: str) -> bool:
        """Is there such an account in the configuration?"""
        ...

    def statuses(self) -> Iterable[AccountStatus]:
        """Every account's progress, in the configuration's order."""
        ...

    async def accounts(self, ids: Collection[str]) -> list[Row]:
        """Rows of these as in `/healthz`."""
        ...

    async def pause(self, account: str) -> None:
        """Close its session now and open none until `resume`; kept over restarts."""
        ...

    async def resume(self, account: str) -> None:
        """Open a session now; ends a back-off too."""
        ...

    async def wake(self, account: str) -> None:
        """Look for work on the server now: something was released that must be fetched."""
        ...

    def trace(self, account: str, seconds: float) -> float:
        """Log what is said to its server, for so long (0: no more); how long it will be. Raises AccountFailure."""
        ...

    async def token(self, profile: str, user: str, protocol: str) -> str:
        """An access token of that profile. Raises AccountFailure."""
        ...

    async def preview(self, account: str, since: float | None, limit: int) -> list[Row]:
        """Which messages would be processed, and how. Raises AccountFailure."""
        ...

    async def rotate_key(self) -> Rotated:
        """Seal every stored secret anew. Raises ConfigurationError."""
        ...


class Ledgerwise:
    """Controls where no daemon runs: what a verb changes waits in the ledger for the next start."""

    def __init__(self, ledger: Ledger, accounts: dict[str, str], listener: Listener | None = None) -> None:
        """`accounts`: protocol by account id; `listener` names the keys."""
        self._ledger = ledger
        self._listener = listener or Listener()
        self._accounts = accounts

    def known(self, account: str) -> bool:
        """Is there such an account in the configuration?"""
        return account in self._accounts

    def statuses(self) -> Iterable[AccountStatus]:
        """Every account, stopped."""
        return (AccountStatus(id, protocol, AccountState.STOPPED) for id, protocol in self._accounts.items())

    async def accounts(self, ids: Collection[str]) -> list[Row]:
        """Rows of these as in `/healthz`."""
        wanted = set(ids)
        return await account_rows([status for status in self.statuses() if status.id in wanted], self._ledger, 0.0)

    async def pause(self, account: str) -> None:
        """Kept for the next start."""
        await self._ledger.set_paused(account, True)

    async def resume(self, account: str) -> None:
        """Kept for the next start."""
        await self._ledger.set_paused(account, False)

    async def wake(self, account: str) -> None:
        """Nothing to wake; the next start fetches what was released."""

    def trace(self, account: str, seconds: float) -> float:
        """There is nobody to listen to."""
        raise PermanentFailure("no daemon runs that could show what it says to a server")

    async def token(self, profile: str, user: str, protocol: str) -> str:
        """There are no profiles here."""
        raise PermanentFailure("no daemon runs that could have a token", setting=f"oauth.{profile}")

    async def preview(self, account: str, since: float | None, limit: int) -> list[Row]:
        """The command line opens the mailbox itself."""
        raise PermanentFailure("no daemon runs that could open the mailbox")

    async def rotate_key(self) -> Rotated:
        """Seal every stored secret anew."""
        return await rotate(self._listener, self._ledger)
