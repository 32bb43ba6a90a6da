"""Message-ids (RFC 5322 §3.6.4), kept without `<>`, and a stable substitute for a message that has none."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable

from . import encoded_words

MAX_IDENTIFIERS = 200
MAX_IDENTIFIER = 998
SUBSTITUTE_DOMAIN = "missing-message-id.invalid"  # RFC 6761 §6.4: never a real domain

_ANGLE = re.compile(r"<([^<>]{1,2000})>")


def read(values: Iterable[str]) -> tuple[str, ...]:
    """Each id of the fields once, in order; of very many the first and the latest ones."""
    found: dict[str, None] = {}
    for value in values:
        if "=?" in value:  # some relays encode a long References field
            value = encoded_words.decode(value)
        bracketed = _ANGLE.findall(value)
        for candidate in bracketed or (word.strip("<>,;\"'") for word in value.split() if "@" in word):
            identifier = "".join(candidate.split())
            if identifier and len(identifier) <= MAX_IDENTIFIER:
                found.setdefault(identifier)
    identifiers = tuple(found)
    if len(identifiers) > MAX_IDENTIFIERS:
        return identifiers[:1] + identifiers[1 - MAX_IDENTIFIERS :]
    return identifiers


def message_id(values: Iterable[str], octets: bytes) -> tuple[str, bool]:
    """The message's own id, and whether it had one; else one made from the digest of its octets, the same every time."""
    for value in values:
        bracketed = _ANGLE.search(value)
        identifier = "".join((bracketed[1] if bracketed else value.strip().strip("<>")).split())
        if identifier:
            return identifier[:MAX_IDENTIFIER], True
    return f"{hashlib.sha256(octets).hexdigest()[:40]}@{SUBSTITUTE_DOMAIN}", False
