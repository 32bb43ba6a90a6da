"""Files written into the text itself: uuencode (`begin 644 name`) and yEnc (`=ybegin … name=`).

`split` is called for plain text bodies that hold such a line, `joined` for what all of them held: yEnc cuts a large file into
parts. Linear; a block that never ends is left in the text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

from .transfer import uuline

MAX_FILES = 100

_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4}(?: ([^\r\n]{0,500}))?\r?$", re.M)
_UU_END = re.compile(rb"^(?:`|[ \t]*)\r?\n?end[ \t]*\r?$", re.M)
_YENC_BEGIN = re.compile(rb"^=ybegin (?:[^\r\n]{0,200} )?name=([^\r\n]{1,500})\r?$", re.M)
_YENC_END = re.compile(rb"^=yend[^\r\n]*\r?$", re.M)
_YENC_NUMBER = re.compile(rb"\bpart=(\d{1,5})\b")
_YENC_PART = re.compile(rb"\A=ypart [^\n]*\n")
_YENC_ESCAPE = re.compile(rb"=(.)", re.S)
_MINUS_42 = bytes((octet - 42) % 256 for octet in range(256))


Place = TypeVar("Place")
"""Where a file was found."""


class File(NamedTuple):
    """A file found in the text: its name as written and its octets; or the part of one with that number, from 1."""

    name: bytes
    octets: bytes
    number: int = 0


def split(octets: bytes) -> tuple[bytes, list[File]]:
    """The text without the embedded files, and the files in order."""
    if b"begin " not in octets:
        return octets, []
    files: list[File] = []
    for begin, end, decode in ((_UU_BEGIN, _UU_END, _uudecoded), (_YENC_BEGIN, _YENC_END, _ydecoded)):
        kept, position = [], 0
        while len(files) < MAX_FILES and (start := begin.search(octets, position)):
            stop = end.search(octets, start.end())
            content = decode(octets[start.end() : stop.start()]) if stop else None
            if stop is None:
                break
            if content is None:
                kept.append(octets[position : start.end()])
                position = start.end()
                continue
            kept.append(octets[position : start.start()])
            number = _YENC_NUMBER.search(start[0]) if begin is _YENC_BEGIN else None
            files.append(File((start[1] or b"").strip(), content, int(number[1]) if number else 0))
            position = stop.end()
        octets = b"".join(kept) + octets[position:]
    return octets, files


def joined(files: Sequence[tuple[Place, File]]) -> list[tuple[Place, File]]:
    """The files with parts that follow one another put together, where the first was. What follows none stays by itself."""
    groups: list[list[tuple[Place, File]]] = []
    for place, file in files:
        before = groups[-1][-1][1] if groups else None
        if before and file.number > 1 and (before.name, before.number) == (file.name, file.number - 1):
            groups[-1].append((place, file))
        else:
            groups.append([(place, file)])
    return [(group[0][0], File(group[0][1].name, b"".join(file.octets for _, file in group))) for group in groups]


def _uudecoded(block: bytes) -> bytes | None:
    """The octets, or None when the lines are no uuencoded data (a letter that speaks of `begin 644`)."""
    lines = [line for line in block.splitlines() if line.strip(b" `")]
    if any(not 32 <= line[0] <= 96 for line in lines):
        return None
    return b"".join(map(uuline, lines))


def _ydecoded(block: bytes) -> bytes:
    block = _YENC_PART.sub(b"", block.lstrip(b"\r\n"))
    data = block.replace(b"\r", b"").replace(b"\n", b"")
    return _YENC_ESCAPE.sub(lambda match: bytes([(match[1][0] - 64) % 256]), data).translate(_MINUS_42)
