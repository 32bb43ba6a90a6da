"""Messages whose cases are decided and not yet readable in the book: the rest of a batch being filed, or of a preview.

`Pending` collects them for one account, `over` lays them over the book that has the rest, so that each message sees those
before it. It also is how a preview decides where there is no ledger at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..message.model import InboundMessage
from . import MAX_LINKS, Book, Decision, Standing, sender_of

Participant = tuple[str, str, str]
"""Address, name and role: requester, sender or reply_to."""


@dataclass(slots=True)
class Pending:
    """Of one account; add each message once its case is known."""

    ids: dict[str, str] = field(default_factory=dict)
    people: dict[str, set[str]] = field(default_factory=dict)
    topics: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    """Cases that are surely new: open, and followed by none. Nobody need ask the book about those who wrote in them."""

    def add(self, case: str, decision: Decision, message: InboundMessage) -> list[Participant]:
        """`case`: the one that it joined or opened. Who became a participant of it."""
        if message.message_id:
            self.ids.setdefault(message.message_id, case)
        found = participants(decision, message)
        self.people.setdefault(case, set()).update(address.lower() for address, _, _ in found)
        if decision.about and (sender := sender_of(message)):
            self.topics.setdefault((sender.lower(), decision.about), []).insert(0, case)
        return found

    def over(self, book: Book | None) -> Book:
        """A book that knows these too."""
        return _Overlaid(self, book)


def participants(decision: Decision, message: InboundMessage) -> list[Participant]:
    """Who becomes a participant of the case by this message. At most two.

    The sender, unless unverified or a notice; of the message that opens a case also the address that answers shall go to.
    """
    if decision.unverified or decision.note:
        return []
    opens = decision.case is None or decision.restored
    found = [(one.address, one.name, "requester" if opens else "sender") for one in message.from_[:1]]
    if decision.case is None:
        found += [(one.address, one.name, "reply_to") for one in message.reply_to[:1]]
    return [one for one in found if one[0]]


@dataclass(frozen=True, slots=True)
class _Overlaid:
    pending: Pending
    book: Book | None

    def filed(self, message_ids: Sequence[str]) -> Mapping[str, str]:
        here = {one: self.pending.ids[one] for one in message_ids if one in self.pending.ids}
        return here | dict(self.book.filed(message_ids)) if self.book else here

    def sent(self, message_ids: Sequence[str]) -> Mapping[str, str]:
        return self.book.sent(message_ids) if self.book else {}

    def standing(self, case: str, address: str) -> Standing | None:
        here = address.lower() in self.pending.people.get(case, ())
        if here and case in self.pending.opened:
            return Standing(case, True)
        known = self.book.standing(case, address) if self.book else None
        if known is None:
            return Standing(case, here) if case in self.pending.people else None
        return replace(known, participant=True) if here and not known.participant else known

    def similar(self, sender: str, about: str, since: float) -> Sequence[str]:
        here = self.pending.topics.get((sender.lower(), about), [])
        known = self.book.similar(sender, about, since) if self.book else ()
        return list(dict.fromkeys((*here, *known)))[:MAX_LINKS]
