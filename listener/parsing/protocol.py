"""How a parse worker is spoken to: length-prefixed frames over its pipes, octets in, JSON out, never a pickle.

    request    4 octets head length · 4 octets body length · head (JSON) · body (the raw message)
    answer     4 octets JSON length · 4 octets contents length · JSON (`InboundMessage.as_json`) · contents

`contents` are the decoded attachments one after the other, as long as the JSON says each is; empty unless asked for.
"""

from __future__ import annotations

import json
import struct
from typing import NamedTuple

from ..message import InboundMessage, Trust

FRAME = struct.Struct(">II")
MAX_JSON = 64 * 1024 * 1024
MAX_CONTENTS = 256 * 1024 * 1024


class Answer(NamedTuple):
    """What came back: JSON as it was sent, and the attachments' octets."""

    json: bytes
    contents: bytes

    def message(self) -> InboundMessage:
        """The message. Raises KeyError, TypeError or ValueError when the JSON is not of the schema."""
        return InboundMessage.from_json(json.loads(self.json))


def request(octets: bytes, trust: Trust, *, contents: bool = False) -> tuple[bytes, bytes]:
    """The two pieces of a request, to be written one after the other (a large body is not copied)."""
    fields = {"authserv_id": trust.authserv_id, "topmost_without_id": trust.topmost_without_id, "contents": contents}
    head = json.dumps(fields).encode()
    return FRAME.pack(len(head), len(octets)) + head, octets


def read_head(head: bytes) -> tuple[Trust, bool]:
    """The trust that a request's head names, and whether it asks for contents."""
    fields = json.loads(head)
    return Trust(fields["authserv_id"], fields["topmost_without_id"]), fields["contents"]


def answer(message: InboundMessage, contents: list[bytes]) -> list[bytes]:
    """The pieces of an answer frame."""
    body = json.dumps(message.as_json()).encode()
    return [FRAME.pack(len(body), sum(map(len, contents))), body, *contents]
