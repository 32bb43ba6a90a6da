"""The content of an S/MIME signature that wraps what it signs (RFC 8551 §3.5.2; Cryptographic Message Syntax, RFC 5652).

Called by `tree` for `application/pkcs7-mime` parts. Outlook and gateways sign "opaque": the letter lies inside the signature,
and whoever does not look there sees no text. Nothing is verified here and no certificate is read: the walk goes to the
content and no further. BER, not only DER, since what is signed while it is written has indefinite lengths and content in
pieces (X.690 §8). Linear, without recursion; whatever is malformed is None.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

MAX_DEPTH: Final = 20  # elements within elements
MAX_PIECES: Final = 100_000  # of a content in pieces; writers make them of 1,000 octets or more
MAX_LENGTH_OCTETS: Final = 4

SIGNED: Final = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02"  # 1.2.840.113549.1.7.2, id-signedData
_SEQUENCE, _SET, _INTEGER, _OID, _EXPLICIT = 0x30, 0x31, 0x02, 0x06, 0xA0
_OCTETS, _PIECES, _END = 0x04, 0x24, 0x00


class Element(NamedTuple):
    """One element's tag and where its content lies; `end` is -1 where only an end-of-contents mark tells."""

    tag: int
    start: int
    end: int


class Malformed(ValueError):
    """The octets are no such structure."""


def signed_content(octets: bytes) -> bytes | None:
    """What a SignedData wraps; None for a detached signature, for another content type, and for what is malformed."""
    try:
        info = _only(octets, 0, _SEQUENCE)
        oid = _only(octets, info.start, _OID)
        if octets[oid.start : oid.end] != SIGNED:
            return None
        explicit = _only(octets, oid.end, _EXPLICIT)
        signed = _only(octets, explicit.start, _SEQUENCE)
        version = _only(octets, signed.start, _INTEGER)
        position = _behind(octets, _only(octets, version.end, _SET))
        encapsulated = _only(octets, position, _SEQUENCE)
        kind = _only(octets, encapsulated.start, _OID)
        if kind.end in (encapsulated.end, len(octets)) or octets[kind.end] != _EXPLICIT:
            return None
        return b"".join(_pieces(octets, _only(octets, kind.end, _EXPLICIT).start))
    except Malformed:
        return None


def _element(octets: bytes, position: int) -> Element:
    """The element whose tag stands at `position`. Raises Malformed."""
    if position + 2 > len(octets):
        raise Malformed("cut off")
    tag, length, start = octets[position], octets[position + 1], position + 2
    if tag & 0x1F == 0x1F:
        raise Malformed("a tag of several octets")
    if length == 0x80:
        return Element(tag, start, -1)
    if length > 0x80:
        count = length - 0x80
        if count > MAX_LENGTH_OCTETS:
            raise Malformed("a length beyond any message")
        length, start = int.from_bytes(octets[start : start + count], "big"), start + count
    if start + length > len(octets):
        raise Malformed("cut off")
    return Element(tag, start, start + length)


def _only(octets: bytes, position: int, tag: int) -> Element:
    """The element that must stand here. Raises Malformed when another does, or a primitive one without a length."""
    found = _element(octets, position)
    if found.tag != tag or (found.end < 0 and not tag & 0x20):
        raise Malformed(f"{found.tag:#x} instead of {tag:#x}")
    return found


def _behind(octets: bytes, element: Element) -> int:
    """Where the next element begins."""
    if element.end >= 0:
        return element.end
    position, depth = element.start, 1
    while depth:
        inner = _element(octets, position)
        if inner.tag == _END:
            depth, position = depth - 1, inner.start
        elif inner.end < 0:
            depth, position = depth + 1, inner.start
        else:
            position = inner.end
        if depth > MAX_DEPTH:
            raise Malformed("too deep")
    return position


def _pieces(octets: bytes, position: int) -> Iterator[bytes]:
    """The octets of the OCTET STRING at `position`, whole or in pieces. Raises Malformed."""
    open_ends: list[int] = []  # of the strings in pieces around this one; -1 where only a mark ends it
    for _ in range(MAX_PIECES):
        element = _element(octets, position)
        if element.tag == _OCTETS and element.end >= 0:
            yield octets[element.start : element.end]
            position = element.end
        elif element.tag == _PIECES and len(open_ends) < MAX_DEPTH:
            open_ends.append(element.end)
            position = element.start
        elif element.tag == _END and open_ends and open_ends[-1] < 0:
            open_ends.pop()
            position = element.start
        else:
            raise Malformed(f"{element.tag:#x} among the pieces of a content")
        while open_ends and 0 <= open_ends[-1] <= position:
            open_ends.pop()
        if not open_ends:
            return
    raise Malformed("too many pieces")
