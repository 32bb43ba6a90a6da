"""Octets to `InboundMessage`: what a case worker, a hook and the rules get to see of a mail. No I/O.

`parse` takes any octets and never raises; on hostile ones it may take seconds, so run it where it can be killed
(`listener.parsing`). `parse_quickly` is for the daemon's own process: it declines what is large or intricate.
`attachment_octets` reads one attachment again from the raw message.
"""

from __future__ import annotations

import hashlib

from . import attachments, tree, understand
from .identifiers import message_id
from .model import InboundMessage, Trust
from .structure import Part

QUICK_OCTETS = 8 * 1024 * 1024
QUICK_PARTS = 100
QUICK_HEADER = 64 * 1024
QUICK_TEXT = 512 * 1024  # transfer-encoded octets of one text part

__all__ = ["InboundMessage", "Trust", "attachment_contents", "attachment_octets", "parse", "parse_quickly"]


def parse(octets: bytes, trust: Trust = Trust()) -> InboundMessage:  # noqa: B008  (frozen, without fields that differ)
    """The message, as far as it can be understood. Never raises: what fails is a defect of the result."""
    try:
        root, defects = tree.read(octets)
        return understand.understand(root, octets, trust, defects)
    except Exception as error:  # a fault of ours, whatever it is, must not cost the message its row
        return unreadable(octets, f"parser: {type(error).__name__}: {str(error)[:200]}")


def parse_quickly(octets: bytes, trust: Trust = Trust()) -> InboundMessage | None:  # noqa: B008
    """The message, or None when it is too large or too intricate to be read within some 50 ms. Never raises."""
    if len(octets) > QUICK_OCTETS:
        return None
    try:
        root, defects = tree.read(octets)
        return understand.understand(root, octets, trust, defects) if _is_quick(root) else None
    except Exception:  # the worker that reads it next names the fault among the defects
        return None


def attachment_octets(octets: bytes, sha256: str) -> bytes:
    """The decoded octets of the attachment with that digest (hex). Raises KeyError when the message has none."""
    for content in attachment_contents(octets):
        if hashlib.sha256(content).hexdigest() == sha256:
            return content
    raise KeyError(sha256)


def attachment_contents(octets: bytes) -> list[bytes]:
    """The decoded octets of every attachment, in the order of `InboundMessage.attachments`."""
    return understand.attachment_octets(tree.read(octets).root)


def unreadable(octets: bytes, defect: str) -> InboundMessage:
    """What can be said of a message that could not be read: an id, and why."""
    return InboundMessage(message_id=message_id((), octets)[0], defects=(defect,))


def _is_quick(root: Part) -> bool:
    if root.start > QUICK_HEADER:
        return False
    for number, part in enumerate(root.walk(), 1):
        if number > QUICK_PARTS or attachments.is_tnef(part):
            return False
        if part.end - part.start > QUICK_TEXT and part.content_type.startswith("text/"):
            return False
    return True
