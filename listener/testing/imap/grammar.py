"""The words of IMAP as a server reads and writes them (RFC 9051 §9): no I/O, and none of it shared with our client.

Called by the embedded server for each command it received. A command arrives here as its lines with the literals cut out
between them; it leaves as a tree of three kinds of value: `Atom` (a bare word), `bytes` (a string), `list` (parentheses).
`Malformed` says why a command cannot be read; the session turns it into BAD.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

MAX_NESTING = 64
MAX_SET_ITEMS = 100_000

_QUOTED = re.compile(rb'"((?:[^"\\\r\n]|\\["\\])*)"')
_BARE = re.compile(rb'[^\s()"\[]+')
_SECTION = re.compile(rb"\[[^\]]*\]")
_LITERAL_END = re.compile(rb"\{(\d{1,10})(\+?)\}\r?\n?$")


class Malformed(ValueError):
    """The client broke the grammar; the text says how."""


class Atom(bytes):
    """A bare word: not quoted, not a literal. `upper()` it before comparing."""


Value = Atom | bytes | list["Value"]


@dataclass(frozen=True, slots=True)
class Command:
    """One command as received. `name` is upper case, with its `UID ` prefix where it has one.

    `line` is what came over the wire without the line end, literals included; `connection` counts from 1 in the server.
    """

    tag: str
    name: str
    arguments: tuple[Value, ...]
    line: bytes
    connection: int = 0
    secure: bool = False


def literal_at_end(line: bytes) -> tuple[int, bool] | None:
    """Octets announced by a literal at the end of this line and whether it waits for us (RFC 7888: `+` does not)."""
    found = _LITERAL_END.search(line)
    return (int(found[1]), not found[2]) if found else None


def read_command(pieces: Sequence[tuple[bytes, bytes | None]], *, connection: int = 0, secure: bool = False) -> Command:
    """A command from its lines, each with the literal that followed it (None after the last). Raises Malformed."""
    tokens = [token for line, literal in pieces for token in _tokens_of(line, literal)]
    whole = b"".join(line + (literal or b"") for line, literal in pieces).rstrip(b"\r\n")
    if len(tokens) < 2 or not isinstance(tokens[0], Atom) or not isinstance(tokens[1], Atom):
        raise Malformed("tag and command expected")
    tag, name, arguments = tokens[0].decode("ascii", "replace"), tokens[1].upper(), tokens[2:]
    if name == b"UID" and arguments and isinstance(arguments[0], Atom):
        name, arguments = b"UID " + arguments[0].upper(), arguments[1:]
    return Command(tag, name.decode("ascii", "replace"), tuple(_nest(arguments)), whole, connection, secure)


def _tokens_of(line: bytes, literal: bytes | None) -> Iterator[Atom | bytes | str]:
    """Words, strings and the parentheses (as str) of one line, and the literal that ends it."""
    end = len(line.rstrip(b"\r\n")) if literal is None else line.rindex(b"{")
    at = 0
    while at < end:
        octet = line[at : at + 1]
        if octet in b" \t":
            at += 1
        elif octet in b"()":
            yield octet.decode()
            at += 1
        elif octet == b'"':
            found = _QUOTED.match(line, at, end)
            if not found:
                raise Malformed("quoted string without end")
            yield re.sub(rb"\\(.)", rb"\1", found[1])
            at = found.end()
        else:
            word_end = _word_end(line, at, end)
            yield Atom(line[at:word_end])
            at = word_end
    if literal is not None:
        yield literal


def _word_end(line: bytes, at: int, end: int) -> int:
    """Where a bare word ends; brackets hold blanks and parentheses together (`BODY[HEADER.FIELDS (From)]<0.9>`)."""
    start = at
    while at < end:
        found = _SECTION.match(line, at, end) or _BARE.match(line, at, end)
        if not found:
            break
        at = found.end()
    if at == start:
        raise Malformed(f"unexpected {line[at : at + 1]!r}")
    return at


def _nest(tokens: Sequence[Atom | bytes | str]) -> list[Value]:
    """The flat words as a tree."""
    stack: list[list[Value]] = [[]]
    for token in tokens:
        if token == "(":
            if len(stack) > MAX_NESTING:
                raise Malformed("parentheses too deep")
            stack.append([])
        elif token == ")":
            if len(stack) == 1:
                raise Malformed("unexpected )")
            inner = stack.pop()
            stack[-1].append(inner)
        elif isinstance(token, bytes):
            stack[-1].append(token)
    if len(stack) > 1:
        raise Malformed("missing )")
    return stack[0]


# --- numbers ---------------------------------------------------------------------------------------------------------


def read_set(text: bytes, largest: int) -> list[tuple[int, int]]:
    """A sequence set as ascending ranges, `*` being `largest` (RFC 9051 §9: `5:3` equals `3:5`). Raises Malformed."""
    items = text.split(b",")
    if len(items) > MAX_SET_ITEMS:
        raise Malformed("set too long")
    ranges = []
    for item in items:
        if not re.fullmatch(rb"(\d{1,10}|\*)(:(\d{1,10}|\*))?", item):
            raise Malformed("bad sequence set")
        ends = [largest if end == b"*" else int(end) for end in item.split(b":")]
        if 0 in ends and b"0" in item.split(b":"):
            raise Malformed("zero in a sequence set")
        ranges.append((min(ends), max(ends)))
    return sorted(ranges)


def write_set(numbers: Sequence[int]) -> bytes:
    """Ascending numbers as the shortest set, `1:3,7`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return b",".join(b"%d" % a if a == b else b"%d:%d" % (a, b) for a, b in runs)


# --- strings ---------------------------------------------------------------------------------------------------------


def quote(text: str | bytes | None) -> bytes:
    """A string as quoted string where that is allowed, else as literal; None is NIL."""
    if text is None:
        return b"NIL"
    octets = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    if len(octets) > 1000 or any(octet < 32 or octet > 126 for octet in octets):
        return b"{%d}\r\n%b" % (len(octets), octets)
    return b'"' + octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def encode_folder(name: str, *, utf8: bool = False) -> bytes:
    """A folder's name on the wire, always quoted: modified UTF-7 (RFC 3501 §5.1.3), or UTF-8 once IMAP4rev2 is enabled."""
    if utf8:
        return b'"' + name.encode().replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'
    out = bytearray()
    for run in re.findall(r"[\x20-\x7e]+|[^\x20-\x7e]+", name):
        if run.isascii() and run.isprintable():
            out += run.replace("&", "&-").encode()
        else:
            out += b"&" + base64.b64encode(run.encode("utf-16-be")).rstrip(b"=").replace(b"/", b",") + b"-"
    return quote(bytes(out))


def decode_folder(name: bytes, *, utf8: bool = False) -> str:
    """The inverse of `encode_folder`, quotes taken off already. Raises Malformed."""
    try:
        if utf8:
            return name.decode()
        return re.sub(r"&([^-]*)-", _decode_shift, name.decode("ascii"))
    except (UnicodeError, ValueError) as error:
        raise Malformed("bad folder name") from error


def _decode_shift(found: re.Match[str]) -> str:
    if not found[1]:
        return "&"
    octets = base64.b64decode(found[1].replace(",", "/") + "=" * (-len(found[1]) % 4), validate=True)
    return octets.decode("utf-16-be")


# --- dates -----------------------------------------------------------------------------------------------------------

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def write_date_time(moment: datetime) -> bytes:
    """INTERNALDATE, ` 7-Nov-2026 10:00:00 +0000`; month names never follow the locale."""
    return f'"{moment.day:2}-{MONTHS[moment.month - 1]}-{moment:%Y %H:%M:%S %z}"'.encode()


def read_date_time(text: bytes) -> datetime:
    """What APPEND gives as date. Raises Malformed."""
    found = re.fullmatch(rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4} \d\d:\d\d:\d\d [+-]\d{4})", text)
    if not found:
        raise Malformed("bad date-time")
    try:
        return datetime.strptime(f"{found[1].decode()} {_month(found[2])} {found[3].decode()}", "%d %m %Y %H:%M:%S %z")
    except ValueError as error:
        raise Malformed("bad date-time") from error


def read_date(text: bytes) -> datetime:
    """The date of a SEARCH key, `7-Nov-2026`, as midnight without a zone. Raises Malformed."""
    found = re.fullmatch(rb"(\d{1,2})-([A-Za-z]{3})-(\d{4})", text)
    if not found:
        raise Malformed("bad date")
    try:
        return datetime(int(found[3]), _month(found[2]), int(found[1]))
    except ValueError as error:
        raise Malformed("bad date") from error


def _month(name: bytes) -> int:
    try:
        return MONTHS.index(name.decode().capitalize()) + 1
    except ValueError as error:
        raise Malformed("bad month") from error
