"""How a parse worker is spoken to: length-prefixed frames over its pipes, octets in, JSON out, never a pickle.

    request    4 octets head length · 4 octets body length · head (JSON) · body (the raw message)
    answer     4 octets JSON length · 4 octets contents length · JSON (`InboundMessage.as_json`) · contents

`contents` are the decoded attachments one after the other, as long as the JSON says each is; empty unless asked for.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import asdict
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


class Head(NamedTuple):
    """What a request asks. `keys`: DKIM keys by their DNS names, where signatures are to be looked at."""

    trust: Trust
    contents: bool
    keys: dict[str, str]


def request(
    octets: bytes, trust: Trust, *, contents: bool = False, keys: Mapping[str, str] | None = None
) -> tuple[bytes, bytes]:
    """The two pieces of a request, to be written one after the other (a large body is not copied)."""
    head = json.dumps({"trust": asdict(trust), "contents": contents, "keys": dict(keys or {})}).encode()
    return FRAME.pack(len(head), len(octets)) + head, octets


def read_head(head: bytes) -> Head:
    """What the request asks."""
    fields = json.loads(head)
    trust = fields["trust"]
    return Head(Trust(**trust | {"reply_markers": tuple(trust["reply_markers"])}), fields["contents"], fields["keys"])


def answer(message: InboundMessage, contents: list[bytes]) -> list[bytes]:
    """The pieces of an answer frame."""
    body = json.dumps(message.as_json()).encode()
    return [FRAME.pack(len(body), sum(map(len, contents))), body, *contents]
