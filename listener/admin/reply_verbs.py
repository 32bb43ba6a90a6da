"""Verbs about outgoing mail: what was sent, waits, or was suppressed and why; and who gets no automatic mail any more."""

from __future__ import annotations

from dataclasses import dataclass

from ..ledger import Row
from ..ledger.responses import ResponseState
from ..ledger.search import Place
from .list_verbs import ListVerbs
from .paging import DEFAULT_LIMIT, Listed, cursor_of, limit_of, number_of, one_of, place_of
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
        place = place_of(cursor)
        last = place.id if place is not None else None if before is None else number_of(before, "before")
        most = limit_of(limit)
        rows = await self.ledger.responses.rows(state=state, account=account, limit=most, before=last)
        return Listed(rows, cursor_of(Place(rows[-1]["id"])) if len(rows) == most else None)

    async def muted(self, limit: str | int = DEFAULT_LIMIT, after: str = "") -> list[Row]:
        """Addresses that get no automatic mail, because mail of ours to them came back; in order, those behind `after`."""
        return await self.ledger.responses.muted(limit=limit_of(limit), after=after[:MAX_ADDRESS])

    async def unmute(self, address: str) -> Row:
        """It may get automatic mail again."""
        if not address.isprintable() or len(address) > MAX_ADDRESS:
            raise BadRequest("not an address", field="address")
        async with self.order("unmute", address):
            await self.ledger.responses.unmute(address)
        return {"address": address, "muted": False}
