"""What would happen to the mail that is there: what would be processed, which case it would join, who would be answered.

A dry run over a session opened read-only: folders are opened with EXAMINE, mail is fetched with PEEK, nothing is told to the
server and nothing is written to the ledger, which only answers what it knows. Called by `listener preview`, in the daemon
where one runs. The rules are those of the daemon (`Ledger.plan`, `cases.decide`, the classification of messages), so what it
says is what would happen if the mail came in now; messages that the preview itself shows count as filed for the later ones.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from . import cases
from .cases import CaseRules, Decision, copies
from .cases.pending import Pending
from .cases.settings import rules_of
from .config import Account, Config, Flood
from .credentials import TokenOf
from .credentials.sealing import keyring
from .errors import MessageFailure
from .ledger import Plan
from .ledger.copies import below_header
from .mailbox import Baseline, Extent, Fetched, Folder, Listing, Mailbox, Page, SyncState
from .message import Trust
from .message.flags import comparable
from .message.model import InboundMessage
from .message.tree import header
from .parsing import Parser
from .protocols.opening import open_mailbox, trust_of
from .responder.policy import NEVER, Purpose, ReplyPolicy, policies_of
from .responder.rules import Verdict, asked, forbidden
from .rules import (
    ANSWERS,
    Accept,
    FloodLimit,
    Ignore,
    Pace,
    Quarantine,
    Rules,
    Subject,
    compiled,
    judge,
    sender_of,
)

Row = dict[str, Any]
FETCHED_AT_ONCE = 10
"""Messages of a preview that are in memory at the same time."""
NEW = "new"


class Known(Protocol):
    """What the ledger knows; `Ledger` is one, `NothingKnown` another."""

    async def sync_states(self, account: str) -> Mapping[Folder, SyncState]: ...
    async def baselines(self, account: str) -> Mapping[Folder, Baseline]: ...
    async def plan(self, account: str, page: Page) -> Plan: ...
    async def foresee(self, account: str, message: InboundMessage, rules: CaseRules, pending: Pending) -> Decision: ...
    async def foresee_copy(
        self, account: str, provider_id: str | None, message: InboundMessage, octets: bytes
    ) -> int | None: ...
    async def foresee_answer(
        self, policy: ReplyPolicy, message: InboundMessage, received_at: float | None, comment: bool
    ) -> Verdict: ...


class NothingKnown:
    """There is no ledger yet."""

    async def sync_states(self, account: str) -> Mapping[Folder, SyncState]:
        return {}

    async def baselines(self, account: str) -> Mapping[Folder, Baseline]:
        return {}

    async def plan(self, account: str, page: Page) -> Plan:
        return Plan(fetch=page.listings)

    async def foresee(self, account: str, message: InboundMessage, rules: CaseRules, pending: Pending) -> Decision:
        return cases.decide(message, account, rules, pending.over(None), time.time())

    async def foresee_copy(self, account: str, provider_id: str | None, message: InboundMessage, below: bytes) -> int | None:
        return None

    async def foresee_answer(
        self, policy: ReplyPolicy, message: InboundMessage, received_at: float | None, comment: bool
    ) -> Verdict:
        question = asked(policy, Purpose.AUTOMATIC, message, unverified_comment=comment)
        return Verdict(forbidden(question), question.recipient)


async def preview(
    account: Account, config: Config, known: Known, token_of: TokenOf, *, since: float | None, limit: int
) -> list[Row]:
    """Rows of at most `limit` messages, oldest first. `since` (POSIX seconds): what was received from then on, also what is
    stored already; None: what the daemon would take next.

    Raises AccountFailure as opening and reading a mailbox do, and LedgerError.
    """
    parser = Parser(deadline=config.limits.parse_timeout, memory=config.limits.parse_memory)
    mailbox = await open_mailbox(account, config, token_of, read_only=True)
    try:
        keys = keyring(config.listener, make=False)
        gate = Gate(compiled(account.rules, config.rules), account.flood, partial(keys.knows, account=account.id), time.time())
        foresight = Foresight(
            account, known, parser, trust_of(account), limit, config.limits.max_message, rules_of(account, keys), gate
        )
        foresight.policy = policies_of(config).get(account.id, foresight.policy)
        async with aclosing(foresight.rows(mailbox, since)) as rows:
            return [row async for row in rows]
    finally:
        await mailbox.close()
        await parser.close()


@dataclass
class Gate:
    """The rules before cases, as the dispatcher asks them, and the limit on floods as far as the preview itself shows mail."""

    rules: Rules
    flood: Flood
    answers: Callable[[InboundMessage], bool]
    now: float
    _paces: dict[str, Pace] = field(default_factory=dict)

    def stops(self, message: InboundMessage, fetched: Fetched) -> Row:
        """Outcome, why and rule of what comes into no case; else who let it through by name, if anybody did."""
        answers = self.answers(message)
        match judge(Subject(message, len(fetched.octets), lambda: header(fetched.octets), answers), self.rules):
            case Ignore(rule, reason):
                return {"outcome": "ignored", "why": f"rule: {reason}", "rule": rule}
            case Quarantine(rule, reason):
                return {"outcome": "quarantined", "why": f"rule: {reason}", "rule": rule}
            case Accept(rule) if rule:
                return {"rule": rule}
        return {} if self._passes(message, fetched.listing.received_at, answers) else {"outcome": "quarantined", "why": "flood"}

    def _passes(self, message: InboundMessage, received_at: float | None, answers: bool) -> bool:
        if not self.flood.messages:
            return True
        most = self.flood.messages * (ANSWERS if answers else 1)
        pace = self._paces.setdefault(comparable(sender_of(message)), Pace())
        return pace.passes(
            min(received_at or self.now, self.now), FloodLimit(most, self.flood.within, self.flood.release_after)
        )


@dataclass
class Foresight:
    """One dry run. Message-IDs and digests that it has shown are those of the messages that would be filed by then."""

    account: Account
    known: Known
    parser: Parser
    trust: Trust
    limit: int
    max_message: int
    rules: CaseRules = CaseRules()  # noqa: RUF009  (frozen)
    gate: Gate | None = None
    policy: ReplyPolicy = ReplyPolicy("")  # noqa: RUF009  (frozen)
    _answered: Counter[str] = field(default_factory=Counter)
    _pending: Pending = field(default_factory=Pending)
    _digests: set[bytes] = field(default_factory=set)
    _shown: dict[str, list[tuple[InboundMessage, bytes]]] = field(default_factory=dict)
    _cases: int = 0

    async def rows(self, mailbox: Mailbox, since: float | None) -> AsyncGenerator[Row]:
        """One for each message that would be processed, and with `since` also for those that are stored already."""
        left = self.limit
        begin, present = await self._begin(mailbox, since)
        async with aclosing(mailbox.pages(begin)) as pages:
            async for page in pages:
                plan = await self.known.plan(self.account.id, page)
                wanted = {listing.unique_id for listing in plan.fetch if listing.unique_id not in present}
                chosen = [one for one in page.listings if self._counts(one, wanted, present, since)][:left]
                left -= len(chosen)
                async for row in self._of(mailbox, chosen, wanted):
                    yield row
                if left <= 0:
                    return

    async def _begin(self, mailbox: Mailbox, since: float | None) -> tuple[dict[Folder, SyncState], set[str]]:
        """Where to list from, and which unique ids are before the baseline."""
        begin = {} if since is not None else dict(await self.known.sync_states(self.account.id))
        baselines = {} if since is not None else await self.known.baselines(self.account.id)
        present: set[str] = set()
        for folder in await mailbox.folders():
            if folder in baselines or folder in begin:
                continue
            first = await mailbox.baseline(folder, self.account.since if since is None else since)
            present |= set(first.present)
            if first.sync_state is not None:
                begin[folder] = first.sync_state
        return begin, present

    def _counts(self, listing: Listing, wanted: set[str], present: set[str], since: float | None) -> bool:
        if since is None:
            return listing.unique_id in wanted
        return listing.unique_id not in present and (listing.received_at is None or listing.received_at >= since)

    async def _of(self, mailbox: Mailbox, chosen: Sequence[Listing], wanted: set[str]) -> AsyncGenerator[Row]:
        for start in range(0, len(chosen), FETCHED_AT_ONCE):
            few = chosen[start : start + FETCHED_AT_ONCE]
            new = [listing for listing in few if listing.unique_id in wanted]
            came = {one.listing.unique_id: one async for one in mailbox.fetch(new, limit=self.max_message)} if new else {}
            for listing in few:
                if listing.unique_id in wanted:
                    yield await self._foreseen(came[listing.unique_id])
                else:
                    yield _head(listing) | {"outcome": "known", "why": "it is in the ledger already"}

    async def _foreseen(self, fetched: Fetched) -> Row:
        row = _head(fetched.listing)
        match fetched.extent:
            case Extent.HEADER:
                return row | {"outcome": "quarantined", "why": "too_large"}
            case Extent.REFUSED:
                return row | {"outcome": "quarantined", "why": f"the server does not hand it over: {fetched.detail}"}
            case Extent.GONE:
                return row | {"outcome": "ignored", "why": "vanished"}
        digest = hashlib.sha256(fetched.octets).digest()
        if digest in self._digests:
            return row | {"outcome": "ignored", "why": "duplicate of one above"}
        self._digests.add(digest)
        try:
            message = await self.parser.parse(fetched.octets, self.trust)
        except MessageFailure as error:
            return row | {"outcome": "quarantined", "why": error.reason}
        stopped = self.gate.stops(message, fetched) if self.gate else {}
        if "outcome" in stopped:
            return row | _about(message) | stopped
        if twin := await self._copy_of(message, fetched):
            return row | _about(message) | {"outcome": "ignored", "why": f"duplicate of {twin}"}
        return row | _about(message) | await self._filed(message, fetched.listing.received_at) | stopped

    async def _copy_of(self, message: InboundMessage, fetched: Fetched) -> str:
        """Of what it is a copy, sent or delivered once more; "" for none."""
        shown = self._shown.setdefault(message.message_id, [])
        below = await asyncio.to_thread(below_header, fetched.octets)
        for other, theirs in shown:
            if copies.is_copy(message, other) and (
                below == theirs or (copies.seen_whole(message) and copies.seen_whole(other))
            ):
                return "one above"
        of = await self.known.foresee_copy(self.account.id, fetched.listing.provider_id, message, below)
        if of is None and len(shown) < copies.MAX_CANDIDATES:
            shown.append((message, below))
        return "" if of is None else f"message {of}"

    async def _filed(self, message: InboundMessage, received_at: float | None) -> Row:
        decision = await self.known.foresee(self.account.id, message, self.rules, self._pending)
        case = decision.case or self._new_case()
        self._pending.add(case, decision, message)
        return {
            "outcome": "filed",
            "case": case,
            "why": f"{decision.rule} {decision.matched}".strip(),
            "unverified": decision.unverified,
            "related": [link.case for link in decision.links],
            "hooks": list(self.account.hooks),
            "reply": await self._reply(message, received_at, decision),
        }

    async def _reply(self, message: InboundMessage, received_at: float | None, decision: Decision) -> Row:
        """Would it be acknowledged, to whom, and why (not)? Those that the preview itself shows are counted."""
        if not self.policy.acknowledges(decision.case is None):
            why = "no replies configured" if self.policy.on == NEVER else "it joins a case, and only new cases are acknowledged"
            return {"send": False, "why": why, "rule": None, "to": None}
        verdict = await self.known.foresee_answer(self.policy, message, received_at, decision.unverified)
        rule, to = verdict.rule, verdict.recipient
        if rule is None and self._answered[to.lower() if to else ""] >= self.policy.budgets.per_sender:
            rule = "budget_sender"
        if rule is not None:
            return {"send": False, "why": f"suppressed by {rule}", "rule": rule, "to": to}
        self._answered[to.lower() if to else ""] += 1
        return {"send": True, "why": f"to {to}", "rule": None, "to": to}

    def _new_case(self) -> str:
        self._cases += 1
        return f"{NEW}-{self._cases}"


def _about(message: InboundMessage) -> Row:
    return {
        "from": message.from_[0].address if message.from_ else "",
        "subject": message.subject,
        "message_id": message.message_id,
        "kind": message.kind.value,
    }


def _head(listing: Listing) -> Row:
    at = None if listing.received_at is None else datetime.fromtimestamp(listing.received_at, UTC).isoformat()
    return {"folder": listing.folder, "unique_id": listing.unique_id, "size": listing.size, "received_at": at}
