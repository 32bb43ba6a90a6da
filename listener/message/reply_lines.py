"""What one line of a mail body is: quoted, an attribution, the start of a quoted header block, a divider.

Rules of the file. Each question looks at a bounded number of lines and characters (`MAX_ATTRIBUTION`, `MAX_BLOCK`), so that
reading a body is linear in its length whatever it holds. An attribution is *strong* when it alone proves that the rest is
quoted (a person with an address, or a date with a time), *weak* when quoted lines must follow it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from .reply_phrases import PHRASES, fold

MAX_ATTRIBUTION: Final = 400  # characters of an attribution, all its lines together
MAX_ATTRIBUTION_LINES: Final = 6
MAX_BLOCK: Final = 40  # lines of a quoted header block
MAX_FIELD_NAME: Final = 32
MAX_DIVIDER: Final = 160
OPENING_TOKENS: Final = 6  # a date stands among the first words of an attribution
NAME_TOKENS: Final = 9  # an address without a date does too

_MARKS: Final = " \t*_-–—=~#>•.:|\u200b\u200e\u200f\ufeff"
_EDGE: Final = " \t*_-–—=~\u200b\u200e\u200f\ufeff\ufffc"
_TOKEN_EDGE: Final = "()[]{},;:<>\"'«»„“”*_-–—.!?：،\u200e\u200f"
_INITIALS: Final = re.compile(r"[^\W\d_]{1,12}>")
_YEAR: Final = re.compile(r"(?<!\d)(?:19[7-9]\d|20\d\d)(?!\d)")
_NUMERIC_DATE: Final = re.compile(r"(?<!\d)\d{1,4}([./-])\s?\d{1,2}\1\s?\d{1,4}(?!\d)")
_TIME: Final = re.compile(r"(?<!\d)\d{1,2}\s?[:.h]\s?\d\d(?!\d)")
_ADDRESS: Final = re.compile(r"[^\s<>@]@[^\s<>@]")


class Attribution(NamedTuple):
    """Lines `start` to `end` (exclusive) introduce a quote."""

    start: int
    end: int
    strong: bool


def is_blank(line: str) -> bool:
    """No visible character; a read-tracking mark (U+1427) counts as none."""
    return not line.strip(" \t\xa0\u1427\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufffc\x0b\x0c")


def is_quoted(line: str) -> bool:
    """Whether the line begins with `>`, after three spaces at most (RFC 3676 §4.5 has none)."""
    return line[:4].lstrip(" \xa0\ufeff").startswith(">")


def initials(line: str) -> str:
    """The `Bob>` that some programs put before every quoted line, or ""."""
    found = _INITIALS.match(line)
    return found.group() if found else ""


def attribution_ending_at(lines: Sequence[str], end: int) -> Attribution | None:
    """The attribution whose last line is `end`, or None. The longest start that looks like one wins."""
    last = lines[end]
    if len(last) > MAX_ATTRIBUTION or not _may_end(last):
        return None
    best = _judge(lines, end, end)
    start = end
    for _ in range(MAX_ATTRIBUTION_LINES - 1):
        start = _line_before(lines, start)
        if start < 0 or end - start >= MAX_ATTRIBUTION_LINES or len(lines[start]) > MAX_ATTRIBUTION or _is_prose(lines[start]):
            break
        best = _judge(lines, start, end) or best
    return best


def shared_attribution(line: str) -> int | None:
    """Where an attribution begins inside a line that begins with the reply ("thanks On Wed, Apr 4 … wrote:"), or None."""
    offset = max(0, len(line) - MAX_ATTRIBUTION)
    tail = line[offset:]
    tokens = tail.split(" ")
    if not _may_end(line) or not any(_word(token) in PHRASES.verbs for token in tokens[-3:]):
        return None
    position = len(tokens[0])
    for index in range(1, len(tokens)):
        rest = tokens[index : index + OPENING_TOKENS]
        if rest[0] and _word(rest[0]) in PHRASES.openers and rest[0][:1].isupper() and any(map(_has_digit, rest)):
            return offset + position + 1 if _evidence(tail[position:])[1] else None
        position += len(tokens[index]) + 1
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


def header_block(lines: Sequence[str], start: int) -> int | None:
    """The end of a quoted header block (From, Sent, To, Subject …) that begins at `start`, or None.

    An itinerary has From, To and Date too: without a subject or an address it is none.
    """
    seen: dict[str, str] = {}
    end = index = start
    while index < len(lines) and index < start + MAX_BLOCK:
        field, value = _header_field(lines, index)
        if not field and index == start:
            return None
        if field:
            seen.setdefault(field, value)
            seen.update((PHRASES.fields[fold(name[:-1])], value) for name in value.split() if fold(name[:-1]) in PHRASES.fields)
            end = index + 1
        elif index - end >= (1 if is_blank(lines[index]) or len(seen) < 2 else 2):
            break
        index += 1
    return end if _is_header_block(seen) else None


def _is_header_block(seen: dict[str, str]) -> bool:
    address = any(_ADDRESS.search(value[:MAX_ATTRIBUTION]) for value in seen.values())
    if "from" in seen:
        return ("subject" in seen and (len(seen) >= 3 or address)) or (address and ("date" in seen or len(seen) >= 3))
    return "date" in seen and "to" in seen and (address or "subject" in seen) and any(_date_and_time(seen["date"]))


def _header_field(lines: Sequence[str], index: int) -> tuple[str, str]:
    line = lines[index].lstrip(" \t>*_\u200b\ufeff")[: MAX_FIELD_NAME + MAX_ATTRIBUTION]
    name, colon, _ = line[: MAX_FIELD_NAME + 1].partition(":")
    if not colon:
        name, colon, _ = line[: MAX_FIELD_NAME + 1].partition("：")
    name = name.rstrip(" \t*_\xa0\u200b")
    if not colon or not name or name[0].islower():
        return _bare_field(lines, index)
    return PHRASES.fields.get(fold(name), ""), line[line.index(colon) + 1 :] + _next(lines, index)


def _bare_field(lines: Sequence[str], index: int) -> tuple[str, str]:
    """Lotus Notes writes field names alone on their lines, the value below."""
    name = lines[index].strip()
    return ("notes-" + name.lower(), _next(lines, index)) if name in ("To", "cc", "Subject") else ("", "")


def _next(lines: Sequence[str], index: int) -> str:
    return " " + lines[index + 1][:MAX_ATTRIBUTION] if index + 1 < len(lines) else ""


def _is_divider(line: str, phrases: tuple[str, ...]) -> bool:
    if len(line) > MAX_DIVIDER:
        return False
    raw = line.strip()
    bare = fold(raw.strip(_MARKS))
    marked = len(raw) > len(raw.strip("-_=*—–~")) or raw.endswith((":", "："))
    return marked and any(
        bare == phrase or (bare.startswith(phrase) and raw[:2] in ("--", "__", "==", "**")) for phrase in phrases
    )


def _line_before(lines: Sequence[str], start: int) -> int:
    """The line above that may belong to the same attribution; over blank lines only when an address is torn in two."""
    above = start - 1
    if above >= 0 and is_blank(lines[above]):
        if not lines[start].lstrip().startswith(("<", ">")) and not lines[start].lower().startswith("mailto:"):
            return -1
        above -= 1
    if above < 0 or is_blank(lines[above]) or (is_quoted(lines[above]) and not lines[above].lstrip().startswith("> wrote")):
        return -1
    return above


def _is_prose(line: str) -> bool:
    """Whether the line ends a sentence: an attribution has not yet begun above it."""
    words = line.split()
    last = words[-1] if words else ""
    return last.endswith(("!", "?")) or (last.endswith((".", ":")) and len(last) > 5 and last[:-1].isalpha())


def _may_end(line: str) -> bool:
    bare = line.rstrip(_EDGE)
    return bare.endswith((":", "：", ">")) or _word(bare[bare.rfind(" ") + 1 :]) in PHRASES.verbs


def _judge(lines: Sequence[str], start: int, end: int) -> Attribution | None:
    joined = " ".join(line.strip() for line in lines[start : end + 1]).strip(_EDGE)
    if not joined or len(joined) > MAX_ATTRIBUTION or ("@" not in joined and not any(map(_has_digit, joined))):
        return None
    verb, strong, weak = _evidence(joined)
    tokens = lines[start].strip(_EDGE).replace("<", " <").split() or [""]
    dated = any(map(_has_digit, tokens[:OPENING_TOKENS])) and _word(tokens[0]) in PHRASES.openers
    dated = dated or _has_digit("".join(tokens[:3]))
    named = verb and any("@" in token for token in tokens[:NAME_TOKENS])
    if not dated and not named:
        return None
    return Attribution(start, end + 1, strong) if strong or weak else None


def _evidence(joined: str) -> tuple[bool, bool, bool]:
    """(has a verb, is strong, is weak) of the joined lines."""
    colon = joined.endswith((":", "："))
    folded = fold(joined).replace(">", "> ")
    words = [_word(token) for token in folded.split()]
    at = next(
        (i for i, word in enumerate(words) if word in PHRASES.verbs or _word(word.partition("(")[0]) in PHRASES.verbs), -1
    )
    verb = at >= 0 or any(phrase in folded for phrase in PHRASES.verbs_unspaced)
    if at >= 0 and any(word in PHRASES.pronouns for word in words[max(0, at - 1) : at + 2]):
        return verb, False, True
    date, time = _date_and_time(joined)
    address = _ADDRESS.search(joined) is not None
    if verb:
        return True, address or (date and time), date or time or address
    dated_address = date and address and joined.find("@") > 8
    return False, dated_address and colon, dated_address


def _date_and_time(text: str) -> tuple[bool, bool]:
    text = text[:MAX_ATTRIBUTION]
    return bool(_YEAR.search(text) or _NUMERIC_DATE.search(text)), _TIME.search(text) is not None


def _has_digit(token: str) -> bool:
    return any(char.isdigit() for char in token)


def _word(token: str) -> str:
    return fold(token).strip(_TOKEN_EDGE)
