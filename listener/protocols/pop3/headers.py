"""The two facts that a POP3 reset asks of a header: its Message-ID, and when the last hop received it. No I/O.

POP3 has no INTERNALDATE; the topmost Received field was written by the server that holds the mail, and is the nearest thing.
Bounded by what the caller fetched; never raises.
"""

from __future__ import annotations

import re
from email.utils import mktime_tz, parsedate_tz

MAX_FIELD = 8_192
"""Octets of one field that are looked at."""

_MESSAGE_ID = re.compile(rb"^message-id:[ \t]*(?:\r\n[ \t]+)?<([^<>\r\n]{1,998})>", re.I | re.M)
_RECEIVED = re.compile(rb"^received:", re.I | re.M)
_NEXT_FIELD = re.compile(rb"\n[^ \t]")


def bare_message_id(header: bytes) -> str | None:
    """The Message-ID without `<>`."""
    found = _MESSAGE_ID.search(header)
    return found[1].decode("utf-8", "replace").strip() if found else None


def received_time(header: bytes) -> float | None:
    """POSIX seconds of the topmost Received field (RFC 5321 §4.4: the date stands behind the last semicolon)."""
    found = _RECEIVED.search(header)
    if found is None:
        return None
    field = header[found.end() : found.end() + MAX_FIELD]
    end = _NEXT_FIELD.search(field)
    text = field[: end.start()] if end else field
    parsed = parsedate_tz(text.rpartition(b";")[2].decode("ascii", "replace").strip()[:200])
    try:
        return float(mktime_tz(parsed)) if parsed else None
    except (ValueError, OverflowError):
        return None
