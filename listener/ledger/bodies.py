"""A parsed message as one text column, and back: the contract's JSON, the same text never twice.

Most mail quotes nothing, so that what the sender newly wrote is the whole text but for empty lines at its ends; it is then left
out and put back on reading.
"""

from __future__ import annotations

import json

from ..message.model import InboundMessage
from . import events


def pack(message: InboundMessage) -> str:
    """What the column holds."""
    body = message.as_json()
    if message.reply.text == message.text.strip("\n"):
        body["reply"] = {**body["reply"], "text": None}
    return events.encode(body)


def unpack(text: str) -> InboundMessage:
    """The message that was packed. Raises ValueError, KeyError or TypeError for anything else."""
    body = json.loads(text)
    if body["reply"]["text"] is None:
        body["reply"]["text"] = body["text"].strip("\n")
    return InboundMessage.from_json(body)
