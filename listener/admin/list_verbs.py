"""Verbs that list: accounts, messages, cases, a page at a time and newest first; and the totals."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from ..ledger import Row, State
from ..ledger.search import CaseFilter, MessageFilter, Place
from ..message.model import Kind
from ..status import AccountState, AccountStatus
from .account_desk import described
from .ordering import Ordering
from .paging import (
    DEFAULT_LIMIT,
    MAX_LIMIT,
    Listed,
    before_of,
    cursor_of,
    limit_of,
    listed,
    moment_of,
    number_of,
    one_of,
    place_of,
    text_of,
)
from .routes import NotFound

WORDS_FIRST = 2_000
"""Events whose messages' words are read before a search, so that what came just now is found."""
STATUSES = ("open", "closed")


@dataclass(frozen=True, slots=True)
class ListVerbs(Ordering):
    """Answers are `Listed`: plain rows, and the cursor of the next page."""

    async def accounts(
        self,
        state: str | None = None,
        text: str | None = None,
        limit: str | int = MAX_LIMIT,
        cursor: str | None = None,
    ) -> Listed:
        """Accounts with their progress, in the configuration's order."""
        one_of(state, AccountState, "state")
        part, most = (text_of(text) or "").lower(), limit_of(limit)
        place = place_of(cursor)
        begin = 0 if place is None else place.id

        def is_wanted(status: AccountStatus) -> bool:
            return (state is None or status.state == state) and part in status.id.lower()

        fitting = filter(is_wanted, self.controls.statuses())
        chosen = list(islice(fitting, begin, begin + most + 1))
        rows = await self.controls.accounts([status.id for status in chosen[:most]])
        if self.accounts_desk is not None:
            rows = described(self.accounts_desk, rows, await self.ledger.paused())
        return Listed(rows, cursor_of(Place(begin + most)) if len(chosen) > most else None)

    async def messages(
        self,
        state: str | None = None,
        account: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        text: str | None = None,
        limit: str | int = DEFAULT_LIMIT,
        before: str | int | None = None,
        cursor: str | None = None,
    ) -> Listed:
        """Messages, newest first."""
        wanted = MessageFilter(
            account=account,
            state=one_of(state, State, "state"),
            kind=one_of(kind, Kind, "kind"),
            since=moment_of(since, "since"),
            until=moment_of(until, "until"),
            text=text_of(text),
        )
        self.known(account)
        most, after = limit_of(limit), place_of(cursor)
        if after is None and before is not None:
            after = Place(number_of(before, "before", "message number"))
        await self._read_words(wanted.text)
        found = await self.ledger.search.messages(wanted, limit=most, after=after)
        return Listed(found.rows, cursor_of(found.next))

    async def quarantine(
        self,
        account: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        text: str | None = None,
        limit: str | int = DEFAULT_LIMIT,
        before: str | int | None = None,
        cursor: str | None = None,
    ) -> Listed:
        """Messages in quarantine, newest first."""
        return await self.messages(State.QUARANTINED, account, kind, since, until, text, limit, before, cursor)

    async def dead(
        self,
        account: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
        text: str | None = None,
        limit: str | int = DEFAULT_LIMIT,
        before: str | int | None = None,
        cursor: str | None = None,
    ) -> Listed:
        """Dead letters, newest first."""
        return await self.messages(State.DEAD, account, kind, since, until, text, limit, before, cursor)

    async def cases(
        self,
        account: str | None = None,
        status: str | None = None,
        text: str | None = None,
        limit: str | int = DEFAULT_LIMIT,
        before: str | None = None,
        cursor: str | None = None,
    ) -> Listed:
        """Cases, newest first; `before` is a case's id."""
        wanted = CaseFilter(account, one_of(status, STATUSES, "status"), text_of(text))
        self.known(account)
        most, after = limit_of(limit), place_of(cursor)
        if after is None and before is not None:
            number = await self.ledger.search.case_number(before)
            after = Place(number or 0)
        await self._read_words(wanted.text)
        found = await self.ledger.search.cases(wanted, limit=most, after=after)
        return Listed(found.rows, cursor_of(found.next))

    async def counts(self, account: str | None = None) -> Row:
        """How many messages are in each state."""
        self.known(account)
        return {"messages": dict.fromkeys(State, 0) | await self.ledger.search.totals(account)}

    async def account_events(
        self, account: str, limit: str | int = DEFAULT_LIMIT, before: str | int | None = None, cursor: str | None = None
    ) -> Listed:
        """What happened to an account as a whole, newest first; `before` is an event's id."""
        self.known(account)
        last, most = before_of(cursor, before), limit_of(limit)
        return listed(await self.ledger.account_events(account, limit=most, before=last), most)

    def known(self, account: str | None) -> None:
        """Raises NotFound for an account that is not configured; None is all of them."""
        if account is not None and not self.controls.known(account):
            raise NotFound(f"no account {account[:100]!r} in the configuration")

    async def _read_words(self, text: str | None) -> None:
        if text is not None:
            await self.ledger.search.index(WORDS_FIRST)
