"""Compressed RTF, in which Outlook keeps a body, back to HTML or text (MS-OXRTFCP, MS-OXRTFEX).

Called for a winmail.dat whose body is nowhere else. Linear and bounded: at most 1 MiB of RTF is looked at. What the RTF was
made from is given back where it says so (`\\fromhtml1`), else its text.
"""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from . import charset

MAX_RTF = 1024 * 1024
MAX_DEPTH = 200

# MS-OXRTFCP §2.1.2.1: what the dictionary holds before the first octet
_PRIMER = (
    b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor "
    b"MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n"
    b"\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx"
)
_SIZE = 4096
_TOKEN = re.compile(r"\\([a-z]{1,32})(-?\d{1,9})?[ ]?|\\'([0-9a-fA-F]{2})|\\([^a-z])|([{}])|([^\\{}\r\n]+)|[\r\n]+|\\\Z", re.S)
_UNSEEN = frozenset(
    ["fonttbl", "colortbl", "stylesheet", "info", "pict", "object", "header", "footer", "themedata", "xmlnstbl"]
)
_BREAKS = {"par": "\n", "line": "\n", "tab": "\t", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”"}
_BREAKS |= {"endash": "–", "emdash": "—", "bullet": "•", "cell": "\t", "row": "\n"}


class Body(NamedTuple):
    """The body, and whether it is HTML."""

    text: str
    is_html: bool


def read(compressed: bytes) -> Body:
    """The body of a PidTagRtfCompressed value; "" when it is none. Never raises."""
    octets = decompress(compressed)
    return _Reader().read(octets.decode("latin-1"))


def decompress(octets: bytes) -> bytes:
    """MS-OXRTFCP §3.1: the plain RTF, as far as it can be read."""
    if len(octets) < 16:
        return b""
    raw_size, kind = struct.unpack_from("<I4s", octets, 4)
    if kind == b"MELA":
        return octets[16 : 16 + min(raw_size, MAX_RTF)]
    if kind != b"LZFu":
        return b""
    out = bytearray(_PRIMER)
    wanted = min(raw_size, MAX_RTF) + len(_PRIMER)
    position, end = 16, len(octets)
    while position < end and len(out) < wanted:
        control = octets[position]
        position += 1
        for bit in range(8):
            if position >= end or len(out) >= wanted:
                break
            if not control >> bit & 1:
                out.append(octets[position])
                position += 1
                continue
            reference = int.from_bytes(octets[position : position + 2], "big")
            position += 2
            # The offset counts in a ring of 4,096 octets into which the output is written from its beginning.
            distance = (len(out) - (reference >> 4)) % _SIZE
            if distance == 0:
                return bytes(out[len(_PRIMER) :])
            if distance > len(out):
                return bytes(out[len(_PRIMER) :])
            for _ in range((reference & 15) + 2):
                out.append(out[-distance])
    return bytes(out[len(_PRIMER) :])


class _Group(NamedTuple):
    """What holds until the closing brace."""

    unseen: bool = False
    markup: bool = False  # within `{\\*\\htmltag …}`
    skipped: int = 1  # characters that stand in for one \\u character


class _Reader:
    """RTF read from front to back."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._octets = bytearray()  # \\'hh escapes not yet decoded
        self._codepage = "cp1252"
        self._from_html = False
        self._rtf_only = False  # between \\htmlrtf and \\htmlrtf0
        self._group = _Group()
        self._stack: list[_Group] = []
        self._skip = 0
        self._starred = False

    def read(self, rtf: str) -> Body:
        for token in _TOKEN.finditer(rtf):
            word, number, octet, symbol, brace, text = token.groups()
            if octet:
                self._octet(int(octet, 16))
            elif text:
                self._text(text)
            elif word:
                self._word(word, number)
            elif brace:
                self._brace(brace)
            elif symbol:
                self._symbol(symbol)
        self._flush()
        text = "".join(self._out).replace("\0", "").strip("\n")
        return Body(text, self._from_html)

    def _brace(self, brace: str) -> None:
        self._flush()
        self._starred = False
        if brace == "{":
            if len(self._stack) < MAX_DEPTH:
                self._stack.append(self._group)
        elif self._stack:
            self._group = self._stack.pop()

    def _symbol(self, symbol: str) -> None:
        if symbol == "*":
            self._starred = True
        elif symbol in "{}\\":
            self._text(symbol)
        elif symbol == "~":
            self._text("\xa0")
        elif symbol in "\r\n":
            self._text("\n")

    def _word(self, word: str, number: str | None) -> None:
        self._flush()
        starred, self._starred = self._starred, False
        if word == "htmltag":
            self._group = self._group._replace(markup=True)
        elif word in _UNSEEN or (starred and word not in ("htmltag", "shppict")):
            self._group = self._group._replace(unseen=True)
        elif word == "htmlrtf":
            self._rtf_only = number != "0"
        elif word == "fromhtml":
            self._from_html = number != "0"
        elif word == "ansicpg" and number:
            self._codepage = "utf-8" if number == "65001" else f"cp{number}"
        elif word == "uc" and number:
            self._group = self._group._replace(skipped=min(max(int(number), 0), 10))
        elif word == "u" and number:
            self._text(chr(int(number) % 65536))
            self._skip = self._group.skipped
        elif word in _BREAKS:
            self._text(_BREAKS[word])

    def _octet(self, octet: int) -> None:
        if self._skip:
            self._skip -= 1
        elif self._shown():
            self._octets.append(octet)

    def _text(self, text: str) -> None:
        if self._skip and text:
            skipped = min(self._skip, len(text))
            self._skip -= skipped
            text = text[skipped:]
        self._flush()
        if self._shown():
            self._out.append(text)

    def _shown(self) -> bool:
        return not self._group.unseen and (self._group.markup or not self._rtf_only)

    def _flush(self) -> None:
        if self._octets:
            self._out.append(charset.decode(bytes(self._octets), self._codepage)[0])
            self._octets.clear()
