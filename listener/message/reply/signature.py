"""Where the signature begins: the `-- ` line (RFC 3676 §4.3), a rule above a footer, what a phone appended, a dashed name.

Works on the lines of one piece of new text, from its end upwards; a sign-off in words ("Best regards, Ann") stays with
the text, because a wanted word must never be lost to a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .lines import BLANKS, is_blank, is_rule
from .phrases import PHRASES, fold

MAX_SIGNATURE_LINES: Final = 16  # non-blank lines below "-- "
MAX_FOOTER_LINES: Final = 8  # non-blank lines below another rule
MAX_FOOTER_PROSE: Final = 4  # of them without an address or link: more is text
MAX_FOOTER_WIDTH: Final = 100
MAX_MOBILE: Final = 90  # characters of a line that a device appended
MAX_MOBILE_WORDS: Final = 10
MAX_OWNED_WORDS: Final = 5  # "Sent from my iMachine"
MAX_DASHED_NAME: Final = 40

_REACHABLE: Final = ("://", "www.", "@", "+", "tel", "Tel", "hone")
_MOBILE_HEADS: Final = frozenset(start[:3] for start in PHRASES.mobile_starts)  # some have no more than one character
_DELIMITERS: Final = ("--", "—", "––", "——")


def split(lines: Sequence[str]) -> int:
    """The index of the first line of the signature, `len(lines)` when there is none."""
    end = _end_of_text(lines, len(lines))
    cut = _delimited(lines, end)
    while (above := _appended(lines, cut)) < cut:
        cut = above
    return cut if cut < end else len(lines)


def _delimited(lines: Sequence[str], end: int) -> int:
    cut = end
    below: list[str] = []
    for index in range(end - 1, -1, -1):
        line = lines[index]
        if line[:1].isalnum() and (line[0] not in BLANKS or not is_blank(line)):
            below.append(line)
        elif is_blank(line):
            continue
        elif line.strip() in _DELIMITERS:
            cut = index if line in ("-- ", "--  ") or not _asks(below) else cut
        elif is_rule(line) or _is_ornament(line):
            cut = index if _is_footer(below) else cut
        else:
            below.append(line)
        if len(below) > MAX_SIGNATURE_LINES:
            break
    return _end_of_text(lines, cut) if cut < end else cut


def _asks(below: Sequence[str]) -> bool:
    return any(line.rstrip().endswith(("?", "？")) for line in below)


def _is_footer(below: Sequence[str]) -> bool:
    if len(below) > MAX_FOOTER_PROSE:
        reachable = any(mark in line for line in below for mark in _REACHABLE)
        if len(below) > MAX_FOOTER_LINES or not reachable:
            return False
    return not _asks(below) and all(len(line) <= MAX_FOOTER_WIDTH for line in below)


def _appended(lines: Sequence[str], end: int) -> int:
    """One step up over a line that a device appended or a dashed name, else `end`, below which nothing blank stands."""
    if end == 0:
        return end
    last = lines[end - 1]
    if is_mobile(last) or (end > 1 and is_blank(lines[end - 2]) and _is_dashed_name(last)):
        return _end_of_text(lines, end - 1)
    return end


def is_mobile(line: str) -> bool:
    """`Sent from my iPhone` in any language we know, and not a sentence that begins so."""
    bare = line.strip(" \t*_-–—.!<>[]()«»")
    if not bare or len(line) > MAX_MOBILE + bare.count("http") * MAX_MOBILE * 2:
        return False
    bare = fold(bare.split("<")[0].split("(http")[0].strip(" .!*_"))
    begins = not _MOBILE_HEADS.isdisjoint((bare[:1], bare[:2], bare[:3])) and bare.startswith(PHRASES.mobile_starts)
    if not begins and not bare.endswith(PHRASES.mobile_ends):
        return False
    matches = [between for start, end in PHRASES.mobile if (between := _between(bare, start, end)) is not None]
    return any(_names_device(bare, between) for between in matches)


def _between(bare: str, start: str, end: str) -> str | None:
    if not bare.startswith(start) or not bare.endswith(end) or len(bare) < len(start) + len(end):
        return None
    return bare[len(start) : len(bare) - len(end)]


def _names_device(bare: str, between: str) -> bool:
    words = bare.replace("'", " ").split()
    if len(between.split()) > MAX_MOBILE_WORDS or any(mark in between for mark in (". ", "? ", "! ")):
        return False
    if any(device in bare for device in PHRASES.devices):
        return "," not in between or len(words) <= MAX_OWNED_WORDS + 4
    owned = not PHRASES.owners.isdisjoint(words) or any(owner in bare for owner in ("我的", "나의"))
    return owned and "," not in between and len(words) <= MAX_OWNED_WORDS


def _is_dashed_name(line: str) -> bool:
    name = line.strip()
    if not name.startswith("-") or len(name) > MAX_DASHED_NAME:
        return False
    words = name.lstrip("-").split()
    return 1 <= len(words) <= 3 and name.lstrip("-")[:1].isalpha() and all(word.strip(".").isalpha() for word in words)


def _is_ornament(line: str) -> bool:
    bare = line.strip()
    return len(bare) >= 4 and len(set(bare)) == 1 and not bare[0].isalnum() and bare[0] not in "`>!?.)"


def _end_of_text(lines: Sequence[str], end: int) -> int:
    while end > 0 and is_blank(lines[end - 1]):
        end -= 1
    return end
