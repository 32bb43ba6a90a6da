"""What an IMAP server says, read: no I/O, no recursion, linear, bounded (RFC 9051 §7 and §9, RFC 3501).

The session collects one response as its lines with the literals between them (`literal_size` tells where one follows) and
gives it to `parse`. Every octet may be an attacker's, so nothing but `Malformed` comes out, and lenience ends where a
response could be taken for another one. What the values of a FETCH, SEARCH or STATUS mean is read in `answers.py`.

A value is `str` (an atom or number), `bytes` (a quoted string or literal), None (NIL) or a list (parentheses).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from ...errors import ConnectionLost

MAX_NESTING = 64
MAX_TEXT = 1_000
"""Octets kept of a status response's text."""
MAX_SHOWN = 200
"""Characters of a server's words that people are shown."""
MAX_LITERAL_DIGITS = 12


class Malformed(ConnectionLost):
    """A response that breaks the grammar. The framing may be sound: the session decides whether to go on."""


class Condition(StrEnum):
    """RFC 9051 §7.1."""

    OK = "OK"
    NO = "NO"
    BAD = "BAD"
    BYE = "BYE"
    PREAUTH = "PREAUTH"


Value = str | bytes | None | list["Value"]


@dataclass(frozen=True, slots=True)
class Status:
    """`tag` is empty for an untagged one. `code` is upper case without brackets, empty where there is none.

    `text` has no control characters and at most MAX_TEXT characters; it is the server's, so quote it as such (`shown`).
    """

    tag: str
    condition: Condition
    code: str
    arguments: tuple[Value, ...]
    text: str

    @property
    def shown(self) -> str:
        """What people are shown: the server's words, short, in quotes."""
        words = f"[{self.code}] {self.text}" if self.code else self.text
        return f'the server says "{shown(words)}"'


@dataclass(frozen=True, slots=True)
class Continuation:
    """A `+` and what came with it."""

    text: bytes


@dataclass(frozen=True, slots=True)
class Data:
    """Untagged data: `* 12 FETCH (…)` is `FETCH`, 12, [[…]]. `name` is upper case."""

    name: str
    number: int | None
    values: list[Value]


Response = Status | Continuation | Data

_LITERAL = re.compile(rb"~?\{(\d{1,%d})\+?\}$" % MAX_LITERAL_DIGITS)
_BRACED = re.compile(rb"\{\d+\+?\}$")
_TOKEN = re.compile(
    rb"[ ]*+(?:"
    rb"(\()|(\))"
    rb'|"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
    rb'|((?:[^\x00-\x20()"\[\x7f]++|\[[^\[\]\r\n]{0,1000}+\]|\[)++)'
    rb")",
    re.S,
)
_OPEN, _CLOSE, _QUOTED, _ATOM = 1, 2, 3, 4
_ESCAPED = re.compile(rb"\\(.)", re.S)
_CODE = re.compile(rb'\[([^\s\]"]{1,100}+)(?: ((?:[^\]"]++|"[^"]*+")*+))?\] ?')
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_UNTAGGED_STATUS = re.compile(rb"\* (?:OK|NO|BAD|BYE|PREAUTH)\b", re.I)
_TAG = re.compile(rb"[A-Za-z0-9.]{1,64}")


def literal_size(line: bytes, *, first: bytes) -> int | None:
    """Octets of the literal that this line ends with, or None. `first` is the response's first line: only data has literals.

    Raises Malformed for a number beyond all bounds.
    """
    if not line.endswith(b"}") or not first.startswith(b"* ") or _UNTAGGED_STATUS.match(first):
        return None  # people's text may end so; a tagged or continuation response is one line (RFC 9051 §9)
    found = _LITERAL.search(line)
    if found:
        return int(found[1])
    if _BRACED.search(line):
        raise Malformed("the server announced a literal of absurd length")
    return None


def parse(pieces: Sequence[bytes]) -> Response:
    """One response from its lines and literals, alternating. Raises Malformed."""
    first = pieces[0]
    if first.startswith(b"* "):
        return _untagged(pieces)
    if first.startswith(b"+"):
        return Continuation(first[1:].strip(b" "))
    tag, _, rest = first.partition(b" ")
    if not _TAG.fullmatch(tag):
        raise Malformed(f"the server sent a line that is no response: {printable(first)!r}")
    return _status(tag.decode("ascii"), rest)


def _untagged(pieces: Sequence[bytes]) -> Status | Data:
    rest = pieces[0][2:]
    word, _, after = rest.partition(b" ")
    number = None
    if word.isdigit():
        number = _number(word)
        word, _, after = after.partition(b" ")
    name = word.upper().decode("ascii", "replace")
    if number is None and name in Condition.__members__:
        return _status("", rest)
    if not name.replace("-", "").isalnum():
        raise Malformed(f"the server sent data without a name: {printable(pieces[0])!r}")
    return Data(name, number, read_values((after, *pieces[1:])))


def _status(tag: str, rest: bytes) -> Status:
    word, _, text = rest.partition(b" ")
    name = word.upper().decode("ascii", "replace")
    if name not in Condition.__members__ or (tag and name in ("BYE", "PREAUTH")):
        raise Malformed(f"the server answered with something that is no status: {printable(rest)!r}")
    code = ""
    arguments: tuple[Value, ...] = ()
    found = _CODE.match(text)
    if found:
        code, arguments = found[1].upper().decode("ascii", "replace"), _code_arguments(found[2] or b"")
        text = text[found.end() :]
    return Status(tag, Condition(name), code, arguments, plain(text[:MAX_TEXT].decode("utf-8", "replace")))


def _code_arguments(text: bytes) -> tuple[Value, ...]:
    """Of a code that cannot be read only the name counts."""
    try:
        return tuple(read_values((text,)))
    except Malformed:
        return ()


def read_values(pieces: Sequence[bytes]) -> list[Value]:
    """The values in these lines, with every second piece a literal. Raises Malformed."""
    values: list[Value] = []
    outer: list[list[Value]] = []
    last = len(pieces) - 1
    for index, piece in enumerate(pieces):
        if index % 2:
            values.append(piece)
            continue
        end = len(piece) if index == last else _announcement(piece)
        at = 0
        while token := _TOKEN.match(piece, at, end):
            at = token.end()
            kind = token.lastindex
            if kind == _ATOM:
                atom = token[_ATOM]
                values.append(None if atom in (b"NIL", b"nil") else atom.decode("utf-8", "surrogateescape"))
            elif kind == _OPEN:
                if len(outer) == MAX_NESTING:
                    raise Malformed(f"the server nested more than {MAX_NESTING} parentheses")
                outer.append(values)
                values = []
            elif kind == _CLOSE:
                if not outer:
                    raise Malformed("the server closed a parenthesis that was not open")
                inner, values = values, outer.pop()
                values.append(inner)
            else:
                quoted = token[_QUOTED]
                values.append(_ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted)
        if piece[at:end].strip(b" "):
            raise Malformed(f"the server sent what cannot be read: {printable(piece[at:end])!r}")
    if outer:
        raise Malformed("the server left a parenthesis open")
    return values


def _announcement(line: bytes) -> int:
    """Where the literal's announcement begins at the end of this line."""
    found = _LITERAL.search(line)
    if not found:
        raise Malformed("a literal without announcement")
    return found.start()


def _number(digits: bytes) -> int:
    if len(digits) > 20:
        raise Malformed("the server sent a number without end")
    return int(digits)


# --- a server's words, made harmless ---------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Text without control characters and what turns the direction of writing (R-61)."""
    return _CONTROLS.sub(" ", text).strip()


def shown(text: str) -> str:
    """At most MAX_SHOWN characters of a server's words."""
    text = plain(text)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def printable(octets: bytes) -> str:
    """The beginning of what a server sent, for an error's text."""
    return shown(octets[: 2 * MAX_SHOWN].decode("utf-8", "replace"))
