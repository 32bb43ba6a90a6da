"""What a hook is called with: made from a delivery of the ledger, or by hand in a test of a hook.

The attachments of a message that a hook holds can be opened: they find their octets in the raw message, which is read when
somebody asks and not before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..message import attachment_octets
from ..message.model import Attachment, InboundMessage


def bound(message: InboundMessage, read_raw: Callable[[], bytes]) -> InboundMessage:
    """The message with attachments whose `open()` works. `read_raw` is called for each opening, on the calling thread."""
    if not message.attachments:
        return message
    return replace(message, attachments=tuple(_bound(attachment, read_raw) for attachment in message.attachments))


def _bound(attachment: Attachment, read_raw: Callable[[], bytes]) -> Attachment:
    return replace(attachment, opener=lambda: attachment_octets(read_raw(), attachment.sha256))
