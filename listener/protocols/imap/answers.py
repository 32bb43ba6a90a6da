"""What the values of FETCH, SEARCH and STATUS data mean (RFC 9051 §7.2, §7.3, §7.5). No I/O, never raises.

Servers leave out, repeat and invent; a field that is missing or nonsense is None, and the mailbox decides what that means.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

from .grammar import Data, Value

MAX_UID = 0xFFFF_FFFF
MAX_SIZE = 1 << 62
MAX_FOUND = 200_000
"""UIDs taken from one answer; windows keep honest servers far below."""

_DATE = re.compile(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)}


class Skipped(bytes):
    """Stands for a literal that was too large to keep. Empty; `announced` is how large it was."""

    announced: int = 0


@dataclass(slots=True)
class Fetch:
    """One message's FETCH data, as far as it was given. `body` is the section that was asked for, None where there was none."""

    uid: int | None = None
    size: int | None = None
    received_at: float | None = None
    flags: frozenset[str] | None = None
    provider_id: str | None = None
    body: bytes | None = None


def fetch(data: Data, section: str | None = None) -> Fetch | None:
    """The items of a `FETCH` response; None if it is something else.

    `section` is what was asked for between the brackets of BODY.PEEK[…], without a list of fields; any other is left alone,
    or a server's uncalled-for header would be taken for the message.
    """
    if data.name != "FETCH" or not data.values or not isinstance(data.values[0], list):
        return None
    answer = Fetch()
    items = data.values[0]
    for name, value in zip(items[::2], items[1::2], strict=False):
        if isinstance(name, str):
            _take(answer, name.upper(), value, section)
    return answer


def _take(answer: Fetch, name: str, value: Value, section: str | None) -> None:
    match name:
        case "UID":
            answer.uid = number(value, MAX_UID)
        case "RFC822.SIZE":
            answer.size = number(value, MAX_SIZE)
        case "INTERNALDATE":
            answer.received_at = internal_date(value)
        case "FLAGS":
            answer.flags = _flags(value)
        case "X-GM-MSGID":
            answer.provider_id = value[:40] if isinstance(value, str) else None
        case "EMAILID":  # RFC 8474 §5.1: in parentheses
            inner = value[0] if isinstance(value, list) and value else None
            answer.provider_id = inner[:255] if isinstance(inner, str) else answer.provider_id
        case _ if name.startswith("BODY[") and isinstance(value, bytes) and answer.body is None:
            if name[5:].partition("]")[0].partition(" ")[0] == section:
                answer.body = value


def _flags(value: Value) -> frozenset[str] | None:
    return frozenset(flag.lower() for flag in value if isinstance(flag, str)) if isinstance(value, list) else None


def number(value: Value, most: int) -> int | None:
    """A number as IMAP writes it, not above `most`."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 20:
        found = int(value)
        return found if found <= most else None
    return None


def internal_date(value: Value) -> float | None:
    """INTERNALDATE as POSIX seconds."""
    found = _DATE.fullmatch(value) if isinstance(value, bytes) else None
    month = _MONTHS.get(found[2].lower()) if found else None
    if not found or not month:
        return None
    day, year, hour, minute, second, hours, minutes = (int(found[group]) for group in (1, 3, 4, 5, 6, 8, 9))
    if not (1 <= day <= 31 and year >= 1970 and hour < 24 and minute < 60):
        return None
    offset = (hours * 60 + minutes) * 60
    return float(calendar.timegm((year, month, day, hour, minute, second)) - (offset if found[7] == b"+" else -offset))


def found_uids(data: Iterable[Data]) -> list[int]:
    """The UIDs of SEARCH and ESEARCH data (RFC 9051 §7.3.4): ascending, each once, without 0; at most MAX_FOUND."""
    uids: set[int] = set()
    for answer in data:
        if answer.name == "SEARCH":
            uids.update(uid for uid in (number(value, MAX_UID) for value in answer.values[:MAX_FOUND]) if uid)
        elif answer.name == "ESEARCH":
            for key, value in zip(answer.values, answer.values[1:], strict=False):
                if isinstance(key, str) and key.upper() == "ALL" and isinstance(value, str):
                    uids.update(islice(_expanded(value), MAX_FOUND))
    return sorted(uids)[:MAX_FOUND]


def _expanded(text: str) -> Iterable[int]:
    for item in text.split(",")[:MAX_FOUND]:
        first, _, last = item.partition(":")
        low, high = number(first, MAX_UID), number(last or first, MAX_UID)
        if low and high:
            low, high = min(low, high), max(low, high)
            yield from range(low, high + 1)


def status_items(data: Data) -> dict[str, int]:
    """The items of a STATUS response by name, as far as they are numbers."""
    listed = next((value for value in reversed(data.values) if isinstance(value, list)), [])
    pairs = zip(listed[::2], listed[1::2], strict=False)
    items = ((name.upper(), number(value, MAX_SIZE)) for name, value in pairs if isinstance(name, str))
    return {name: value for name, value in items if value is not None}
