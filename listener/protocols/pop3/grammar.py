"""Lines of POP3 taken apart and commands put together (RFC 1939, 2449, 3206). No I/O.

Everything from the server is an attacker's: what does not fit is None or left out, never guessed. Command arguments refuse
control characters, because CR LF in a user name would be a second command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MAX_UIDL = 70
"""Octets of a unique-id (RFC 1939 §7); a longer one is not one."""

_STATUS = re.compile(rb"(\+OK|-ERR)(?: +(.*))?", re.I | re.S)
_CODE = re.compile(r"\[([A-Z0-9][A-Z0-9/._-]{0,40})\]", re.I)
_UIDL = re.compile(rb"[\x21-\x7e]{1,%d}" % MAX_UIDL)
_NUMBER = re.compile(rb"[0-9]{1,10}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
MAX_SHOWN = 200


class Unencodable(ValueError):
    """The text cannot be a command's argument; the message says why, without the text."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status line: did it go well, the response code in upper case (RFC 2449 §8), and the words."""

    ok: bool
    code: str
    text: str

    @property
    def shown(self) -> str:
        """The server's words as people may see them: no control characters, short."""
        return f"the server says: {_CONTROL.sub(' ', self.text)[:MAX_SHOWN].strip() or 'no reason'}"


def answer(line: bytes) -> Answer | None:
    """A status line, or None when it is not one."""
    found = _STATUS.fullmatch(line)
    if found is None:
        return None
    text = (found[2] or b"").decode("utf-8", "replace")
    code = _CODE.match(text)
    return Answer(found[1][:1] == b"+", code[1].upper() if code else "", text)


def argument(text: str) -> bytes:
    """One argument. Raises Unencodable for control characters and emptiness."""
    if not text or any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) < 0xE000 for c in text):
        raise Unencodable("it is empty or holds a control character")
    return text.encode("utf-8")


def scan(line: bytes) -> tuple[int, int] | None:
    """A scan listing (`LIST`): message number and size in octets."""
    parts = line.split(None, 2)
    if len(parts) < 2 or not _NUMBER.fullmatch(parts[0]) or not _NUMBER.fullmatch(parts[1]):
        return None
    return int(parts[0]), int(parts[1])


def unique_id(line: bytes) -> tuple[int, str | None] | None:
    """A unique-id listing (`UIDL`): message number, and its id or None where it is blank, too long or no id at all."""
    number, _, uidl = line.strip().partition(b" ")
    if not _NUMBER.fullmatch(number):
        return None
    uidl = uidl.strip()
    return int(number), uidl.decode("ascii") if _UIDL.fullmatch(uidl) else None


def capability(line: bytes) -> tuple[str, tuple[str, ...]] | None:
    """One capability and its arguments, upper case (RFC 2449 §5)."""
    words = line.decode("ascii", "replace").upper().split()
    return (words[0], tuple(words[1:])) if words else None
