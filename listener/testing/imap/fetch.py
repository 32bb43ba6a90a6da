"""What FETCH can ask of one message, and the words of the answer (RFC 9051 §6.4.5, §7.5.2).

Called by the FETCH command. Sections (`BODY[2.1.HEADER.FIELDS (Subject)]<0.100>`), ENVELOPE and BODYSTRUCTURE are made with
the standard library's compat32 parser, unlike everything the daemon itself does with mail: a second opinion for the tests.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import Message as MimePart
from email.parser import BytesParser
from email.policy import compat32
from email.utils import getaddresses

from ..store import Message
from .grammar import Atom, Malformed, Value, quote, write_date_time

MACROS = {
    "ALL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE"),
    "FAST": ("FLAGS", "INTERNALDATE", "RFC822.SIZE"),
    "FULL": ("FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY"),
}
PLAIN_ITEMS = frozenset(
    {"FLAGS", "UID", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODY", "BODYSTRUCTURE", "MODSEQ", "EMAILID", "X-GM-MSGID"}
)
OLD_ITEMS = {"RFC822": "", "RFC822.HEADER": "HEADER", "RFC822.TEXT": "TEXT"}

_SECTION = re.compile(r"BODY(\.PEEK)?\[([^\]]*)\](?:<(\d{1,10})\.(\d{1,10})>)?", re.I)
_PATH = re.compile(r"((?:\d{1,4}\.)*\d{1,4})?\.?(.*)", re.S)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing asked for. `section` None: a plain word; `start` None: all of it."""

    word: str
    section: str | None = None
    start: int | None = None
    length: int = 0
    marks_seen: bool = False


def read_items(value: Value) -> list[Item]:
    """The items of a FETCH, macros replaced. Raises Malformed."""
    words = value if isinstance(value, list) else [value]
    names = [bytes(word).decode("ascii", "replace") for word in words if isinstance(word, Atom)]
    if not names or len(names) != len(words):
        raise Malformed("FETCH items expected")
    if len(names) == 1 and names[0].upper() in MACROS:
        names = list(MACROS[names[0].upper()])
    return [_item(name) for name in names]


def _item(name: str) -> Item:
    word = name.upper()
    if word in PLAIN_ITEMS:
        return Item(word)
    if word in OLD_ITEMS:
        return Item(word, OLD_ITEMS[word], marks_seen=word != "RFC822.HEADER")
    found = _SECTION.fullmatch(name)
    if not found:
        raise Malformed("unknown FETCH item")
    start = int(found[3]) if found[3] else None
    answer = f"BODY[{found[2].upper()}]" + (f"<{start}>" if start is not None else "")
    return Item(answer, found[2].upper(), start, int(found[4] or 0), marks_seen=not found[1])


def render(item: Item, message: Message) -> bytes:
    """The item and its value, as in the answer."""
    return item.word.encode() + b" " + _value(item, message)


def _value(item: Item, message: Message) -> bytes:
    if item.section is not None:
        octets = section(message.octets, item.section)
        if octets is None:
            return b"NIL"
        if item.start is not None:
            octets = octets[item.start : item.start + item.length]
        return b"{%d}\r\n%b" % (len(octets), octets)
    match item.word:
        case "FLAGS":
            return b"(" + " ".join(sorted(message.flags)).encode() + b")"
        case "UID":
            return b"%d" % message.uid
        case "INTERNALDATE":
            return write_date_time(datetime.fromtimestamp(message.internal_date, UTC))
        case "RFC822.SIZE":
            return b"%d" % len(message.octets)
        case "MODSEQ":
            return b"(%d)" % message.modseq
        case "EMAILID":
            return b"(%b)" % message.email_id.encode()
        case "X-GM-MSGID":
            return message.email_id[1:].encode()
        case "ENVELOPE":
            return envelope(_parse(message.octets))
        case _:
            return structure(_parse(message.octets), extended=item.word == "BODYSTRUCTURE")


# --- sections --------------------------------------------------------------------------------------------------------


def header_end(octets: bytes) -> int:
    """Where the body begins: after the first empty line."""
    found = re.search(rb"(?:\A|\n)\r?\n", octets)
    return found.end() if found else len(octets)


def section(octets: bytes, name: str) -> bytes | None:
    """The octets of a section as in `BODY[name]`; None where there is no such part. Raises Malformed."""
    found = _PATH.fullmatch(name)
    path, what = (found[1], found[2]) if found else (None, name)
    if path:
        inner = _descend(octets, [int(number) for number in path.split(".")], mime=what == "MIME")
        if inner is None or not what or what == "MIME":
            return inner
        octets = inner
    if not what:
        return octets
    body = header_end(octets)
    if what == "HEADER":
        return octets[:body]
    if what == "TEXT":
        return octets[body:]
    fields = re.fullmatch(r"HEADER\.FIELDS(\.NOT)?\s*\(([^()]*)\)", what)
    if not fields:
        raise Malformed("unknown section")
    return _fields(octets[:body], {word.strip('"') for word in fields[2].split()}, negated=bool(fields[1]))


def _fields(header: bytes, names: set[str], *, negated: bool) -> bytes:
    kept = [
        text
        for text in re.findall(rb"[^\r\n][^\n]*\n(?:[ \t][^\n]*\n)*", header)
        if (text.partition(b":")[0].strip().decode("ascii", "replace").upper() in names) != negated
    ]
    return b"".join(kept) + b"\r\n"


def _descend(octets: bytes, path: list[int], *, mime: bool) -> bytes | None:
    """Octets of one part: its body, or its own header for `MIME`."""
    for depth, number in enumerate(path):
        parts = _parts(octets)
        if parts is None:
            parts = [octets]
        if not 1 <= number <= len(parts):
            return None
        octets = parts[number - 1]
        last = depth == len(path) - 1
        if last:
            return octets[: header_end(octets)] if mime else octets[header_end(octets) :]
        if _parse(octets, headersonly=True).get_content_type() == "message/rfc822":
            octets = octets[header_end(octets) :]
    return None


def _parts(octets: bytes) -> list[bytes] | None:
    """The parts of a multipart as octets, each with its header; None: it is not one."""
    boundary = _parse(octets, headersonly=True).get_boundary()
    if boundary is None:
        return None
    pieces = re.split(rb"\r?\n--" + re.escape(boundary.encode("ascii", "replace")), b"\r\n" + octets[header_end(octets) :])
    return [re.sub(rb"\A[ \t]*\r?\n", b"", piece) for piece in pieces[1:] if not piece.startswith(b"--")]


def _parse(octets: bytes, *, headersonly: bool = False) -> MimePart:
    return BytesParser(policy=compat32).parsebytes(octets, headersonly=headersonly)


# --- structure -------------------------------------------------------------------------------------------------------


def envelope(part: MimePart) -> bytes:
    """RFC 9051 §7.5.2, ENVELOPE; an absent Sender or Reply-To repeats From."""

    def text(name: str) -> bytes:
        value = part.get(name)
        return quote(None if value is None else re.sub(r"\r?\n", "", str(value)))

    def addresses(name: str) -> bytes:
        pairs = getaddresses([str(value) for value in part.get_all(name, [])])
        if not pairs:
            return b"NIL" if name not in ("sender", "reply-to") else addresses("from")
        return b"(" + b"".join(_address(*pair) for pair in pairs) + b")"

    people = (addresses(name) for name in ("from", "sender", "reply-to", "to", "cc", "bcc"))
    return b"(" + b" ".join((text("date"), text("subject"), *people, text("in-reply-to"), text("message-id"))) + b")"


def _address(name: str, address: str) -> bytes:
    local, _, domain = address.rpartition("@")
    return b"(%b NIL %b %b)" % (quote(name or None), quote(local), quote(domain))


def structure(part: MimePart, *, extended: bool) -> bytes:
    """RFC 9051 §7.5.2, BODY and BODYSTRUCTURE. Nested as deep as the message, which the standard parser bounds."""
    children = part.get_payload()
    if part.get_content_maintype() == "multipart" and isinstance(children, list):
        inner = b"".join(structure(child, extended=extended) for child in children if isinstance(child, MimePart))
        more = b" %b NIL NIL NIL" % _parameters(part) if extended else b""
        return b"(%b %b%b)" % (inner, quote(part.get_content_subtype().upper()), more)
    octets = part.as_bytes()
    body = octets[header_end(octets) :]
    fields = [quote(part.get_content_maintype().upper()), quote(part.get_content_subtype().upper()), _parameters(part)]
    fields += [quote(part.get("content-id")), quote(part.get("content-description"))]
    fields += [quote(str(part.get("content-transfer-encoding", "7bit")).upper()), b"%d" % len(body)]
    if part.get_content_type() == "message/rfc822" and isinstance(children, list) and isinstance(children[0], MimePart):
        fields += [envelope(children[0]), structure(children[0], extended=extended), b"%d" % body.count(b"\n")]
    elif part.get_content_maintype() == "text":
        fields.append(b"%d" % body.count(b"\n"))
    if extended:
        fields += [b"NIL", _disposition(part), b"NIL", b"NIL"]
    return b"(" + b" ".join(fields) + b")"


def _parameters(part: MimePart) -> bytes:
    pairs = part.get_params([])[1:]
    if not pairs:
        return b"NIL"
    return b"(" + b" ".join(quote(word) for pair in pairs for word in pair) + b")"


def _disposition(part: MimePart) -> bytes:
    kind = part.get_content_disposition()
    if kind is None:
        return b"NIL"
    name = part.get_filename()
    return b"(%b %b)" % (quote(kind.upper()), b'("FILENAME" %b)' % quote(name) if name else b"NIL")
