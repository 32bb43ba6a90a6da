"""What one line of a mail body is: quoted, an attribution, a divider, a rule.

Rules of the file. Each question looks at a bounded number of lines and characters (`MAX_ATTRIBUTION`), so that
reading a body is linear in its length whatever it holds. An attribution is *strong* when it alone proves that the rest is
quoted (a person with an address, or a date with a time), *weak* when quoted lines must follow it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from .phrases import PHRASES, Dividers, fold

MAX_ATTRIBUTION: Final = 400  # characters of an attribution, all its lines together
MAX_ATTRIBUTION_LINES: Final = 6
MAX_TORN: Final = 24  # characters of a line that holds only the end of an attribution
MAX_DIVIDER: Final = 160
MAX_PLAIN_LINES: Final = 3  # lines of an attribution without an address
MAX_BARE: Final = 200  # characters of one without a verb: a date, a name, an address
OPENING_TOKENS: Final = 6  # a date stands among the first words of an attribution
NAME_TOKENS: Final = 9  # an address without a date does too

_MARKS: Final = " \t*_-–—=~#>•.:|\u200b\u200e\u200f\ufeff"
BLANKS: Final = " \t\xa0\u1427\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufffc\x0b\x0c"
DASHES: Final = "-_=*—–~"
EDGES: Final = " \t*_-–—=~\u200b\u200e\u200f\ufeff\ufffc"
_CLOSINGS: Final = ":：-–—*_"  # what a strong attribution without an address ends with
TOKEN_EDGE: Final = "()[]{},;:<>\"'«»„“”*_-–—.!?：،\u200e\u200f"
_INITIALS: Final = re.compile(r" {0,8}[^\W\d_]{1,12}>")
_YEAR: Final = re.compile(r"(?<!\d)(?:19[7-9]\d|20\d\d)(?!\d)")
_NUMERIC_DATE: Final = re.compile(r"(?<!\d)\d{1,4}([./-])\s?\d{1,2}\1\s?\d{1,4}(?!\d)")
_TIME: Final = re.compile(r"(?<!\d)\d{1,2}\s?[:.h]\s?\d\d(?!\d)")
_DIGIT: Final = re.compile(r"\d")
_DIGIT_OR_AT: Final = re.compile(r"[\d@]")
_ADDRESS: Final = re.compile(r"[^\s<>@]@[^\s<>@]")


class Attribution(NamedTuple):
    """Lines `start` to `end` (exclusive) introduce a quote."""

    start: int
    end: int
    strong: bool


def is_blank(line: str) -> bool:
    """No visible character; a read-tracking mark (U+1427) counts as none."""
    return not line.strip(BLANKS)


def is_quoted(line: str) -> bool:
    """Whether the line begins with `>`, after three spaces at most (RFC 3676 §4.5 has none).

    `> wrote:` is no quote: it is the end of an address and its attribution, torn apart by a line break.
    """
    if not line[:4].lstrip(" \xa0\ufeff").startswith(">"):
        return False
    return len(line) > MAX_TORN or " " in line.strip("> :") or _word(line) not in PHRASES.verbs


def initials(line: str) -> str:
    """The `Bob>` that some programs put before every quoted line, or ""."""
    found = _INITIALS.match(line)
    return found.group().lstrip() if found else ""


def attribution_ending_at(lines: Sequence[str], end: int) -> Attribution | None:
    """The attribution whose last line is `end`, or None. The longest start that looks like one wins."""
    last = lines[end]
    if not last or len(last) > MAX_ATTRIBUTION or not may_end(last):
        return None
    best = _judge(lines, end, end)
    start = end
    for _ in range(MAX_ATTRIBUTION_LINES - 1):
        start = _line_before(lines, start)
        if start < 0 or end - start >= MAX_ATTRIBUTION_LINES or len(lines[start]) > MAX_ATTRIBUTION or _is_prose(lines[start]):
            break
        best = _judge(lines, start, end) or best
    return best


def may_end(line: str) -> bool:
    """Whether the line ends as an attribution does. Asked of every line, so it is quick."""
    bare = line.rstrip(EDGES)
    if not bare or bare[-1] in ":：>":
        return bool(bare)
    last = bare[bare.rfind(" ") + 1 :]
    return len(last) <= MAX_TORN and last.casefold().strip(TOKEN_EDGE) in PHRASES.verbs


def shared_attribution(line: str) -> int | None:
    """Where an attribution begins inside a line that begins with the reply ("thanks On Wed, Apr 4 … wrote:"), or None."""
    offset = max(0, len(line) - MAX_ATTRIBUTION)
    tail = line[offset:]
    tokens = tail.split(" ")
    if not any(_word(token) in PHRASES.verbs for token in tokens[-3:]):
        return None
    position = len(tokens[0])
    for index in range(1, len(tokens)):
        first = tokens[index]
        opens = position > 2 and first[:1].isupper() and _word(first) in PHRASES.openers
        if opens and any(map(_DIGIT.search, tokens[index : index + OPENING_TOKENS])):
            return offset + position + 1 if _evidence(tail[position:])[1] else None
        position += len(first) + 1
    return None


def is_original_divider(line: str) -> bool:
    """`-----Original Message-----` in any language we know."""
    return _is_divider(line, PHRASES.original)


def is_forward_divider(line: str) -> bool:
    """`---------- Forwarded message ----------`, `Begin forwarded message:` and their like."""
    return _is_divider(line, PHRASES.forwarded)


def is_rule(line: str) -> bool:
    """A line of nothing but three or more dashes, underscores, stars or equal signs."""
    bare = line.strip(" \t*")
    return (len(bare) >= 3 and not bare.strip("-_=–—")) or (len(line.strip()) >= 3 and not line.strip().strip("*"))


def _is_divider(line: str, phrases: Dividers) -> bool:
    raw = line.strip() if len(line) <= MAX_DIVIDER else ""
    if not raw or (raw[0] not in DASHES and raw[-1] not in DASHES and raw[-1] not in ":："):
        return False
    bare, ruled = raw.strip(_MARKS), raw[:2] in ("--", "__", "==", "**")
    if len(bare) > phrases.longest and not ruled:  # folding makes nothing shorter
        return False
    bare = fold(bare)
    return bare in phrases.whole or (ruled and bare.startswith(phrases.beginnings))


def _line_before(lines: Sequence[str], start: int) -> int:
    """The line above that may belong to the same attribution; over blank lines only when an address is torn in two."""
    above = start - 1
    if above >= 0 and is_blank(lines[above]):
        if not lines[start].lstrip().startswith(("<", ">")) and not lines[start].lower().startswith("mailto:"):
            return -1
        above -= 1
    if above < 0 or is_blank(lines[above]) or is_quoted(lines[above]):
        return -1
    return above


def _is_prose(line: str) -> bool:
    """Whether the line ends a sentence: an attribution has not yet begun above it."""
    words = line.split()
    last = words[-1] if words else ""
    return last.endswith(("!", "?")) or (last.endswith((".", ":")) and len(last) > 5 and last[:-1].isalpha())


def _judge(lines: Sequence[str], start: int, end: int) -> Attribution | None:
    joined = " ".join([line.strip() for line in lines[start : end + 1]]).strip(EDGES)
    if len(joined) > MAX_ATTRIBUTION or not _DIGIT_OR_AT.search(joined):
        return None
    if end - start >= MAX_PLAIN_LINES and "@" not in joined:
        return None
    verb, strong, weak = _evidence(joined)
    strong = strong and ("@" in joined or lines[end].rstrip()[-1] in _CLOSINGS)
    tokens = lines[start].strip(EDGES).replace("<", " <").split() or [""]
    dated = any(map(_DIGIT.search, tokens[:OPENING_TOKENS])) and _word(tokens[0]) in PHRASES.openers
    dated = dated or _DIGIT.search("".join(tokens[:3])) is not None
    if dated or (verb and any("@" in token for token in tokens[:NAME_TOKENS])):
        return Attribution(start, end + 1, strong) if strong or weak else None
    # "Ann Lee wrote on 3 May 2026 10:15:" may be a person's own sentence: only a quote below it tells.
    leads = verb and strong and start == end and any(_word(token) in PHRASES.verbs for token in tokens[:OPENING_TOKENS])
    quotes = _word(tokens[0]) in PHRASES.quoters and "@" in joined and joined.endswith(":")
    return Attribution(start, end + 1, False) if leads or quotes else None


def _evidence(joined: str) -> tuple[bool, bool, bool]:
    """(has a verb, is strong, is weak) of the joined lines."""
    colon = joined.endswith((":", "："))
    folded = fold(joined).replace(">", "> ")
    words = [token.strip(TOKEN_EDGE) for token in folded.split()]
    verbs = PHRASES.verbs
    said = (i for i, word in enumerate(words) if word in verbs or ("(" in word and _word(word.partition("(")[0]) in verbs))
    at = next(said, -1)
    verb = at >= 0 or any(phrase in folded for phrase in PHRASES.verbs_unspaced)
    if at >= 0 and not PHRASES.pronouns.isdisjoint(words[max(0, at - 1) : at + 2]):
        return verb, False, True
    date, time = date_and_time(joined)
    address = has_address(joined)
    if verb:
        return True, address or (date and time), date or time or address
    dated_address = (
        date and joined.find("@") > 8 and "@" in joined[joined.rstrip(" >").rfind(" ") :] and len(joined) <= MAX_BARE
    )
    return False, dated_address and colon, dated_address


def has_address(text: str) -> bool:
    text = text[:MAX_ATTRIBUTION]
    return "@" in text and _ADDRESS.search(text) is not None


def date_and_time(text: str) -> tuple[bool, bool]:
    text = text[:MAX_ATTRIBUTION]
    return bool(_YEAR.search(text) or _NUMERIC_DATE.search(text)), _TIME.search(text) is not None


def _word(token: str) -> str:
    return token.casefold().strip(TOKEN_EDGE)
