"""What a winmail.dat holds: files, and the body where it is nowhere else (MS-OXTNEF, MS-OXRTFCP).

Called for `application/ms-tnef` parts. Our own reader: linear, every length checked against what is there, octets exact
to the last one. What is damaged ends the reading and is a defect; what was read before it stays.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from . import charset

MAX_FILES = 500
MAX_PROPERTIES = 10_000
MAX_DEPTH = 5  # messages within messages within a winmail.dat

SIGNATURE = b"\x78\x9f\x3e\x22"

# MS-OXTNEF §2.1.3.1: attribute ids
_ATTACH_RENDERING, _ATTACH_DATA, _ATTACH_TITLE = 0x9002, 0x800F, 0x8010
_ATTACHMENT, _MESSAGE_PROPERTIES, _BODY, _OEM_CODEPAGE = 0x9005, 0x9003, 0x800C, 0x9007
_TRANSPORT_FILENAME = 0x9001
# MS-OXPROPS: property ids
_P_BODY, _P_HTML, _P_RTF, _P_CODEPAGE, _P_SUBJECT = 0x1000, 0x1013, 0x1009, 0x3FDE, 0x0037
_P_DATA, _P_FILENAME, _P_LONG_FILENAME, _P_DISPLAY_NAME = 0x3701, 0x3704, 0x3707, 0x3001
_P_MIME_TAG, _P_CONTENT_ID, _P_METHOD, _P_EXTENSION = 0x370E, 0x3712, 0x3705, 0x3703
# MS-OXCDATA §2.11.1: property types
_FIXED = {0x0002: 2, 0x000B: 2, 0x0003: 4, 0x0004: 4, 0x000A: 4, 0x0001: 0}
_FIXED |= dict.fromkeys((0x0005, 0x0006, 0x0007, 0x0014, 0x0040), 8) | {0x0048: 16}
_STRING8, _UNICODE, _BINARY, _OBJECT = 0x001E, 0x001F, 0x0102, 0x000D
_MULTIPLE = 0x1000
_EMBEDDED_MESSAGE = bytes.fromhex("0703020000000000c000000000000046")  # IID_IMessage


class File(NamedTuple):
    """A file in the container."""

    name: str
    content_type: str
    octets: bytes
    content_id: str | None = None


@dataclass(slots=True)
class Contents:
    """Everything readable; `rtf` is still compressed."""

    files: list[File] = field(default_factory=list)
    text: str = ""
    html: str = ""
    rtf: bytes = b""
    subject: str = ""
    defects: list[str] = field(default_factory=list)


class _Damaged(ValueError):
    """A length that points beyond what is there, or a type nobody knows."""


@dataclass(slots=True)
class _Attachment:
    title: str = ""
    data: bytes = b""
    properties: dict[int, bytes | str] = field(default_factory=dict)


def read(octets: bytes, depth: int = 0) -> Contents:
    """The contents of a TNEF stream. Never raises; not TNEF at all is a defect and no contents."""
    contents = Contents()
    if not octets.startswith(SIGNATURE):
        contents.defects.append("tnef: not a TNEF stream")
        return contents
    codepage = "cp1252"
    attachments: list[_Attachment] = []
    try:
        for level, name, value in _attributes(octets):
            if name == _OEM_CODEPAGE and len(value) >= 4:
                codepage = f"cp{struct.unpack_from('<I', value)[0]}"
            elif name == _ATTACH_RENDERING and len(attachments) < MAX_FILES:
                attachments.append(_Attachment())
            elif level == 1:
                _message_attribute(contents, name, value, codepage)
            else:  # some writers leave the rendering data out
                attachments = attachments or [_Attachment()]
                _attachment_attribute(attachments[-1], name, value, codepage)
    except _Damaged as damage:
        contents.defects.append(f"tnef: {damage}")
    for attachment in attachments:
        contents.files += _files(attachment, depth, contents.defects)
    return contents


def _attributes(octets: bytes) -> Iterator[tuple[int, int, bytes]]:
    """MS-OXTNEF §2.1.3: level, id, value of each attribute; the checksum after it is not needed."""
    position = 6
    while position + 9 <= len(octets):
        level, name, _, length = struct.unpack_from("<BHHI", octets, position)
        if level not in (1, 2):
            raise _Damaged("something else than an attribute in the stream")
        start = position + 9
        position = start + length + 2
        if start + length > len(octets):
            yield level, name, octets[start:]
            raise _Damaged("cut in the middle of an attribute")
        yield level, name, octets[start : start + length]


def _message_attribute(contents: Contents, name: int, value: bytes, codepage: str) -> None:
    if name == _BODY:
        contents.text = _string(value, codepage)
    elif name == _MESSAGE_PROPERTIES:
        properties = _Properties(value, codepage).read(contents.defects)
        text, markup, rtf = properties.get(_P_BODY), properties.get(_P_HTML), properties.get(_P_RTF)
        page = properties.get(_P_CODEPAGE)
        internet = f"cp{struct.unpack('<I', page)[0]}" if isinstance(page, bytes) and len(page) == 4 else codepage
        if isinstance(text, str) and text:
            contents.text = text
        if isinstance(markup, bytes):
            contents.html = _string(markup, {"cp65001": "utf-8", "cp28591": "cp1252"}.get(internet, internet))
        elif isinstance(markup, str):
            contents.html = markup
        if isinstance(rtf, bytes):
            contents.rtf = rtf
        subject = properties.get(_P_SUBJECT)
        contents.subject = subject if isinstance(subject, str) else contents.subject


def _attachment_attribute(attachment: _Attachment, name: int, value: bytes, codepage: str) -> None:
    if name == _ATTACH_TITLE or (name == _TRANSPORT_FILENAME and not attachment.title):
        attachment.title = _string(value, codepage)
    elif name == _ATTACH_DATA:
        attachment.data = value
    elif name == _ATTACHMENT:
        attachment.properties |= _Properties(value, codepage).read([])


def _files(attachment: _Attachment, depth: int, defects: list[str]) -> list[File]:
    properties = attachment.properties
    strings = [properties.get(key) for key in (_P_LONG_FILENAME, _P_FILENAME, _P_DISPLAY_NAME)]
    names = [value for value in (strings[0], attachment.title, strings[1], strings[2]) if isinstance(value, str) and value]
    name = names[0] if names else ""
    data = attachment.data
    held = properties.get(_P_DATA)
    if isinstance(held, bytes) and held:
        data = held.removeprefix(_EMBEDDED_MESSAGE)
        if (data is not held and data.startswith(SIGNATURE)) or held.startswith(_EMBEDDED_MESSAGE):
            return _embedded_message(name, data, depth, defects)
    tag, cid = properties.get(_P_MIME_TAG), properties.get(_P_CONTENT_ID)
    content_type = tag.lower() if isinstance(tag, str) and "/" in tag else "application/octet-stream"
    return [File(name, content_type, data, cid.strip("<>") or None if isinstance(cid, str) else None)]


def _embedded_message(name: str, data: bytes, depth: int, defects: list[str]) -> list[File]:
    """A message inside: itself as a TNEF file, then the files it holds."""
    inner = read(data, depth + 1) if depth < MAX_DEPTH else Contents()
    defects += inner.defects
    return [File(name or inner.subject, "application/ms-tnef", data), *inner.files]


class _Properties:
    """A list of MAPI properties (MS-OXTNEF §2.1.3.4), read once from front to back."""

    def __init__(self, octets: bytes, codepage: str) -> None:
        self._octets = octets
        self._position = 0
        self._codepage = codepage

    def read(self, defects: list[str]) -> dict[int, bytes | str]:
        """Strings as text, everything else as octets, by property id; of several values the first."""
        properties: dict[int, bytes | str] = {}
        try:
            for _ in range(min(self._number(), MAX_PROPERTIES)):
                if self._position >= len(self._octets):
                    break
                kind, name = struct.unpack("<HH", self._take(4))
                if name >= 0x8000:
                    self._skip_name()
                for value in self._values(kind):
                    properties.setdefault(name, value)
        except _Damaged as damage:
            defects.append(f"tnef: {damage}")
        return properties

    def _values(self, kind: int) -> Iterator[bytes | str]:
        single = kind & ~_MULTIPLE
        if single in _FIXED:
            for _ in range(self._count() if kind & _MULTIPLE else 1):
                value = self._take(_FIXED[single])
                self._take(-_FIXED[single] % 4)
                yield value
        elif single in (_STRING8, _UNICODE, _BINARY, _OBJECT):
            for _ in range(self._count()):
                length = self._number()
                value = self._take(length)
                self._take(-length % 4)
                if single == _UNICODE:
                    yield value.decode("utf-16-le", "replace").rstrip("\0")
                else:
                    yield _string(value, self._codepage) if single == _STRING8 else value
        else:
            raise _Damaged(f"a property of unknown type {kind:#06x}")

    def _skip_name(self) -> None:
        """A named property: its set's GUID, then a number or a name (§2.1.3.4.1)."""
        self._take(16)
        if self._number() == 0:
            self._take(4)
        else:
            length = self._number()
            self._take(length + -length % 4)

    def _count(self) -> int:
        count = self._number()
        if count > MAX_PROPERTIES:
            raise _Damaged("too many values in a property")
        return count

    def _number(self) -> int:
        return int.from_bytes(self._take(4), "little")

    def _take(self, length: int) -> bytes:
        if self._position + length > len(self._octets):
            taken = self._octets[self._position :]
            if length > 4 and len(taken) * 2 > length:  # the last value of a list may lack its padding or its end
                self._position = len(self._octets)
                return taken
            raise _Damaged("a property is longer than what is there")
        self._position += length
        return self._octets[self._position - length : self._position]


def _string(value: bytes, codepage: str) -> str:
    return charset.decode(value.rstrip(b"\0"), codepage)[0]
