"""How the arguments of lists are read and where their next page begins; each fault is refused by its field's name.

A page is a plain list that knows its `next`, an opaque cursor. In it is the place where the page ended, so that rows which come
or go meanwhile neither repeat nor hide others.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from ..ledger import Row
from ..ledger.search import Place
from .routes import BadRequest, Listed

__all__ = [
    "DEFAULT_LIMIT",
    "MAX_LIMIT",
    "Listed",
    "address_cursor",
    "address_of",
    "before_of",
    "cursor_of",
    "limit_of",
    "listed",
    "moment_of",
    "number_of",
    "one_of",
    "place_of",
    "text_of",
]

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000
"""Rows one answer may hold."""
MAX_NUMBER = 2**63 - 1
MAX_CURSOR = 2_000
"""Characters of an address in one."""
MAX_TEXT = 200
"""Characters of what is searched for."""
_PLACE = re.compile(r"([0-9]{1,19})(?:@(-?[0-9.e+-]{1,30}))?")


def cursor_of(place: Place | None) -> str | None:
    """The place as text that nobody needs to understand."""
    if place is None:
        return None
    text = str(place.id) if place.at is None else f"{place.id}@{place.at!r}"
    return base64.urlsafe_b64encode(text.encode("ascii")).decode("ascii").rstrip("=")


def place_of(cursor: str | None) -> Place | None:
    """Raises BadRequest for what was no cursor of ours."""
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor[:100].encode("ascii") + b"==").decode("ascii")
        found = _PLACE.fullmatch(text)
        if found is None:
            raise ValueError
        at = None if found[2] is None else float(found[2])
    except (ValueError, binascii.Error) as error:
        raise BadRequest(f"no such cursor: {cursor[:40]!r}", field="cursor") from error
    if int(found[1]) > MAX_NUMBER or (at is not None and not math.isfinite(at)):
        raise BadRequest(f"no such cursor: {cursor[:40]!r}", field="cursor")
    return Place(int(found[1]), at)


def address_cursor(address: str) -> str:
    """The same for a list by address."""
    return base64.urlsafe_b64encode(address.encode("utf-8", "replace")).decode("ascii").rstrip("=")


def address_of(cursor: str) -> str:
    """Raises BadRequest."""
    try:
        return base64.urlsafe_b64decode(cursor[:MAX_CURSOR].encode("ascii") + b"==").decode("utf-8")
    except (ValueError, binascii.Error) as error:
        raise BadRequest(f"no such cursor: {cursor[:40]!r}", field="cursor") from error


def before_of(cursor: str | None, before: str | int | None) -> int | None:
    """Where a page by descending ids begins: behind the cursor's place, else before that id. Raises BadRequest."""
    place = place_of(cursor)
    if place is not None:
        return place.id
    return None if before is None else number_of(before, "before")


def listed(rows: Sequence[Row], most: int) -> Listed:
    """A page by descending ids. A full one may be the last: then the next is empty."""
    return Listed(rows, cursor_of(Place(rows[-1]["id"])) if len(rows) == most else None)


def limit_of(value: str | int) -> int:
    """Raises BadRequest."""
    text = str(value)
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) else 0
    if not 1 <= number <= MAX_LIMIT:
        raise BadRequest(f"limit must be from 1 to {MAX_LIMIT}, not {text[:40]!r}", field="limit")
    return number


def number_of(value: str | int, field: str, what: str = "number") -> int:
    """A number as people type it, with or without #. Raises BadRequest."""
    digits = str(value).removeprefix("#")
    whole = digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_NUMBER))
    if not whole or int(digits) > MAX_NUMBER:
        raise BadRequest(f"not a {what}: {str(value)[:40]!r}", field=field)
    return int(digits)


def moment_of(value: str | None, field: str) -> float | None:
    """POSIX seconds, from those or from RFC 3339 (a date alone is its beginning in UTC). Raises BadRequest."""
    if value is None:
        return None
    text = value[:40]
    try:
        seconds = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else _calendar(text)
    except (ValueError, OverflowError):
        seconds = math.nan
    if not 0 <= seconds <= MAX_NUMBER:
        raise BadRequest(f"not a time: {text!r}; write 2026-01-31T10:00:00Z, 2026-01-31, or POSIX seconds", field=field)
    return seconds


def _calendar(text: str) -> float:
    moment = datetime.fromisoformat(text.replace(" ", "+"))  # a + that became a space in a query
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def text_of(value: str | None) -> str | None:
    """What is searched for; None when nothing is. Raises BadRequest."""
    if value is None or not value.strip():
        return None
    if len(value) > MAX_TEXT:
        raise BadRequest(f"text may have {MAX_TEXT} characters", field="text")
    return value


def one_of(value: str | None, allowed: Iterable[str], field: str) -> str | None:
    """Raises BadRequest for anything else."""
    choices = list(allowed)
    if value is not None and value not in choices:
        raise BadRequest(f"no such {field}: {value[:40]!r}; there are {', '.join(choices)}", field=field)
    return value
