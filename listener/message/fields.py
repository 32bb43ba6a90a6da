"""A header block taken apart into fields, in order, within bounds (RFC 5322 §2.2, R-65).

Called by `structure` for the message and for every part. Values come back unfolded and as text, not yet RFC 2047
decoded (`encoded_words.decode` does that), because an address must be read before its words are decoded.

Rules of the file:
1. nothing raises; what is cut or skipped becomes a defect;
2. raw 8-bit octets are UTF-8 if they can be, else the charset that the message declares for its text, else a guess;
3. a line that is no field ends the header, unless a field follows it: then it was a stray line (`>From x`, a cut fold).
"""

from __future__ import annotations

import re

from . import charset

MAX_HEADER_OCTETS = 256 * 1024
MAX_FIELD_OCTETS = 64 * 1024
MAX_FIELDS = 2_000

Fields = list[tuple[str, str]]

# RFC 5322 §3.6.8: a field name is printable US-ASCII without colon; §4.5 allows blanks before the colon.
_FIELD = re.compile(r"^([!-9;-~]{1,200}+)[ \t]*:[ \t]*(.*)", re.M)
_END_OF_HEADER = re.compile(rb"\n\r*\n")
_CONTROL = re.compile("[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f]")  # all but tab, line feed and the escape of ISO-2022
_CONTROLS = bytes(octet for octet in range(128) if _CONTROL.match(chr(octet)))


def header_end(octets: bytes, start: int, end: int) -> tuple[int, int]:
    """Where the header block that begins at `start` stops and where the body begins, both at most `end`."""
    if octets.startswith((b"\n", b"\r\n"), start, end):
        return start, octets.index(b"\n", start) + 1
    found = _END_OF_HEADER.search(octets, start, end)
    return (found.start() + 1, found.end()) if found else (end, end)


def split(block: bytes, defects: list[str], declared: str = "") -> tuple[Fields, int | None]:
    """The fields of a header block, names lower-cased, and where in `block` a body began without a blank line, or None.

    `declared` is the charset to try on raw 8-bit octets that are no UTF-8.
    """
    if len(block) > MAX_HEADER_OCTETS:
        block = block[:MAX_HEADER_OCTETS]
        defects.append(f"header: over {MAX_HEADER_OCTETS} octets, the rest was not read")
    line_feeds = block.replace(b"\r", b"")
    text = line_feeds.decode("latin-1").replace("\n ", " ").replace("\n\t", "\t")  # unfolded, RFC 5322 §2.2.3
    if len(line_feeds.translate(None, _CONTROLS)) != len(line_feeds):
        text = _CONTROL.sub("", text)
    found = _FIELD.findall(text)
    orderly = len(found) == text.count("\n") + (not text.endswith("\n"))
    lines, body = (found, None) if orderly else _sorted_out(text, block, defects)
    if len(lines) > MAX_FIELDS:
        lines = lines[:MAX_FIELDS]
        defects.append(f"header: over {MAX_FIELDS} fields, the rest was not read")
    if len(block) > MAX_FIELD_OCTETS and any(len(value) > MAX_FIELD_OCTETS for _, value in lines):
        lines = [(name, value[:MAX_FIELD_OCTETS]) for name, value in lines]
        defects.append(f"header: a field over {MAX_FIELD_OCTETS} octets was cut")
    if block.isascii() and b"\x1b" not in block:
        return [(name.lower(), value.rstrip()) for name, value in lines], body
    declared = declared or charset.guess(block) or "windows-1252"
    return [(name.lower(), _text(value, declared).strip()) for name, value in lines], body


def _sorted_out(text: str, block: bytes, defects: list[str]) -> tuple[Fields, int | None]:
    """The fields of an unfolded header with lines that are none, and where the body begins if one of them is its first."""
    fields: Fields = []
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if field := _FIELD.match(line):
            fields.append((field[1], field[2]))
        elif line and not line.isspace():
            if line.startswith("--") or number + 1 == len(lines) or not _FIELD.match(lines[number + 1]):
                defects.append("header: the body began without a blank line")
                return fields, _offset_of_line(block, number)
            defects.append("header: a line that is no field was skipped")
    return fields, None


def _text(value: str, declared: str) -> str:
    """A Latin-1 view of raw octets as the text they most likely were."""
    octets = value.encode("latin-1")
    if b"\x1b" in octets:
        return charset.decode(octets, "iso-2022-jp")[0]
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return charset.decode(octets, declared)[0]


def _offset_of_line(block: bytes, number: int) -> int:
    """Where unfolded line `number` begins in the folded block."""
    offset, seen = 0, -1
    for line in block.split(b"\n"):
        seen += line[:1] not in (b" ", b"\t") or offset == 0
        if seen == number:
            break
        offset += len(line) + 1
    return offset
