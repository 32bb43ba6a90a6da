"""Sending by Graph so that after any crash it can be told whether a message left: draft, keep its id, send, look (R-43).

`sendMail` alone answers 202 and no id, so a lost answer would leave the choice between twice and never. A draft's immutable id
stays the same in Sent Items, and `isDraft` says which it is. The caller keeps the id durably between the steps:

    id = kept or await sender.draft(octets)      → keep it
    outcome = await sender.send(id)              idempotent: what has left is not sent again

Used by `check` (only `GraphSender.check`) and by the outbox.
"""

from __future__ import annotations

import base64
from enum import StrEnum
from typing import Any, Self

from ...errors import PermanentFailure
from ..endpoint import Endpoint
from . import refusals
from .client import GraphClient, Token
from .items import values
from .links import identifier

MAX_DRAFT = 3_000_000
"""Octets of a draft: Graph takes requests of 4 MB, and base64 needs a third more."""
_LOOK = "id,isDraft"


class Outcome(StrEnum):
    """Where a message is."""

    SENT = "sent"
    DRAFT = "draft"  # still there: it may be sent
    GONE = "gone"  # neither draft nor sent: somebody deleted it, before or after it left


class GraphSender:
    """One mailbox to send from. Close it when done."""

    def __init__(self, client: GraphClient) -> None:
        self.client = client

    @classmethod
    async def open(cls, endpoint: Endpoint, mailbox: str, token: Token, **how: Any) -> Self:
        """Nothing is asked yet. `mailbox` is the user principal name."""
        return cls(await GraphClient.open(endpoint, mailbox, token, **how))

    async def check(self) -> None:
        """The token is taken and the mailbox may be opened. Sends and changes nothing.

        Raises what `GraphClient.ask` raises, and PermanentFailure where the mailbox is refused.
        """
        await self.client.get(self.client.url("mailFolders", "drafts", select="id"))

    async def draft(self, octets: bytes) -> str:
        """Lay the message into Drafts; its immutable id. A crash right after it leaves a draft: `find` tells."""
        if len(octets) > MAX_DRAFT:
            raise PermanentFailure(
                f"an answer of {len(octets)} octets is too large for Microsoft Graph", setting="sender.protocol"
            )
        payload = base64.b64encode(octets)
        reply = await self.client.send("POST", self.client.url("messages"), payload, "text/plain")
        document = refusals.required(reply, self.client.mailbox, self.client.endpoint.section)
        found = identifier(document.get("id"))
        if found is None:
            raise PermanentFailure("Microsoft Graph gave a draft without an id", setting="sender.protocol")
        return found

    async def find(self, message_id: str) -> str | None:
        """The id of the message with this bare Message-ID, draft or sent, if there is exactly one."""
        quoted = message_id.replace("'", "''")
        url = self.client.url("messages", filter=f"internetMessageId eq '<{quoted}>'", select=_LOOK, top="2")
        there = values(await self.client.get(url))
        return identifier(there[0].get("id")) if len(there) == 1 else None

    async def send(self, message: str) -> Outcome:
        """Send the draft unless it has left already. Idempotent; DRAFT: it was refused for now.

        A request whose answer is lost raises ConnectionLost; calling again, in this or another session, looks first.
        """
        outcome = await self.look(message)
        if outcome is not Outcome.DRAFT:
            return outcome
        reply = await self.client.send("POST", self.client.url("messages", message, "send"), b"", "text/plain", repeat=False)
        if not reply.ok and not reply.gone:
            raise refusals.failure(reply, self.client.mailbox, self.client.endpoint.section)
        return Outcome.SENT if reply.ok else await self.look(message)

    async def look(self, message: str) -> Outcome:
        """What has become of it."""
        reply = await self.client.ask("GET", self.client.url("messages", message, select=_LOOK))
        if reply.gone:
            return Outcome.GONE
        document = refusals.required(reply, self.client.mailbox, self.client.endpoint.section)
        return Outcome.DRAFT if document.get("isDraft") is not False else Outcome.SENT

    async def close(self) -> None:
        """Drop the connections. Never raises."""
        await self.client.close()
