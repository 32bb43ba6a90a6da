"""Content-Transfer-Encoding undone: base64, quoted-printable, uuencode; the rest is as it stands (RFC 2045 §6).

Called by `structure.Part.content`. Never raises, linear: what is no base64 is skipped, a cut end gives what was there.
"""

from __future__ import annotations

import binascii
import re

_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/]+")
_PADDED = re.compile(rb"=[^\n]*")


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
    """RFC 2045 §6.8: foreign characters are ignored; padding ends its line; pieces joined line by line are read on."""
    try:
        return binascii.a2b_base64(octets)
    except binascii.Error:
        pass
    out = []
    for run in _PADDED.split(octets):
        run = _NOT_BASE64.sub(b"", run)
        usable = len(run) - (len(run) % 4 == 1)
        out.append(binascii.a2b_base64(run[:usable] + b"=" * (-usable % 4)))
    return b"".join(out)


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
