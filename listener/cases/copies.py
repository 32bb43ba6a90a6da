"""Is a message one that we have already, sent or delivered once more?

A re-sent copy has the Message-ID, the date, the people, the subject and the content of the first; only what servers on its
way wrote differs (Received, Return-Path, Authentication-Results and their like). A Message-ID alone says nothing: anybody can
use it again. The comparison is of what was parsed; where that cannot have seen everything, the caller compares bodies octet by
octet.
"""

from __future__ import annotations

from ..message.model import InboundMessage

MAX_CANDIDATES = 10
"""Filed messages with one Message-ID that a new one is compared with: the first ones."""

_FLAG = "flag: "  # a second look at the sender, not at what could be read


def is_copy(one: InboundMessage, other: InboundMessage) -> bool:
    """Whether everything that its sender wrote is the same."""
    return _written(one) == _written(other) and _shape(one) == _shape(other)


def seen_whole(message: InboundMessage) -> bool:
    """Whether parsing met nothing that it could not read, so that equal means equal."""
    return all(defect.startswith(_FLAG) for defect in message.defects)


def _written(m: InboundMessage) -> tuple[object, ...]:
    people = (m.from_, m.sender, m.reply_to, m.to, m.cc)
    return (m.message_id, m.date, m.subject, m.in_reply_to, m.references, *people, m.text, m.html)


def _shape(m: InboundMessage) -> list[tuple[object, ...]]:
    return [(part.sha256, part.size, part.filename, part.content_type, part.content_id) for part in m.attachments]
