"""Content-Transfer-Encoding undone: base64, quoted-printable, uuencode; the rest is as it stands (RFC 2045 §6).

Called by `structure.Part.content`. Never raises, linear: what is no base64 is skipped, a cut end gives what was there.
"""

from __future__ import annotations

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_PIECE = re.compile(rb"=[ \t\r]*\n(?=[A-Za-z0-9+/]{16,}={0,2}[ \t\r]*(?:\n|\Z))")


def decode(octets: bytes, encoding: str) -> bytes:
    """The decoded octets. `encoding` is the field's value; unknown ones mean identity."""
    token = encoding.partition(";")[0].strip(" \t\"'").lower()
    if token == "base64":
        return base64(octets)
    if token in ("quoted-printable", "quotedprintable", "quoted printable"):
        return binascii.a2b_qp(octets)
    if token in ("x-uuencode", "x-uue", "uuencode"):
        return uuencoded(octets)
    return octets


def base64(octets: bytes) -> bytes:
    """RFC 2045 §6.8: foreign characters are ignored and padding ends the data, unless a whole line of base64 follows it
    (some writers encode piece by piece); a remark or a list's footer behind it is none."""
    if b"=" in octets and (pieces := _PIECE.split(octets))[1:]:
        return b"".join(map(_base64, pieces))
    return _base64(octets)


def _base64(octets: bytes) -> bytes:
    try:
        return binascii.a2b_base64(octets)
    except binascii.Error:  # the end is missing
        clean = _NOT_BASE64.sub(b"", octets.partition(b"=")[0])
        usable = len(clean) - (len(clean) % 4 == 1)
        return binascii.a2b_base64(clean[:usable] + b"=" * (-usable % 4))


def uuencoded(octets: bytes) -> bytes:
    """The first `begin … end` block's octets, or the octets as they stand where there is none."""
    out, inside = [], False
    for line in octets.splitlines():
        if not inside:
            inside = line.startswith(b"begin ")
        elif line.strip() in (b"end", b"`", b""):
            if line.strip() == b"end":
                break
        else:
            out.append(uuline(line))
    return b"".join(out) if inside else octets


def uuline(line: bytes) -> bytes:
    """One line of uuencoded data; a line too short for its count gives what it holds."""
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        count = ((line[0] - 32) & 63) * 4 // 3 + 1 if line else 0
        try:
            return binascii.a2b_uu(line[: count + 1])
        except binascii.Error:
            return b""
