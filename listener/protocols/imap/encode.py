"""Commands, written: what may stand in an argument, how it is quoted, and what is refused (R-62). No I/O.

An argument that holds CR, LF, NUL or another control character is `Unencodable`, never sent: that is how one command
would become two. Text beyond ASCII goes as a literal, which every server understands.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from . import mutf7

MAX_SET_TEXT = 4_000
"""Octets of one UID set: a command line stays under the 8,000 octets that servers must take (RFC 7162 §4)."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_QUOTABLE = re.compile(r"[\x20-\x7e]{0,900}")


class Unencodable(ValueError):
    """The text cannot be an argument; the message says why, without the text."""


class Literal(bytes):
    """An argument to be sent as a literal."""


@dataclass(frozen=True, slots=True)
class Command:
    """A command without its tag. `secret`: its arguments must not be traced."""

    name: str
    arguments: tuple[bytes, ...] = field(default=(), repr=False)
    secret: bool = False


def astring(text: str) -> bytes:
    """A string argument: quoted, or a Literal. Raises Unencodable."""
    if _CONTROL.search(text):
        raise Unencodable("it holds a control character")
    if _QUOTABLE.fullmatch(text):
        return b'"' + text.replace("\\", "\\\\").replace('"', '\\"').encode("ascii") + b'"'
    try:
        return Literal(text.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise Unencodable("it holds half a character") from error


def folder(name: str, *, utf8: bool) -> bytes:
    """A folder's name: UTF-8 where the session agreed on it (RFC 6855 §3), else modified UTF-7. Raises Unencodable."""
    if _CONTROL.search(name):
        raise Unencodable("it holds a control character")
    return astring(name if utf8 else mutf7.encode(name))


def uid_sets(uids: Iterable[int]) -> list[bytes]:
    """These UIDs as sets (`1:3,7`), ascending, each short enough for one command."""
    sets: list[bytes] = []
    text = b""
    for first, last in _runs(sorted(set(uids))):
        item = b"%d" % first if first == last else b"%d:%d" % (first, last)
        if text and len(text) + len(item) >= MAX_SET_TEXT:
            sets.append(text)
            text = b""
        text += b"," + item if text else item
    return [*sets, text] if text else sets


def _runs(ascending: Sequence[int]) -> list[tuple[int, int]]:
    runs: list[tuple[int, int]] = []
    for number in ascending:
        if runs and number == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], number)
        else:
            runs.append((number, number))
    return runs


def segments(tag: str, command: Command, *, free: int) -> list[bytes]:
    """The command as it is sent; after each segment but the last the server must consent to the literal announced.

    `free` is the largest literal that needs no consent (RFC 7888): -1 where every one does.
    """
    done: list[bytes] = []
    line = f"{tag} {command.name}".encode("ascii")
    for argument in command.arguments:
        if not isinstance(argument, Literal):
            line += b" " + argument
        elif len(argument) <= free:
            line += b" {%d+}\r\n%b" % (len(argument), argument)
        else:
            done.append(line + b" {%d}\r\n" % len(argument))
            line = bytes(argument)
    return [*done, line + b"\r\n"]


def traced(tag: str, command: Command) -> bytes:
    """The command as a protocol trace may show it (R-88): no secret, no literal."""
    if command.secret:
        return f"{tag} {command.name} ***".encode("ascii")
    shown = (b"<%d octets>" % len(word) if isinstance(word, Literal) else word for word in command.arguments)
    return b" ".join((f"{tag} {command.name}".encode("ascii"), *shown))
