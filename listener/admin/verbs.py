"""What people can ask for and do, whichever way they come: HTTP API, control socket, or a command line without a daemon.

Every verb is one coroutine method of `Verbs` with plain arguments and a plain JSON answer; `routes.py` says where each is
served.

Fails with NotFound (no such thing), Refused (it exists, and may not be done now), BadRequest (an argument makes no sense), or
LedgerError.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import AccountFailure, ConfigurationError, Refused
from ..ledger import Row
from .account_verbs import AccountVerbs
from .controls import Controls, Ledgerwise
from .message_verbs import MessageVerbs
from .paging import DEFAULT_LIMIT, limit_of, moment_of, number_of
from .reply_verbs import ReplyVerbs
from .routes import BadRequest, NotFound
from .token_verbs import TokenVerbs

__all__ = ["Controls", "Ledgerwise", "NotFound", "Verbs", "entry_id"]

TRACED = 600
"""Seconds that a protocol trace lasts unless said."""
PROTOCOLS = ("imap", "pop3", "smtp", "graph")


@dataclass(frozen=True, slots=True)
class Verbs(AccountVerbs, MessageVerbs, ReplyVerbs, TokenVerbs):
    """The verbs over one ledger and whoever controls the accounts, for one person: `by` gives the same for another."""

    @property
    def accounts_(self) -> AccountVerbs:
        """Those about accounts and profiles."""
        return self

    async def pause(self, account: str) -> Row:
        """Stop fetching this account, also after a restart."""
        self.known(account)
        async with self.order("pause", account):
            await self.controls.pause(account)
        return {"id": account, "paused": True}

    async def resume(self, account: str) -> Row:
        """Fetch this account again, at once."""
        self.known(account)
        async with self.order("resume", account):
            await self.controls.resume(account)
        return {"id": account, "paused": False}

    async def trace(self, account: str, seconds: str | int = TRACED) -> Row:
        """Log what is said to this account's server for so long, secrets left out; 0 ends it."""
        self.known(account)
        wanted = number_of(seconds, "seconds", "number of seconds")
        async with self.order("trace", account):
            try:
                return {"id": account, "seconds": round(self.controls.trace(account, wanted))}
            except AccountFailure as error:
                raise Refused(error.reason) from error

    async def case(self, case: str) -> Row:
        """One case with its messages in order."""
        return _found(await self.ledger.case(case), f"no case {case!r}")

    async def explain(self, entry: str | int) -> Row:
        """The whole history of one message."""
        number = entry_id(entry)
        history = _found(await self.ledger.explain(number), f"no message {number}")
        return history | {"replies": await self.ledger.responses.of_entry(number)}

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
        self.known(account)
        number = entry_id(after)
        async with self.order("release_some", account or "all", reason=reason, sender=sender, after=number):
            step = await self.ledger.release_some(reason=reason, account=account, sender=sender, after=number)
        for one in filter(self.controls.known, step.to_fetch):
            await self.controls.wake(one)
        return {"released": step.messages, "after": step.after}

    async def close_case(self, case: str) -> Row:
        """Close a case. Mail for it does what the account's `cases.closed` says."""
        return await self._set_status("close_case", case, "closed")

    async def reopen_case(self, case: str) -> Row:
        """Open a closed case again."""
        return await self._set_status("reopen_case", case, "open")

    async def _set_status(self, action: str, case: str, status: Literal["open", "closed"]) -> Row:
        row = await self.case(case)
        async with self.order(action, case):
            return {"id": case, "account": row["account"], "status": await self.ledger.set_case_status(case, status)}

    async def backup(self, file: str = "") -> Row:
        """Copy the ledger to a new file while it is in use."""
        path = Path(file)
        if not path.is_absolute():
            raise BadRequest("backup needs the absolute path of a file", field="file")
        async with self.copying("backup", str(path)):
            await self.ledger.backup(path)
        return {"file": str(path)}

    async def rotate_key(self) -> Row:
        """Seal every secret that is stored with a new key."""
        async with self.order("rotate_key", "secrets"):
            try:
                done = await self.controls.rotate_key()
            except ConfigurationError as error:
                raise Refused(error.faults[0].reason) from error
        former = None if done.former is None else str(done.former)
        return {"sealed": done.sealed, "unreadable": list(done.unreadable), "former_key": former}

    async def _change(self, action: str, entry: str | int, change: Callable[[int], Awaitable[str]]) -> Row:
        number = entry_id(entry)
        row = await self.explain(number)
        async with self.order(action, str(number)):
            return {"id": number, "account": row["account"], "state": await change(number)}

    async def preview(self, account: str, since: str | None = None, limit: str | int = DEFAULT_LIMIT) -> list[Row]:
        """Which messages would be processed, and how; `since` in POSIX seconds."""
        self.known(account)
        try:
            return await self.controls.preview(account, moment_of(since, "since"), limit_of(limit))
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


def entry_id(text: str | int) -> int:
    """A message's number as people type it. Raises BadRequest."""
    return number_of(text, "entry", "message number")


def _found(row: Row | None, otherwise: str) -> Row:
    if row is None:
        raise NotFound(otherwise)
    return row
