"""Compressed RTF back to the text or HTML it was made from."""

import struct

import pytest

from listener.message import rtf


def stored(text: str) -> bytes:
    """MS-OXRTFCP §2.1.3: a stream that is not compressed."""
    octets = text.encode("latin-1")
    return struct.pack("<II4sI", len(octets) + 12, len(octets), b"MELA", 0) + octets


def test_a_compressed_stream_uses_its_dictionary() -> None:
    """A reference into the primer, and one to what was just written (MS-OXRTFCP §4.2)."""
    octets = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")
    assert rtf.decompress(octets) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


TEXTS = {
    "plain": (r"{\rtf1\ansi Hello\par you}", "Hello\nyou", False),
    "escapes": (r"{\rtf1\ansi\ansicpg1252 Gr\'fc\'dfe \{x\} a\~b}", "Grüße {x} a\xa0b", False),
    "code page": (r"{\rtf1\ansi\ansicpg1251 \'cf\'f0\'e8}", "При", False),
    "unicode": (r"{\rtf1\uc1 \u9733?x{\uc2\u9733\'3f\'3fy}}", "★x★y", False),
    "unseen": (r"{\rtf1{\fonttbl{\f0 Arial;}}{\*\generator x;}{\info{\author me}}Hello}", "Hello", False),
    "made from HTML": (
        r"{\rtf1\fromhtml1{\*\htmltag64 <p>}\htmlrtf\par\htmlrtf0 Hello{\*\htmltag72 </p>}}",
        "<p>Hello</p>",
        True,
    ),
    "unbalanced": (r"}}{\rtf1 Hello{{{", "Hello", False),
    "nothing": ("", "", False),
}


@pytest.mark.parametrize(("source", "text", "is_html"), TEXTS.values(), ids=TEXTS)
def test_rtf_becomes_what_it_was_made_from(source: str, text: str, is_html: bool) -> None:
    assert rtf.read(stored(source)) == (text, is_html)


@pytest.mark.parametrize("octets", [b"", b"x" * 15, struct.pack("<II4sI", 12, 2**31, b"LZFu", 0) + b"\xff" * 50])
def test_what_is_no_rtf_is_empty_or_short(octets: bytes) -> None:
    assert len(rtf.read(octets).text) < 1000


def test_output_is_bounded() -> None:
    bomb = struct.pack("<II4sI", 0, 2**31, b"LZFu", 0) + (b"\xfe" + b"x" + b"\x0c\xff" * 7) * 100_000
    assert len(rtf.decompress(bomb)) <= rtf.MAX_RTF + 20
