"""The octets of an outgoing mail, such that nothing in a value can become a header of its own (R-83, R-85).

    octets = compose(Letter(…))

Rules of the file
1. Every value is checked before it is written: CR, LF, NUL and any other control character are a ComposeFault.
2. What was written is parsed again and compared, field by field and part by part, before anybody may send it.
3. Nobody's display name but the account's own is sent; an identifier that is none is left out, not mended.
4. A reply of ours says so in every way there is (RFC 3834 §3.1.7, MS-OXCMAIL §2.2.3.2.14), so that no machine answers it.
"""

from __future__ import annotations

import email
import hashlib
import quopri
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from email.header import Header, decode_header, make_header
from email.message import Message
from email.utils import formatdate

from .recipients import is_plain

MAX_REFERENCES = 20
"""Ids in References: the first, and the newest of the others (RFC 5322 §3.6.4 wants all; a line of mail has an end)."""
MAX_SUBJECT = 200
"""Characters of a subject that is repeated."""
_WIDTH = 72
_ID = re.compile(r"[!-;=?-~]{1,200}@[!-;=?-~]{1,100}", re.ASCII)
_ATOMS = re.compile(r"[A-Za-z0-9 !#$%&'*+/=?^_`{|}~-]+")
_REPLY_MARKS = re.compile(r"(?:re|aw|sv|fwd?|wg|antw?)\s*:\s*", re.I)


class ComposeFault(Exception):
    """A value that must not be written, or octets that do not say what they should. The text says which."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One mail to one recipient. Ids without `<>`; `date` in POSIX seconds; `html` None: text only.

    `automatic`: the value of Auto-Submitted; `suppressing`: also the fields that only an answer has.
    """

    sender_name: str
    sender: str
    recipient: str
    subject: str
    text: str
    message_id: str
    date: float
    automatic: str = "auto-replied"
    html: str | None = None
    in_reply_to: str = ""
    references: tuple[str, ...] = ()
    reply_to: str = ""


Fields = list[tuple[str, str]]


def compose(letter: Letter) -> bytes:
    """The octets, lines ended by CRLF, in plain ASCII. Raises ComposeFault."""
    text = normal(letter.text)
    html = None if letter.html is None else normal(letter.html)
    fields = _fields(letter)
    parts = [("text/plain", text)] + ([] if html is None else [("text/html", html)])
    octets = _written(fields, parts, letter.message_id)
    _compare(octets, fields, parts)
    return octets


def reply_subject(subject: str, tag: str) -> str:
    """The subject of an answer to this one: one `Re:`, bounded, with the case's tag. "" where it cannot be repeated."""
    plain = " ".join(subject.split())
    while found := _REPLY_MARKS.match(plain):
        plain = plain[found.end() :]
    plain = plain.replace(tag, "").strip()
    if not plain or not is_safe(plain):
        return ""
    return f"Re: {plain[:MAX_SUBJECT].rstrip()} {tag}".rstrip()


def is_safe(value: str) -> bool:
    """Whether it may stand in a header: no control character, line separator, direction mark or lone surrogate."""
    return not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in _DIRECTIONS for c in value)


_DIRECTIONS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def normal(text: str) -> str:
    """Text with LF line ends and one at its end, without control characters (tabs and line ends aside) and lone surrogates."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").encode("utf-8", "replace").decode("utf-8")
    kept = "".join(c for c in lines if c in "\n\t" or unicodedata.category(c) != "Cc")
    return kept.rstrip("\n") + "\n"


def message_ids(ids: Sequence[str]) -> tuple[str, ...]:
    """Those that are ids, bounded: the first and the newest."""
    good = [one for one in dict.fromkeys(ids) if _ID.fullmatch(one)]
    return tuple(good if len(good) <= MAX_REFERENCES else [good[0], *good[1 - MAX_REFERENCES :]])


def _fields(letter: Letter) -> Fields:
    for address in filter(None, (letter.sender, letter.recipient, letter.reply_to)):
        if not is_plain(address):
            raise ComposeFault(f"not an address that mail can be sent to or from: {address[:100]!r}")
    if not _ID.fullmatch(letter.message_id):
        raise ComposeFault(f"not a Message-ID: {letter.message_id[:100]!r}")
    answered = message_ids([letter.in_reply_to])
    references = message_ids(letter.references)
    fields = [
        ("From", _mailbox(letter.sender_name, letter.sender)),
        ("To", letter.recipient),
        ("Subject", letter.subject),
        ("Date", formatdate(letter.date)),
        ("Message-ID", f"<{letter.message_id}>"),
        ("In-Reply-To", "".join(f"<{one}>" for one in answered)),
        ("References", " ".join(f"<{one}>" for one in references)),
        ("Reply-To", letter.reply_to),
        ("Auto-Submitted", letter.automatic),
        ("X-Auto-Response-Suppress", "All"),
        ("Precedence", "auto_reply" if letter.automatic == "auto-replied" else ""),
        ("MIME-Version", "1.0"),
    ]
    for name, value in fields:
        if not is_safe(value):
            raise ComposeFault(f"the field {name} would hold a control character")
    return [(name, value) for name, value in fields if value]


def _mailbox(name: str, address: str) -> str:
    """`name <address>` as people read it; quoted where it has to be (RFC 5322 §3.2.4)."""
    if not name.strip() or not is_safe(name):
        return address
    if _ATOMS.fullmatch(name) or not name.isascii():
        return f"{name} <{address}>"
    quoted = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{address}>'


# --- writing ------------------------------------------------------------------------------------------------------------


def _written(fields: Fields, parts: Sequence[tuple[str, str]], message_id: str) -> bytes:
    lines = [f"{name}: {_encoded(name, value)}" for name, value in fields]
    if len(parts) == 1:
        return ("\r\n".join(lines) + "\r\n").encode("ascii") + _part(*parts[0])
    boundary = "=_" + hashlib.sha256(message_id.encode()).hexdigest()[:32]  # `=_` is in no quoted-printable line
    lines.append(f'Content-Type: multipart/alternative; boundary="{boundary}"')
    body = b"".join(f"--{boundary}\r\n".encode() + _part(*part) + b"\r\n" for part in parts)
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + body + f"--{boundary}--\r\n".encode()


def _part(content_type: str, text: str) -> bytes:
    head = f'Content-Type: {content_type}; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'
    return head.encode() + quopri.encodestring(text.encode("utf-8")).replace(b"\n", b"\r\n")


def _encoded(name: str, value: str) -> str:
    """As it stands in the header: ids one a line, words that are no ASCII as encoded words (RFC 2047)."""
    if name == "References":
        return "\r\n ".join(value.split(" "))
    if name == "From" and (not value.isascii() or "=?" in value):
        words, _, address = value.rpartition(" ")
        return f"{_words(name, words)}\r\n {address}"
    return value if value.isascii() and "=?" not in value and len(value) < 900 else _words(name, value)


def _words(name: str, value: str) -> str:
    return Header(value, "utf-8", maxlinelen=_WIDTH, header_name=name).encode(linesep="\r\n")


# --- reading it again ---------------------------------------------------------------------------------------------------


def _compare(octets: bytes, fields: Fields, parts: Sequence[tuple[str, str]]) -> None:
    """Raises ComposeFault unless a parser finds exactly what was meant."""
    found = email.message_from_bytes(octets)
    extra = 2 if len(parts) == 1 else 1  # Content-Type, and for one part its encoding
    read = [(name, _decoded(value)) for name, value in found.items()]
    if read[: len(fields)] != fields or len(read) != len(fields) + extra or found.defects:
        raise ComposeFault("the header does not read as it was written")
    leaves = [found] if len(parts) == 1 else _leaves(found)
    if [(leaf.get_content_type(), _body(leaf)) for leaf in leaves] != list(parts):
        raise ComposeFault("the body does not read as it was written")


def _leaves(found: Message) -> list[Message]:
    payload = found.get_payload()
    return [part for part in payload if isinstance(part, Message)] if isinstance(payload, list) else []


def _decoded(value: str) -> str:
    unfolded = re.sub(r"\r?\n[ \t]", " ", value)
    return str(make_header(decode_header(unfolded))) if "=?" in unfolded else unfolded


def _body(leaf: Message) -> str:
    payload = leaf.get_payload(decode=True)
    return payload.decode("utf-8", "replace").replace("\r\n", "\n") if isinstance(payload, bytes) else ""
