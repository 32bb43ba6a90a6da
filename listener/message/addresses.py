"""Address fields read strictly, linearly and within bounds (RFC 5322 §3.4; R-65, R-66).

Called for From, Sender, Reply-To, To, Cc and Return-Path, on undecoded values: words are decoded after the structure is
known, so no encoded word can forge an address. Groups are flattened. What holds no address gives none.

Rules of the file:
1. an address in `<>` is the address; anything before it is its name, whatever that looks like;
2. an address is one `local@domain` as written: nothing is decoded, completed or repaired inside it; only what stands
   in `<>` may lack the domain (`MAILER-DAEMON`);
3. commas and semicolons separate (Outlook), except within quotes, comments, `<>` and encoded words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from . import encoded_words
from .model import Address

MAX_FIELD = 16 * 1024
MAX_ADDRESSES = 500
MAX_ADDRESS = 998
MAX_NAME = 1_000
MAX_DELIVERED = 20

_PLAIN = re.compile(
    r"\s*(?:([A-Za-z0-9 '._=?*+/-]*+|\"[^\"\\]*+\")\s*<([^<>@\s\"(),:;\\\[\]=]++@[A-Za-z0-9.-]++)>"
    r"|([^<>@\s\"(),:;\\\[\]=]++@[A-Za-z0-9.-]++))\s*(?:,|\Z)"
)  # a mailbox without any subtlety, and what ends it
_TOKEN = re.compile(
    r"\"((?:[^\"\\]|\\.)*+)(?:\"|\\?\Z)"  # a quoted string
    r"|<([^<>]*)(?:>|\Z|(?=<))"  # an address in angle brackets
    r"|(=\?[^?\s]{1,60}\?[bBqQ]\?[^?]{0,1000}\?=)"
    r"|([,;])"
    r"|(\()"
    r"|(\s+)"
    r"|([^\s\"<,;()]+|[)>])",
    re.S,
)
_QUOTED_PAIR = re.compile(r"\\(.)", re.S)
_COMMENT_MARK = re.compile(r"\\.|[()]", re.S)
_ROUTE = re.compile(r"^\s*(?:@[^,:@]*,?\s*)+:")
_DOMAIN = re.compile(r"(?:[^\s@<>()\[\]\\,;:\"]+|\[[^\s@<>()\[\]\\]*\])")
_BARE = re.compile(r"[A-Za-z0-9._+-]{1,64}")
_LOCAL = re.compile(r"(?:\"(?:[^\"\\\r\n]|\\.)*\"|[^\s@<>()\[\]\\,;:\"]+)")


def read(values: Iterable[str], defects: list[str]) -> tuple[Address, ...]:
    """Every mailbox of the fields in order, at most 500."""
    found: list[Address] = []
    for value in values:
        if len(value) > MAX_FIELD:
            value = value[:MAX_FIELD]
            defects.append(f"addresses: a field over {MAX_FIELD} characters was cut")
        found += _plain(value) or _Reader(value).mailboxes()
        if len(found) > MAX_ADDRESSES:
            defects.append(f"addresses: over {MAX_ADDRESSES}, the rest was not read")
            return tuple(found[:MAX_ADDRESSES])
    return tuple(found)


def _plain(value: str) -> list[Address]:
    """The mailboxes of an ordinary field; none where anything in it needs a closer look."""
    found: list[Address] = []
    position = 0
    while position < len(value):
        one = _PLAIN.match(value, position)
        if not one:
            return []
        name = one[1].strip('" ') if one[1] else ""
        found.append(Address(_name([name]) if name else "", one[2] or one[3]))
        position = one.end()
    return found


def return_path(value: str) -> str | None:
    """The reverse path of a Return-Path field: "" for the null path `<>`, None where there is no address."""
    if value.strip() in ("<>", "< >"):
        return ""
    mailboxes = read([value], []) if value else ()
    return mailboxes[0].address if mailboxes else None


def delivered_to(values: Iterable[str]) -> tuple[str, ...]:
    """The addresses that servers on the way say they delivered to, each once; at most MAX_DELIVERED."""
    bare = (addr_spec(value.strip().strip("<>")) for value in islice(values, MAX_DELIVERED) if len(value) <= MAX_ADDRESS)
    return tuple(dict.fromkeys(address for address in bare if address))


def addr_spec(text: str) -> str | None:
    """`text` without comments and blanks around it, if it is one `local@domain`; else None."""
    text = _ROUTE.sub("", text, count=1).strip() if text.lstrip().startswith("@") else text.strip()
    text = text.removeprefix("mailto:").strip("' \t") if text[:7].lower() == "mailto:" or text[:1] == "'" else text
    local, at, domain = text.rpartition("@")
    if not at or len(text) > MAX_ADDRESS or "=?" in text:
        return None
    local, domain = local.strip(), domain.strip().rstrip(".")
    return f"{local}@{domain}" if _LOCAL.fullmatch(local) and _DOMAIN.fullmatch(domain) else None


def _local_part(text: str) -> str | None:
    """`<mailer-daemon>`: a mailbox of the sender's own host, which only means something to it; shown, never trusted."""
    return text if _BARE.fullmatch(text) else None


class _Reader:
    """One field's tokens gathered into mailboxes."""

    def __init__(self, value: str) -> None:
        self._value = value
        self._group_ends = ";" in value
        self._found: list[Address] = []
        self._phrase: list[str] = []  # decoded later
        self._quoted = False  # whether a quoted string stands in the phrase
        self._comments: list[str] = []
        self._angle: str | None = None

    def mailboxes(self) -> list[Address]:
        position, value = 0, self._value
        while position < len(value) and len(self._found) <= MAX_ADDRESSES:
            token = _TOKEN.match(value, position)
            if not token:  # every character begins one of the alternatives
                break
            position = token.end()
            kind = token.lastindex
            if kind == 1:
                self._phrase.append(_Quoted(_QUOTED_PAIR.sub(r"\1", token[1])))
            elif kind == 2:
                self._angle_address(token[2])
            elif kind == 4:
                self._finish()
            elif kind == 5:
                comment, position = _comment(value, position)
                self._comments.append(comment)
            elif kind == 6:
                self._phrase.append(" ")
            else:
                self._word(token[0])
        self._finish()
        return self._found

    def _word(self, word: str) -> None:
        # RFC 5322 §3.4: `name:` opens a group; what stands before the colon is no mailbox.
        before, colon, after = word.rpartition(":")
        if colon and "@" not in before and before.lower() != "mailto" and self._group_ends:
            self._phrase = []
            word = after
        if word:
            self._phrase.append(word)

    def _angle_address(self, content: str) -> None:
        if self._angle is not None:  # `<a@b> <c@d>`: two mailboxes without a separator
            self._finish()
        self._angle = _without_comments(content) if "(" in content else content

    def _finish(self) -> None:
        phrase, comments, angle = self._phrase, self._comments, self._angle
        self._phrase, self._comments, self._angle = [], [], None
        name = _name(phrase)
        if angle is not None:
            if address := addr_spec(angle) or _local_part(angle):
                self._found.append(Address(name or _name(comments), address))
            elif not angle.strip() and (address := addr_spec(name)):
                self._found.append(Address("", address))
            return
        text = "".join(f'"{part}"' if isinstance(part, _Quoted) else part for part in phrase).strip()
        if address := addr_spec(text) or addr_spec(re.sub(r"\s*([@.])\s*", r"\1", text)):
            self._found.append(Address(_name(comments), address))
            return
        words = text.split()
        for index, word in enumerate(words):  # `Name a@b`: the brackets were forgotten
            if address := addr_spec(word.strip("[]<>")):
                self._found.append(Address(encoded_words.decode(" ".join(words[:index]))[:MAX_NAME].strip('" '), address))
                return


class _Quoted(str):
    """The content of a quoted string."""

    __slots__ = ()


def _name(parts: list[str]) -> str:
    return encoded_words.decode("".join(parts))[:MAX_NAME].strip().strip("'").strip()


def _without_comments(text: str) -> str:
    kept, position = [], 0
    while (opening := text.find("(", position)) >= 0:
        kept.append(text[position:opening])
        _, position = _comment(text, opening + 1)
    return "".join(kept) + text[position:]


def _comment(value: str, position: int) -> tuple[str, int]:
    """The comment whose `(` is behind us, nested ones included, and where it ends (RFC 5322 §3.2.2)."""
    start, depth = position, 1
    for mark in _COMMENT_MARK.finditer(value, position):
        depth += {"(": 1, ")": -1}.get(mark[0], 0)
        if not depth:
            return value[start : mark.start()], mark.end()
    return value[start:], len(value)
