"""Verbs about what is in messages, and about many messages at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from ..errors import Refused
from ..ledger import Row
from ..message import attachment_contents
from .ordering import Ordering
from .paging import number_of
from .routes import BadRequest, NotFound

MOST_AT_ONCE = 500
"""Messages that one order may name."""


@dataclass(frozen=True, slots=True)
class Download:
    """A file for saving, never for showing. `filename` is safe to use anywhere; `content_type` is only what a stranger says."""

    octets: bytes
    filename: str
    content_type: str


@dataclass(frozen=True, slots=True)
class MessageVerbs(Ordering):
    """What is in one message; retry and release of many."""

    async def message(self, entry: str | int) -> Row:
        """What was read of one message, as hooks receive it."""
        number = number_of(entry, "entry", "message number")
        found = await self.ledger.message(number)
        if found is None:
            raise NotFound(f"nothing was read of a message {number}")
        return found.as_json()

    async def attachment(self, entry: str | int, number: str | int) -> Download:
        """The decoded octets of one attachment; the first is number 1."""
        id, position = number_of(entry, "entry", "message number"), number_of(number, "number")
        message = await self.ledger.message(id)
        if message is None or not 1 <= position <= len(message.attachments):
            raise NotFound(f"message {id} has no attachment {position}")
        raw = await asyncio.to_thread(self.ledger.read_raw, id)
        if raw is None:
            raise NotFound(f"the octets of message {id} are not kept any more")
        contents = await asyncio.to_thread(attachment_contents, raw)
        if position > len(contents):
            raise NotFound(f"attachment {position} of message {id} cannot be read again")
        told = message.attachments[position - 1]
        return Download(contents[position - 1], told.filename, told.content_type)

    async def retry_many(self, body: Any) -> list[Row]:
        """Run dead messages again: what came of each."""
        return await self._each("retry_many", body, self.ledger.retry)

    async def release_many(self, body: Any) -> list[Row]:
        """Let quarantined messages through: what came of each."""
        answers = await self._each("release_many", body, self.ledger.release)
        for account in {row["account"] for row in answers if row["ok"]}:
            if self.controls.known(account):
                await self.controls.wake(account)
        return answers

    async def _each(self, action: str, body: Any, change: Callable[[int], Awaitable[str]]) -> list[Row]:
        entries = _entries(body)
        async with self.order(action, f"{len(entries)} messages", entries=entries):
            return [await self._one(entry, change) for entry in entries]

    async def _one(self, entry: int, change: Callable[[int], Awaitable[str]]) -> Row:
        row = await self.ledger.explain(entry)
        if row is None:
            return {"id": entry, "ok": False, "account": None, "state": None, "detail": f"no message {entry}"}
        answer = {"id": entry, "account": row["account"]}
        try:
            return answer | {"ok": True, "state": await change(entry), "detail": None}
        except Refused as error:
            return answer | {"ok": False, "state": row["state"], "detail": str(error)}


def _entries(body: Any) -> list[int]:
    """The numbers of `{"entries": […]}`, each once. Raises BadRequest."""
    given = body.get("entries") if isinstance(body, dict) else None
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_AT_ONCE:
        raise BadRequest(f'send {{"entries": […]}} with 1 to {MOST_AT_ONCE} message numbers', field="entries")
    if unknown := sorted(set(body) - {"entries"}):
        raise BadRequest(f"unknown field: {unknown[0][:40]!r}", field=unknown[0][:40])
    if not all(isinstance(one, int) and not isinstance(one, bool) for one in given):
        raise BadRequest("message numbers are whole numbers", field="entries")
    return list(dict.fromkeys(number_of(one, "entries", "message number") for one in given))
