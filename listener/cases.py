"""Which case does a message belong to? The rules, in order, and nothing else: no I/O, the ledger answers the look-ups.

Called by the ledger inside the transaction that files the message, so that two messages of one page see each other.

1. References, newest first, then In-Reply-To: a Message-ID already filed in this account → its case (RFC 5322 §3.6.4).
2. Anything else → a new case.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .message.model import InboundMessage

MAX_REFERENCES = 50
"""How many of the newest references are looked up; a longer list is an attacker's or a broken client's."""


@dataclass(frozen=True, slots=True)
class Decision:
    """The case to join (None: make a new one), the rule that said so and what it matched."""

    case: str | None
    rule: str
    matched: str = ""


Lookup = Callable[[Sequence[str]], dict[str, str]]
"""Bare Message-IDs → the case each is filed in, for those known in this account."""


def decide(message: InboundMessage, lookup: Lookup) -> Decision:
    """The first rule that holds. Looks up at most MAX_REFERENCES + MAX_REFERENCES ids in one call."""
    wanted = [*reversed(message.references[-MAX_REFERENCES:]), *message.in_reply_to[:MAX_REFERENCES]]
    known = lookup(wanted) if wanted else {}
    for message_id in wanted:
        if message_id in known:
            rule = "references" if message_id in message.references else "in_reply_to"
            return Decision(known[message_id], rule, message_id)
    return Decision(None, "new")
