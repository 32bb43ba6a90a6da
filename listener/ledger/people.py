"""What people, and pages for people, ask of the ledger and order: lists, histories, retry, release, pause, secrets, backup.

The other half of `Ledger`, which inherits it; what its receivers, dispatcher and outbox need stands there. Raises what every
method of the ledger may raise.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from ..cases import CaseRules, Decision
from ..cases.pending import Pending
from ..message.model import InboundMessage
from ..responder.policy import ReplyPolicy
from ..responder.rules import Verdict
from . import backup, casebook, copies, directory, filing, flood, queries, verbs
from .records import Backlog, ReleasedHeld, ReleasedSome, Row, Storage
from .responses import Responses
from .running import Running


class ForPeople(Running):
    """See the module."""

    responses: Responses

    # --- verbs -------------------------------------------------------------------------------------------------------

    async def retry(self, entry: int) -> str:
        """The new state. Raises Refused when it is not dead."""
        return await self._write(verbs.retry, entry, wakes=True)

    async def release(self, entry: int) -> str:
        """The new state; still quarantined when it must be fetched first. Raises Refused when it is not quarantined."""
        return await self._write(verbs.release, entry, wakes=True)

    async def release_some(
        self, *, reason: str | None = None, account: str | None = None, sender: str | None = None, after: int = 0
    ) -> ReleasedSome:
        """Release what fits among the next in quarantine, by reason or its first word, account and sender (a pattern)."""
        return await self._write(flood.release_some, reason, account, sender, after, wakes=True)

    async def release_held(self) -> ReleasedHeld:
        """One step of releasing what was held for a flood and is due. Twice is the same as once."""
        return await self._write(flood.release_due, wakes=True)

    async def set_case_status(self, case: str, status: Literal["open", "closed"]) -> str:
        """A person closes a case or opens it again; the new status. Idempotent. Raises Refused when there is no such case."""
        return await self._write(casebook.set_status, case, status)

    async def set_paused(self, account: str, paused: bool) -> None:
        await self._write(verbs.set_paused, account, paused)

    async def record(self, account: str, kind: str, detail: Mapping[str, Any]) -> None:
        """An event of the account as a whole."""
        await self._write(verbs.record, account, kind, detail)

    async def set_secret(self, name: str, sealed: bytes | None) -> None:
        """Keep what the caller encrypted; None removes it."""
        await self._write(verbs.set_secret, name, sealed)

    async def backup(self, path: Path) -> None:
        """An online copy of one moment. Raises Refused for a file that must not be written, LedgerError when it cannot."""
        await asyncio.to_thread(self._backup, path)

    def _backup(self, path: Path) -> None:
        with self._readers.lend() as connection:
            backup.backup(connection, self._path, path)

    # --- queries -----------------------------------------------------------------------------------------------------

    async def messages(
        self, *, state: str | None = None, account: str | None = None, limit: int = 50, before: int | None = None
    ) -> list[Row]:
        """Messages, newest first; `before` is the id of the last one of the page before."""
        return await self._read(queries.messages, state, account, limit, before)

    async def cases(self, *, account: str | None = None, limit: int = 50, before: str | None = None) -> list[Row]:
        """Cases, newest first; `before` is the id of the last one of the page before."""
        return await self._read(queries.cases, account, limit, before)

    async def case(self, case: str) -> Row | None:
        return await self._read(queries.case, case)

    async def explain(self, entry: int) -> Row | None:
        """The message's row, its place on the server, "events", "deliveries", and whether its "raw" is here."""
        return await self._read(queries.explain, entry)

    async def account_events(self, account: str, *, limit: int = 50, before: int | None = None) -> list[Row]:
        """What happened to the account as a whole, newest first."""
        return await self._read(queries.account_events, account, limit, before)

    async def foresee(self, account: str, message: InboundMessage, rules: CaseRules, pending: Pending) -> Decision:
        """Which case it would join, and why, if it were filed now and `pending` before it. Changes nothing."""
        return await self._read(filing.foresee, account, message, rules, pending, self._now())

    async def foresee_copy(self, account: str, provider_id: str | None, message: InboundMessage, below: bytes) -> int | None:
        """The entry of which it would be a copy if it were filed now; `below`: `copies.below_header`. Changes nothing."""
        arriving = copies.Arriving(0, account, provider_id, message, below)
        found: copies.Copy | None = await self._read(copies.foresee, arriving)
        return found.of if found else None

    async def foresee_answer(
        self, policy: ReplyPolicy, message: InboundMessage, received_at: float | None, comment: bool
    ) -> Verdict:
        """Whether it would be acknowledged if it were filed now, opening a case. Changes nothing."""
        return await self.responses.foresee(policy, message, received_at, comment, self._now())

    async def message(self, entry: int) -> InboundMessage | None:
        """What was parsed of it, if it was."""
        return await self._read(queries.message, entry)

    def read_raw(self, entry: int) -> bytes | None:
        """The octets as the server gave them. Not async, and safe on any thread: hooks read through it."""
        with self._readers.lend() as connection:
            return queries.read_raw(connection, entry)

    def read_digest(self, entry: int) -> bytes | None:
        """SHA-256 of those octets, also once they are pruned. Not async, and safe on any thread."""
        with self._readers.lend() as connection:
            return queries.read_digest(connection, entry)

    async def backlog(self, account: str) -> Backlog:
        return await self._read(queries.backlog, account)

    async def oldest_unprocessed(self) -> dict[str, float]:
        """When the oldest message of each unfinished state came in, over all accounts; 0: there is none."""
        return await self._read(queries.oldest_unprocessed)

    async def storage(self) -> Storage:
        """The room that it takes and has."""
        return await asyncio.to_thread(directory.storage, self._path)

    async def counts(self) -> dict[tuple[str, str, str], int]:
        """Entries by account, state and reason."""
        return await self._read(queries.counts)

    async def paused(self) -> set[str]:
        return await self._read(queries.paused)

    async def reseal(self, anew: Callable[[str, bytes], bytes | None]) -> int:
        """Keep every secret as `anew` gives it from its name and what is kept, in one commit; None: as it is. How many."""
        return await self._write(verbs.reseal, anew)

    async def secret(self, name: str) -> bytes | None:
        """As `set_secret` kept it: still encrypted."""
        return await self._read(queries.secret, name)

    def read_secret(self, name: str) -> bytes | None:
        """The same. Not async, and safe on any thread: secrets are read there, like files."""
        with self._readers.lend() as connection:
            return queries.secret(connection, name)
