"""To whom an answer would go, and whether that address is fit to be written to (R-83, RFC 3834 §4).

The address is the Return-Path if its domain is that of From; else From, but only if the sender's domain vouched for the
message. An address that stands only in the body is never written to (R-84). Nothing here is repaired: what is not plainly an
address gets no answer.
"""

from __future__ import annotations

import re

from ..message.model import InboundMessage, Verdict

MAX_ADDRESS = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
MAX_LOCAL = 64
_LOCAL = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_DOMAIN = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")


def recipient_of(message: InboundMessage) -> str | None:
    """Where the answer to this message goes; None: nowhere that is proven."""
    sender = from_address(message)
    path = (message.return_path or "").strip()
    if path and sender and domain_of(path) == domain_of(sender):
        return path
    return sender if sender and is_verified(message) else None


def from_address(message: InboundMessage) -> str:
    """The one address in From; "" where there is none or more than one."""
    return message.from_[0].address if len(message.from_) == 1 else ""


def is_verified(message: InboundMessage) -> bool:
    """Did the sender's domain vouch for it, by the word of the server that we trust?"""
    return message.authentication.verdict is Verdict.PASS


def domain_of(address: str) -> str:
    """In small letters; "" where there is none."""
    return address.rpartition("@")[2].lower().rstrip(".") if "@" in address else ""


def is_plain(address: str) -> bool:
    """Whether it is `local@domain` in plain ASCII (RFC 5321 §4.1.2, no quoted strings, no address literals)."""
    local, at, domain = address.rpartition("@")
    if not at or len(address) > MAX_ADDRESS or len(local) > MAX_LOCAL:
        return False
    return bool(_LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain))


def in_ascii(address: str) -> str:
    """The address with its domain as DNS has it (IDNA); as it was where that cannot be said."""
    local, at, domain = address.rpartition("@")
    try:
        return f"{local}{at}{domain.encode('idna').decode('ascii')}" if at and not domain.isascii() else address
    except UnicodeError:
        return address
