"""Which case does a message belong to? The rules, in order, and nothing else: no I/O, a `Book` answers the look-ups.

Asked by the ledger inside the transaction that files the message, and by the preview. docs/cases.md has the table for people.

    bounce       a bounce, delay or receipt of mail that we sent: a note in its case, whoever brings it
    token        a token that we signed for this account → its case; from somebody unknown to the case as unverified comment
    references   References, newest first: a Message-ID that we sent or filed, if the sender is a participant → its case
    in_reply_to  the same of In-Reply-To
    follow_up    one of these, but that case is closed and stays so → a new case, linked to it
    forward      a forward is a new matter, whatever it quotes → a new case
    new          a new case

A participant is the requester, whoever's mail was filed in the case without reserve, and whoever we answered in it; never
somebody who merely stands in To or Cc (R-80), and nobody whose domain says that this is not its mail (verdict `fail`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from .. import tokens
from ..message.model import InboundMessage, Kind, Verdict
from ..tokens import Form, Keyring
from .subjects import is_forward, topic

MAX_REFERENCES = 50
"""How many of the newest references are looked up; a longer list is an attacker's or a broken client's."""
MAX_LINKS = 5
"""Possibly related cases that are noted with a new one."""
MAX_HOPS = 10
"""Follow-ups of follow-ups that are gone through to the present one."""
RELATED_WITHIN = 30 * 86_400.0
"""Seconds: a case of the same sender and topic is possibly related if something happened to it since."""
NOTICES = frozenset({Kind.BOUNCE, Kind.DELAYED, Kind.COMPLAINT, Kind.RECEIPT})
"""Kinds of mail that are about mail of ours."""


class Rule(StrEnum):
    """The rule that made a decision."""

    BOUNCE = "bounce"
    TOKEN = "token"
    REFERENCES = "references"
    IN_REPLY_TO = "in_reply_to"
    FOLLOW_UP = "follow_up"
    FORWARD = "forward"
    NEW = "new"


class Closed(StrEnum):
    """What mail for a closed case does."""

    REOPEN = "reopen"
    FOLLOW_UP = "follow_up"


@dataclass(frozen=True, slots=True)
class CaseRules:
    """How one account decides. `address` is its own; `reopen_within` seconds since closing (None: for ever)."""

    keyring: Keyring = Keyring()  # noqa: RUF009  (frozen)
    address: str = ""
    closed: Closed = Closed.REOPEN
    reopen_within: float | None = None


class LinkKind(StrEnum):
    """How one case is linked to an earlier one."""

    FOLLOW_UP = "follow_up"
    RELATED = "related"


@dataclass(frozen=True, slots=True)
class Link:
    """A case that a new one is linked to, and why: `closed`, `token`, `references`, `forward` or `subject`."""

    case: str
    kind: LinkKind
    why: str


@dataclass(frozen=True, slots=True)
class Decision:
    """The case to join (None: make a new one), the rule that said so and what it matched."""

    case: str | None
    rule: Rule
    matched: str = ""
    unverified: bool = False
    """A valid token, but its bearer is unknown to the case: visible as such, never a participant by it."""
    note: bool = False
    """A notice about mail of ours: tells something of the case, asks nothing."""
    reopen: bool = False
    """Open the case again if it is closed."""
    restored: bool = False
    """We signed for this case and know it no more (a lost ledger): make it again, under the same id."""
    links: tuple[Link, ...] = ()
    about: str = ""
    """The topic of the case that it opens."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What the book knows of a case. `closed_at` POSIX seconds, None while it is open; `follow_up` the newest case after it."""

    case: str
    participant: bool
    closed_at: float | None = None
    follow_up: str | None = None


class Book(Protocol):
    """The case book of one account, as far as a decision asks for it."""

    def filed(self, message_ids: Sequence[str]) -> Mapping[str, str]:
        """The case of each bare Message-ID that was filed, or that we sent; of the first where one was used again."""
        ...

    def sent(self, message_ids: Sequence[str]) -> Mapping[str, str]:
        """The case of each of these that we sent."""
        ...

    def standing(self, case: str, address: str) -> Standing | None:
        """The case, and whether that address is a participant of it. None: the account has no such case."""
        ...

    def similar(self, sender: str, about: str, since: float) -> Sequence[str]:
        """Cases of that requester and topic in which something happened since; newest first, at most MAX_LINKS."""
        ...


def decide(message: InboundMessage, account: str, rules: CaseRules, book: Book, now: float) -> Decision:
    """The first rule that holds. `book` is the account's; `now` POSIX seconds."""
    return _Decider(message, account, rules, book, now, sender_of(message)).decide()


def sender_of(message: InboundMessage) -> str:
    """The address that claims to have written it; "" unless From names exactly one."""
    return message.from_[0].address if len(message.from_) == 1 else ""


def references(message: InboundMessage) -> list[str]:
    """The Message-IDs that it refers to, as they are looked up: References, newest first, then In-Reply-To."""
    return [*reversed(message.references[-MAX_REFERENCES:]), *message.in_reply_to[:MAX_REFERENCES]]


@dataclass(slots=True)
class _Decider:
    message: InboundMessage
    account: str
    rules: CaseRules
    book: Book
    now: float
    sender: str
    related: dict[str, str] = field(default_factory=dict)
    """Cases that it does not join, and why they may have to do with it."""

    def decide(self) -> Decision:
        found = self._notice() if self.message.kind in NOTICES else None
        if found is None:
            forward = is_forward(self.message.subject)
            found = self._by_token(forward) or self._by_references(forward) or self._new(forward)
        return found

    # --- mail about mail of ours --------------------------------------------------------------------------------------

    def _notice(self) -> Decision | None:
        for form, case in self._valid_tokens():
            restored = self.book.standing(case, self.sender) is None
            return Decision(case, Rule.BOUNCE, form.value, note=True, restored=restored)
        returned = self.message.bounce.original_message_id if self.message.bounce else None
        wanted = [*([returned] if returned else ()), *references(self.message)]
        sent = self.book.sent(wanted) if wanted else {}
        for message_id in wanted:
            if message_id in sent:
                return Decision(sent[message_id], Rule.BOUNCE, message_id, note=True)
        return None

    # --- tokens -------------------------------------------------------------------------------------------------------

    def _by_token(self, forward: bool) -> Decision | None:
        for form, case in self._valid_tokens():
            if forward and form is not Form.ADDRESS:  # quoted history; only where it was sent to is a purpose
                self.related.setdefault(case, "forward")
                continue
            standing = self.book.standing(case, self.sender)
            if standing is None:
                return Decision(case, Rule.TOKEN, form.value, unverified=not self._authenticated(), restored=True)
            known = self._is_participant(standing) or self._authenticated()
            return self._join(standing, Rule.TOKEN, form.value, unverified=not known)
        return None

    def _valid_tokens(self) -> Iterator[tuple[Form, str]]:
        if self.rules.keyring.keys:
            for token in tokens.find(self.message):
                case = self.rules.keyring.verify(token, self.account)
                if case is not None:
                    yield token.form, case

    # --- references ---------------------------------------------------------------------------------------------------

    def _by_references(self, forward: bool) -> Decision | None:
        wanted = references(self.message)
        known = self.book.filed(wanted) if wanted else {}
        for message_id in wanted:
            case = known.get(message_id)
            if case is None or case in self.related:
                continue
            standing = self.book.standing(case, self.sender)
            if standing is not None and not forward and self._is_participant(standing):
                rule = Rule.REFERENCES if message_id in self.message.references else Rule.IN_REPLY_TO
                return self._join(standing, rule, message_id)
            self.related.setdefault(case, "forward" if forward else "references")
        return None

    # --- who writes ---------------------------------------------------------------------------------------------------

    def _authenticated(self) -> bool:
        return bool(self.sender) and self.message.authentication.verdict is Verdict.PASS

    def _is_participant(self, standing: Standing) -> bool:
        """Ours counts too, when proven: a colleague who answers from the mailbox itself."""
        if not self.sender or self.message.authentication.verdict is Verdict.FAIL:
            return False
        ours = self.sender.lower() == self.rules.address.lower() and self._authenticated()
        return standing.participant or ours

    # --- open or closed -----------------------------------------------------------------------------------------------

    def _join(self, standing: Standing, rule: Rule, matched: str, *, unverified: bool = False) -> Decision:
        for _ in range(MAX_HOPS):  # what came after a closed case is where it goes on
            following = standing.follow_up if standing.closed_at is not None and not self._may_reopen(standing) else None
            after = self.book.standing(following, self.sender) if following else None
            if after is None:
                break
            standing = after
        machine = self.message.automatic.is_machine
        if standing.closed_at is None or machine or self._may_reopen(standing):
            return Decision(standing.case, rule, matched, unverified=unverified, reopen=not machine)
        kind = LinkKind.RELATED if unverified else LinkKind.FOLLOW_UP  # a stranger opens no door for those who answer later
        links = (Link(standing.case, kind, "closed"),)
        return Decision(None, Rule.FOLLOW_UP, matched, links=links, about=topic(self.message.subject))

    def _may_reopen(self, standing: Standing) -> bool:
        if self.rules.closed is not Closed.REOPEN or standing.closed_at is None:
            return False
        return self.rules.reopen_within is None or self.now - standing.closed_at <= self.rules.reopen_within

    def _new(self, forward: bool) -> Decision:
        about = topic(self.message.subject)
        if self.sender and about and len(self.related) < MAX_LINKS:
            for case in self.book.similar(self.sender, about, self.now - RELATED_WITHIN):
                self.related.setdefault(case, "subject")
        links = tuple(Link(case, LinkKind.RELATED, why) for case, why in self.related.items())
        return Decision(None, Rule.FORWARD if forward else Rule.NEW, links=links[:MAX_LINKS], about=about)
