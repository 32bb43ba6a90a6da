"""Small messages for the tests of `listener.message`, written as they come over the wire."""

from __future__ import annotations

import base64
import struct

HEAD = "From: Anna <anna@example.net>\r\nTo: support@example.com\r\nSubject: Order\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
ID = "Message-ID: <1@example.net>\r\n"


def message(body: str, content_type: str = "text/plain; charset=utf-8", head: str = HEAD + ID, extra: str = "") -> bytes:
    """A whole message with one part (or the multipart that `container` gave)."""
    return f"{head}MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n{extra}\r\n{body}".encode("utf-8", "surrogateescape")


def part(content: str, content_type: str = "text/plain; charset=utf-8", extra: str = "") -> str:
    """One part of a container."""
    return f"Content-Type: {content_type}\r\n{extra}\r\n{content}"


def file(octets: bytes, content_type: str = "application/pdf", name: str = "a.pdf", disposition: str = "attachment") -> str:
    """A part with a file in it."""
    extra = f'Content-Disposition: {disposition}; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\n'
    return part(base64.encodebytes(octets).decode(), content_type, extra)


def container(kind: str, *parts: str, boundary: str = "b") -> str:
    """The body of a `multipart/<kind>`; its boundary is `boundary`."""
    return "".join(f"--{boundary}\r\n{text}\r\n" for text in parts) + f"--{boundary}--\r\n"


def multipart(kind: str, *parts: str, head: str = HEAD + ID) -> bytes:
    """A whole message with several parts."""
    return message(container(kind, *parts), f'multipart/{kind}; boundary="b"', head)


def nested(kind: str, *parts: str, boundary: str = "inner") -> str:
    """A container as a part of another."""
    return part(container(kind, *parts, boundary=boundary), f'multipart/{kind}; boundary="{boundary}"')


def tnef_attribute(level: int, name: int, value: bytes) -> bytes:
    """One attribute of a TNEF stream (MS-OXTNEF §2.1.3)."""
    return struct.pack("<BHHI", level, name, 6, len(value)) + value + struct.pack("<H", sum(value) & 0xFFFF)


def tnef_properties(*properties: tuple[int, int, bytes]) -> bytes:
    """A property list: id, type, value octets; variable-length types get their count and length."""
    out = struct.pack("<I", len(properties))
    for name, kind, value in properties:
        out += struct.pack("<HH", kind, name)
        if kind in (0x1E, 0x1F, 0x102, 0x0D):
            out += struct.pack("<II", 1, len(value)) + value + b"\0" * (-len(value) % 4)
        else:
            out += value + b"\0" * (-len(value) % 4)
    return out


def tnef(*attributes: bytes) -> bytes:
    """A whole TNEF stream."""
    return b"\x78\x9f\x3e\x22\x01\x00" + b"".join(attributes)


def tnef_file(name: str, octets: bytes) -> bytes:
    """The three attributes of an attached file."""
    return (
        tnef_attribute(2, 0x9002, b"\0" * 14)
        + tnef_attribute(2, 0x8010, name.encode("cp1252") + b"\0")
        + tnef_attribute(2, 0x800F, octets)
    )
