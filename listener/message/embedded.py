"""Files written into the text itself: uuencode (`begin 644 name`) and yEnc (`=ybegin … name=`).

Called for plain text bodies that hold such a line. Linear; a block that never ends is left in the text.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from .transfer import uuline

MAX_FILES = 100

_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4}(?: ([^\r\n]{0,500}))?\r?$", re.M)
_UU_END = re.compile(rb"^(?:`|[ \t]*)\r?\n?end[ \t]*\r?$", re.M)
_YENC_BEGIN = re.compile(rb"^=ybegin (?:[^\r\n]{0,200} )?name=([^\r\n]{1,500})\r?$", re.M)
_YENC_END = re.compile(rb"^=yend[^\r\n]*\r?$", re.M)
_YENC_PART = re.compile(rb"\A=ypart [^\n]*\n")
_YENC_ESCAPE = re.compile(rb"=(.)", re.S)
_MINUS_42 = bytes((octet - 42) % 256 for octet in range(256))


class File(NamedTuple):
    """A file found in the text: its name as written and its octets."""

    name: bytes
    octets: bytes


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
            files.append(File((start[1] or b"").strip(), content))
            position = stop.end()
        octets = b"".join(kept) + octets[position:]
    return octets, files


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
