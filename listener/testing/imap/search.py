"""SEARCH keys as functions of a message (RFC 9051 §6.4.4).

Called by the SEARCH command. Text is compared without case in the octets as they lie there, undecoded: the daemon never
searches by text, and other clients are content with that. `UnknownCharset` and `Malformed` say what cannot be done.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from ..store import Message
from .fetch import header_end, section
from .grammar import MAX_NESTING, Atom, Malformed, Value, read_date, read_set

SearchKey = Callable[[int, Message], bool]
CHARSETS = (b"US-ASCII", b"UTF-8")
FLAG_KEYS = {"SEEN": "\\Seen", "ANSWERED": "\\Answered", "FLAGGED": "\\Flagged", "DELETED": "\\Deleted", "DRAFT": "\\Draft"}
FIELD_KEYS = frozenset({"FROM", "TO", "CC", "BCC", "SUBJECT"})
DATE_KEYS = frozenset({"BEFORE", "ON", "SINCE", "SENTBEFORE", "SENTON", "SENTSINCE"})


class UnknownCharset(ValueError):
    """The client searches in a charset we do not have."""


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; `returns` holds the options of RETURN, None where there was none."""

    matches: SearchKey
    returns: tuple[str, ...] | None


def read_search(arguments: tuple[Value, ...], *, uid_max: int, number_max: int) -> Search:
    """The arguments of a SEARCH. Raises Malformed or UnknownCharset."""
    rest = list(arguments)
    returns = None
    if len(rest) > 1 and _is(rest[0], "RETURN") and isinstance(rest[1], list):
        returns = tuple(bytes(w).upper().decode("ascii", "replace") for w in rest[1] if isinstance(w, Atom)) or ("ALL",)
        del rest[:2]
    if len(rest) > 1 and _is(rest[0], "CHARSET"):
        if not isinstance(rest[1], bytes) or bytes(rest[1]).upper() not in CHARSETS:
            raise UnknownCharset
        del rest[:2]
    if not rest:
        raise Malformed("SEARCH takes a key")
    return Search(_Reader(rest, uid_max, number_max).all_of(), returns)


def _is(value: Value, word: str) -> bool:
    return isinstance(value, Atom) and value.upper() == word.encode()


class _Reader:
    """Reads keys one after the other."""

    def __init__(self, values: list[Value], uid_max: int, number_max: int, depth: int = 0) -> None:
        if depth > MAX_NESTING:
            raise Malformed("SEARCH nested too deep")
        self._values, self._at, self._depth = values, 0, depth
        self._uid_max, self._number_max = uid_max, number_max

    def all_of(self) -> SearchKey:
        keys = []
        while self._at < len(self._values):
            keys.append(self._key())
        return lambda number, message: all(key(number, message) for key in keys)

    def _next(self) -> Value:
        if self._at >= len(self._values):
            raise Malformed("SEARCH key without its argument")
        self._at += 1
        return self._values[self._at - 1]

    def _text(self) -> bytes:
        value = self._next()
        if not isinstance(value, bytes):
            raise Malformed("SEARCH key expects a string")
        return bytes(value)

    def _number(self) -> int:
        text = self._text()
        if not re.fullmatch(rb"\d{1,20}", text):
            raise Malformed("SEARCH key expects a number")
        return int(text)

    def _key(self) -> SearchKey:
        value = self._next()
        if isinstance(value, list):
            return _Reader(value, self._uid_max, self._number_max, self._depth + 1).all_of()
        word = bytes(value).upper().decode("ascii", "replace")
        if re.fullmatch(r"[\d*:,]+", word):
            return _in_set(read_set(bytes(value), self._number_max), lambda number, message: number)
        if word == "UID":
            return _in_set(read_set(self._text(), self._uid_max), lambda number, message: message.uid)
        if word in ("NOT", "OR"):
            return self._combination(word)
        if word in DATE_KEYS:
            return _by_date(word, read_date(self._text()))
        return self._flag(word) or self._content(word)

    def _combination(self, word: str) -> SearchKey:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise Malformed("SEARCH nested too deep")
        first = self._key()
        if word == "NOT":
            return lambda number, message: not first(number, message)
        second = self._key()
        return lambda number, message: first(number, message) or second(number, message)

    def _flag(self, word: str) -> SearchKey | None:
        if word in ("ALL", "OLD"):
            return lambda number, message: True
        if word in ("NEW", "RECENT"):
            return lambda number, message: False
        if word in ("KEYWORD", "UNKEYWORD"):
            flag = self._text().decode("ascii", "replace").lower()
            return lambda number, message: (flag in {f.lower() for f in message.flags}) == (word == "KEYWORD")
        if word in FLAG_KEYS:
            return lambda number, message: FLAG_KEYS[word] in message.flags
        if word.removeprefix("UN") in FLAG_KEYS:
            return lambda number, message: FLAG_KEYS[word.removeprefix("UN")] not in message.flags
        return None

    def _content(self, word: str) -> SearchKey:
        if word in FIELD_KEYS:
            return _by_field(word, self._text())
        if word == "HEADER":
            return _by_field(self._text().decode("ascii", "replace").upper(), self._text())
        if word in ("LARGER", "SMALLER", "MODSEQ"):
            return _by_number(word, self._number())
        if word in ("TEXT", "BODY"):
            text = self._text().lower()
            whole = word == "TEXT"
            return lambda number, message: text in message.octets[0 if whole else header_end(message.octets) :].lower()
        raise Malformed("unknown SEARCH key")


def _in_set(ranges: list[tuple[int, int]], of: Callable[[int, Message], int]) -> SearchKey:
    starts = [low for low, _ in ranges]
    highest, reach = [], 0
    for _, high in ranges:
        reach = max(reach, high)
        highest.append(reach)

    def matches(number: int, message: Message) -> bool:
        at = bisect_right(starts, of(number, message)) - 1
        return at >= 0 and of(number, message) <= highest[at]

    return matches


def _by_number(word: str, limit: int) -> SearchKey:
    if word == "MODSEQ":
        return lambda number, message: message.modseq >= limit
    if word == "LARGER":
        return lambda number, message: len(message.octets) > limit
    return lambda number, message: len(message.octets) < limit


def _by_field(name: str, text: bytes) -> SearchKey:
    def matches(number: int, message: Message) -> bool:
        found = (section(message.octets, f"HEADER.FIELDS ({name})") or b"").rstrip()
        return bool(found) and text.lower() in found.partition(b":")[2].lower()

    return matches


def _by_date(word: str, day: datetime) -> SearchKey:
    """Days are compared without time and zone, as the RFC asks; INTERNALDATE is in UTC here."""

    def matches(number: int, message: Message) -> bool:
        moment = _sent(message) if word.startswith("SENT") else datetime.fromtimestamp(message.internal_date, UTC)
        if moment is None:
            return False
        that = moment.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        kind = word.removeprefix("SENT")
        return that < day if kind == "BEFORE" else that == day if kind == "ON" else that >= day

    return matches


def _sent(message: Message) -> datetime | None:
    text = (section(message.octets, "HEADER.FIELDS (DATE)") or b"").partition(b":")[2].strip()
    try:
        return parsedate_to_datetime(text.decode("ascii", "replace"))
    except ValueError:
        return None
