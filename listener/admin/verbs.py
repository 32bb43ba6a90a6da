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

from ..errors import AccountFailure, Refused
from ..ledger import Row, State
from .controls import Controls, Ledgerwise
from .paging import DEFAULT_LIMIT, MAX_NUMBER, limit_of, number_of
from .routes import BadRequest, NotFound
from .token_verbs import TokenVerbs

__all__ = ["Controls", "Ledgerwise", "NotFound", "Verbs", "entry_id"]

PROTOCOLS = ("imap", "pop3", "smtp", "graph")


@dataclass(frozen=True, slots=True)
class Verbs(TokenVerbs):
    """The verbs over one ledger and whoever controls the accounts, for one person: `by` gives the same for another."""

    async def accounts(self) -> list[Row]:
        """Every account with its progress."""
        return await self.controls.accounts()

    async def pause(self, account: str) -> Row:
        """Stop fetching this account, also after a restart."""
        self._known(account)
        async with self.order("pause", account):
            await self.controls.pause(account)
        return {"id": account, "paused": True}

    async def resume(self, account: str) -> Row:
        """Fetch this account again, at once."""
        self._known(account)
        async with self.order("resume", account):
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
            raise BadRequest(f"no such state: {state[:40]!r}; there are {', '.join(State)}", field="state")
        self._known(account)
        return await self.ledger.messages(state=state, account=account, limit=limit_of(limit), before=_before(before))

    async def quarantine(
        self, account: str | None = None, limit: str | int = DEFAULT_LIMIT, before: str | int | None = None
    ) -> list[Row]:
        """Messages in quarantine, newest first."""
        return await self.messages(State.QUARANTINED, account, limit, before)

    async def cases(self, account: str | None = None, limit: str | int = DEFAULT_LIMIT, before: str | None = None) -> list[Row]:
        """Cases, newest first; `before` is a case's id."""
        self._known(account)
        return await self.ledger.cases(account=account, limit=limit_of(limit), before=before)

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
        return await self._change("retry", entry, self.ledger.retry)

    async def release(self, entry: str | int) -> Row:
        """Let a quarantined message through."""
        changed = await self._change("release", entry, self.ledger.release)
        account = changed["account"]
        if self.controls.known(account):
            await self.controls.wake(account)
        return changed

    async def release_some(
        self, reason: str | None = None, account: str | None = None, sender: str | None = None, after: str | int = 0
    ) -> Row:
        """Let through what fits among the next in quarantine; asked again with `after` until that is null, all of it."""
        self._known(account)
        number = entry_id(after)
        async with self.order("release_some", account or "all", reason=reason, sender=sender, after=number):
            step = await self.ledger.release_some(reason=reason, account=account, sender=sender, after=number)
        for one in filter(self.controls.known, step.to_fetch):
            await self.controls.wake(one)
        return {"released": step.messages, "after": step.after}

    async def backup(self, file: str = "") -> Row:
        """Copy the ledger to a new file while it is in use."""
        path = Path(file)
        if not path.is_absolute():
            raise BadRequest("backup needs the absolute path of a file", field="file")
        async with self.order("backup", str(path)):
            await self.ledger.backup(path)
        return {"file": str(path)}

    async def _change(self, action: str, entry: str | int, change: Callable[[int], Awaitable[str]]) -> Row:
        number = entry_id(entry)
        row = await self.explain(number)
        async with self.order(action, str(number)):
            return {"id": number, "account": row["account"], "state": await change(number)}

    async def preview(self, account: str, since: str | None = None, limit: str | int = DEFAULT_LIMIT) -> list[Row]:
        """Which messages would be processed, and how; `since` in POSIX seconds."""
        self._known(account)
        try:
            return await self.controls.preview(account, _moment(since), limit_of(limit))
        except AccountFailure as error:
            raise Refused(str(error)) from error

    async def token(self, profile: str, user: str = "", protocol: str = "") -> Row:
        """An access token, for `check`: only the daemon can keep a refresh token that changes with each use."""
        if protocol not in PROTOCOLS:
            raise BadRequest(f"no such protocol: {protocol[:40]!r}", field="protocol")
        try:
            return {"access_token": await self.controls.token(profile, user, protocol)}
        except AccountFailure as error:
            return {"reason": error.reason, "setting": error.setting, "hint": error.hint}

    def _known(self, account: str | None) -> None:
        if account is not None and not self.controls.known(account):
            raise NotFound(f"no account {account!r} in the configuration")


def entry_id(text: str | int) -> int:
    """A message's number as people type it. Raises BadRequest."""
    return number_of(text, "entry", "message number")


def _moment(value: str | None) -> float | None:
    try:
        seconds = None if value is None else float(value[:30])
    except ValueError:
        seconds = math.nan
    if seconds is not None and not 0 <= seconds <= MAX_NUMBER:
        raise BadRequest(f"not a time: {str(value)[:40]!r}", field="since")
    return seconds


def _before(value: str | int | None) -> int | None:
    return None if value is None else number_of(value, "before", "message number")


def _found(row: Row | None, otherwise: str) -> Row:
    if row is None:
        raise NotFound(otherwise)
    return row
