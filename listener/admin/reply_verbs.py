"""Verbs about outgoing mail: what was sent, waits, or was suppressed and why; and who gets no automatic mail any more."""

from __future__ import annotations

from dataclasses import dataclass

from ..ledger import Row
from ..ledger.responses import ResponseState
from .list_verbs import ListVerbs
from .paging import DEFAULT_LIMIT, Listed, address_cursor, address_of, before_of, limit_of, listed, one_of
from .routes import BadRequest

MAX_ADDRESS = 320


@dataclass(frozen=True, slots=True)
class ReplyVerbs(ListVerbs):
    """Answers are `Listed`: plain rows, and the cursor of the next page."""

    async def replies(
        self,
        state: str | None = None,
        account: str | None = None,
        limit: str | int = DEFAULT_LIMIT,
        before: str | int | None = None,
        cursor: str | None = None,
    ) -> Listed:
        """Outgoing mail, newest first: sent, waiting, and suppressed with the rule that forbade it."""
        one_of(state, ResponseState, "state")
        self.known(account)
        last, most = before_of(cursor, before), limit_of(limit)
        return listed(await self.ledger.responses.rows(state=state, account=account, limit=most, before=last), most)

    async def muted(self, limit: str | int = DEFAULT_LIMIT, after: str = "", cursor: str | None = None) -> Listed:
        """Addresses that get no automatic mail, because mail of ours to them came back; in order, those behind `after`."""
        most = limit_of(limit)
        last = after if cursor is None else address_of(cursor)
        rows = await self.ledger.responses.muted(limit=most, after=last[:MAX_ADDRESS])
        return Listed(rows, address_cursor(rows[-1]["address"]) if len(rows) == most else None)

    async def unmute(self, address: str) -> Row:
        """It may get automatic mail again."""
        if not address.isprintable() or len(address) > MAX_ADDRESS:
            raise BadRequest("not an address", field="address")
        async with self.order("unmute", address):
            await self.ledger.responses.unmute(address)
        return {"address": address, "muted": False}
