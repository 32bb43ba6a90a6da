"""What people can ask for and do, whichever way they come: HTTP API, control socket, or a command line without a daemon.

Every verb is one coroutine method of `Verbs` with plain arguments and a plain JSON answer; `routes.py` says where each is
served.

Fails with NotFound (no such thing), Refused (it exists, and may not be done now), BadRequest (an argument makes no sense), or
LedgerError.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..errors import AccountFailure, ListenerError, PermanentFailure, Refused
from ..ledger import Ledger, Row, State
from ..status import AccountState, AccountStatus
from .health import account_rows
from .routes import BadRequest

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000
"""Rows one answer may hold."""
MAX_ENTRY = 2**63 - 1


class NotFound(ListenerError):
    """No such account, case or message."""


class Controls(Protocol):
    """What only a running daemon can do; `Ledgerwise` stands in for it where none runs."""

    def known(self, account: str) -> bool:
        """Is there such an account in the configuration?"""
        ...

    async def accounts(self) -> list[Row]:
        """Rows as in `/healthz`."""
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

    async def token(self, profile: str, user: str, protocol: str) -> str:
        """An access token of that profile. Raises AccountFailure."""
        ...

    async def preview(self, account: str, since: float | None, limit: int) -> list[Row]:
        """Which messages would be processed, and how. Raises AccountFailure."""
        ...


PROTOCOLS = ("imap", "pop3", "smtp", "graph")


@dataclass(frozen=True, slots=True)
class Verbs:
    """The verbs over one ledger and whoever controls the accounts."""

    ledger: Ledger
    controls: Controls

    async def accounts(self) -> list[Row]:
        """Every account with its progress."""
        return await self.controls.accounts()

    async def pause(self, account: str) -> Row:
        """Stop fetching this account, also after a restart."""
        self._known(account)
        await self.controls.pause(account)
        return {"id": account, "paused": True}

    async def resume(self, account: str) -> Row:
        """Fetch this account again, at once."""
        self._known(account)
        await self.controls.resume(account)
        return {"id": account, "paused": False}

    async def messages(
        self,
        state: str | None = None,
        account: str | None = None,
        limit: str | int = DEFAULT_LIMIT,
        before: str | int | None = None,
    ) -> list[Row]:
        """Messages, newest first."""
        if state is not None and state not in set(State):
            raise BadRequest(f"no such state: {state!r}; there are {', '.join(State)}")
        self._known(account)
        return await self.ledger.messages(state=state, account=account, limit=_limit(limit), before=_before(before))

    async def quarantine(
        self, account: str | None = None, limit: str | int = DEFAULT_LIMIT, before: str | int | None = None
    ) -> list[Row]:
        """Messages in quarantine, newest first."""
        return await self.messages(State.QUARANTINED, account, limit, before)

    async def cases(self, account: str | None = None, limit: str | int = DEFAULT_LIMIT, before: str | None = None) -> list[Row]:
        """Cases, newest first; `before` is a case's id."""
        self._known(account)
        return await self.ledger.cases(account=account, limit=_limit(limit), before=before)

    async def case(self, case: str) -> Row:
        """One case with its messages in order."""
        return _found(await self.ledger.case(case), f"no case {case!r}")

    async def explain(self, entry: str | int) -> Row:
        """The whole history of one message."""
        number = entry_id(entry)
        return _found(await self.ledger.explain(number), f"no message {number}")

    async def export(self, entry: str | int) -> bytes:
        """The raw octets of one message."""
        number = entry_id(entry)
        row = await self.explain(number)
        octets = await asyncio.to_thread(self.ledger.read_raw, number)
        if octets is None:
            raise NotFound(
                f"message {number} was never fetched ({row.get('reason') or row['state']}); its octets are on the server"
            )
        return octets

    async def retry(self, entry: str | int) -> Row:
        """Run a dead message again."""
        return await self._change(entry, self.ledger.retry)

    async def release(self, entry: str | int) -> Row:
        """Let a quarantined message through."""
        changed = await self._change(entry, self.ledger.release)
        account = changed["account"]
        if self.controls.known(account):
            await self.controls.wake(account)
        return changed

    async def backup(self, file: str = "") -> Row:
        """Copy the ledger to a new file while it is in use."""
        path = Path(file)
        if not path.is_absolute():
            raise BadRequest("backup needs the absolute path of a file")
        await self.ledger.backup(path)
        return {"file": str(path)}

    async def _change(self, entry: str | int, change: Callable[[int], Awaitable[str]]) -> Row:
        number = entry_id(entry)
        row = await self.explain(number)
        return {"id": number, "account": row["account"], "state": await change(number)}

    async def preview(self, account: str, since: str | None = None, limit: str | int = DEFAULT_LIMIT) -> list[Row]:
        """Which messages would be processed, and how; `since` in POSIX seconds."""
        self._known(account)
        try:
            return await self.controls.preview(account, _moment(since), _limit(limit))
        except AccountFailure as error:
            raise Refused(str(error)) from error

    async def token(self, profile: str, user: str = "", protocol: str = "") -> Row:
        """An access token, for `check`: only the daemon can keep a refresh token that changes with each use."""
        if protocol not in PROTOCOLS:
            raise BadRequest(f"no such protocol: {protocol[:40]!r}")
        try:
            return {"access_token": await self.controls.token(profile, user, protocol)}
        except AccountFailure as error:
            return {"reason": error.reason, "setting": error.setting, "hint": error.hint}

    def _known(self, account: str | None) -> None:
        if account is not None and not self.controls.known(account):
            raise NotFound(f"no account {account!r} in the configuration")


class Ledgerwise:
    """Controls where no daemon runs: what a verb changes waits in the ledger for the next start."""

    def __init__(self, ledger: Ledger, accounts: dict[str, str]) -> None:
        """`accounts`: protocol by account id."""
        self._ledger = ledger
        self._accounts = accounts

    def known(self, account: str) -> bool:
        """Is there such an account in the configuration?"""
        return account in self._accounts

    async def accounts(self) -> list[Row]:
        """Rows as in `/healthz`, every account stopped."""
        stopped = [AccountStatus(id, protocol, AccountState.STOPPED) for id, protocol in self._accounts.items()]
        return await account_rows(stopped, self._ledger, 0.0)

    async def pause(self, account: str) -> None:
        """Kept for the next start."""
        await self._ledger.set_paused(account, True)

    async def resume(self, account: str) -> None:
        """Kept for the next start."""
        await self._ledger.set_paused(account, False)

    async def wake(self, account: str) -> None:
        """Nothing to wake; the next start fetches what was released."""

    async def token(self, profile: str, user: str, protocol: str) -> str:
        """There are no profiles here."""
        raise PermanentFailure("no daemon runs that could have a token", setting=f"oauth.{profile}")

    async def preview(self, account: str, since: float | None, limit: int) -> list[Row]:
        """The command line opens the mailbox itself."""
        raise PermanentFailure("no daemon runs that could open the mailbox")


def entry_id(text: str | int) -> int:
    """A message's number as people type it. Raises BadRequest."""
    digits = str(text).removeprefix("#")
    if not (digits.isascii() and digits.isdigit()) or int(digits[:20]) > MAX_ENTRY or len(digits) > len(str(MAX_ENTRY)):
        raise BadRequest(f"not a message number: {str(text)[:40]!r}")
    return int(digits)


def _limit(value: str | int) -> int:
    number = entry_id(value) if str(value).isdigit() else 0
    if not 1 <= number <= MAX_LIMIT:
        raise BadRequest(f"limit must be from 1 to {MAX_LIMIT}, not {str(value)[:40]!r}")
    return number


def _moment(value: str | None) -> float | None:
    try:
        seconds = None if value is None else float(value[:30])
    except ValueError:
        seconds = math.nan
    if seconds is not None and not 0 <= seconds <= MAX_ENTRY:
        raise BadRequest(f"not a time: {str(value)[:40]!r}")
    return seconds


def _before(value: str | int | None) -> int | None:
    return None if value is None else entry_id(value)


def _found(row: Row | None, otherwise: str) -> Row:
    if row is None:
        raise NotFound(otherwise)
    return row
