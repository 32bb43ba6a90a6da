"""DKIM signatures looked at by ourselves (RFC 6376), for accounts whose server's word does not count. By dkimpy, on request.

`key_names` says which keys a message's signatures want; whoever has asked the DNS for them (`parsing`) gives them to `judged`,
in a process that can be killed. No I/O here. Rules of the file:

1. A signature counts only if its domain is aligned with the one From address, and it covers the whole body: `l=` does not
   count, for anybody can write below what it covers. SHA-1 does not count (RFC 8301).
2. What fails says nothing (lists and gateways break signatures): the verdict stays unknown. It never becomes FAIL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from . import tree
from .authentication import aligned, only_domain
from .model import Authentication, InboundMessage, Verdict

MAX_SIGNATURES: Final = 5
MAX_SIGNATURE: Final = 16 * 1024
MAX_OCTETS: Final = 10 * 1024 * 1024
OURSELVES: Final = "dkim"
"""What `Authentication.trusted` says."""

_TAG: Final = re.compile(r"(?:^|;)\s*([a-z]{1,10})\s*=\s*([^;]*)", re.I)
_NAME: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9])?")


def key_names(octets: bytes) -> tuple[str, ...]:
    """The DNS names of the keys that the first signatures want, each once. Never raises."""
    return tuple(dict.fromkeys(_key_name(tags) for tags in _signatures(octets) if _key_name(tags)))


def judged(message: InboundMessage, octets: bytes, keys: Mapping[str, str]) -> InboundMessage:
    """The message, passed where one of its signatures holds and is aligned. `keys`: TXT records by name. Never raises."""
    fields = sum(name == "from" for name, _ in tree.header(octets))
    domain = only_domain(fields, message.from_)
    if not domain or len(octets) > MAX_OCTETS:
        return message
    for index, tags in enumerate(_signatures(octets)):
        if _counts(tags, domain) and _holds(octets, index, keys):
            return replace(message, authentication=Authentication(Verdict.PASS, OURSELVES))
    return message


def _signatures(octets: bytes) -> list[dict[str, str]]:
    fields = [value for name, value in tree.header(octets) if name == "dkim-signature"]
    return [_tags(value[:MAX_SIGNATURE]) for value in fields[:MAX_SIGNATURES]]


def _tags(value: str) -> dict[str, str]:
    return {found[1].lower(): "".join(found[2].split()) for found in _TAG.finditer(value)}


def _key_name(tags: Mapping[str, str]) -> str:
    name = f"{tags.get('s', '')}._domainkey.{tags.get('d', '')}".lower()
    return name if tags.get("s") and tags.get("d") and _NAME.fullmatch(name) else ""


def _counts(tags: Mapping[str, str], domain: str) -> bool:
    strong = tags.get("a", "").lower() in ("rsa-sha256", "ed25519-sha256")
    return strong and "l" not in tags and bool(_key_name(tags)) and aligned(tags["d"].lower().rstrip("."), domain)


def _holds(octets: bytes, index: int, keys: Mapping[str, str]) -> bool:
    import dkim  # an extra; whoever asks for it has it

    def look_up(name: bytes, timeout: float = 0) -> bytes | None:
        found = keys.get(name.decode("ascii", "replace").rstrip(".").lower())
        return None if found is None else found.encode("ascii", "replace")

    try:
        return bool(dkim.DKIM(octets).verify(index, dnsfunc=look_up))
    except Exception:  # whatever a library makes of a stranger's signature, it does not hold
        return False
