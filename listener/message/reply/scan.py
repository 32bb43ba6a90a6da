"""One look at every line of a body: which are blank, quoted, or may begin or end something that quotes.

Most lines are none of these, so this pass does little and does it fast; only the candidates it finds are examined by
`lines` and `headers`. The result is a `Body`, which all later questions are put to.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from string import ascii_letters, digits
from typing import Final

from .headers import MAX_FIELD_NAME, NOTES
from .html import Marked
from .lines import (
    BLANKS,
    DASHES,
    EDGES,
    MAX_TORN,
    TOKEN_EDGE,
    Attribution,
    attribution_ending_at,
    initials,
    is_forward_divider,
    is_original_divider,
    is_quoted,
    may_end,
    shared_attribution,
)
from .phrases import PHRASES

VERBS: Final = PHRASES.verbs
_ALNUM: Final = ascii_letters + digits
_MARKS: Final = DASHES + ":：`"  # a divider, a rule or a fence begins or ends with one of these
_MARKED: Final = frozenset(_MARKS + ">")
_STOPS: Final = frozenset(".,!?")
_TAILS: Final = frozenset(word[-2:] for word in (*VERBS, *NOTES))
# The last two letters of nearly every line: no verb of an attribution ends so, and no line of Lotus Notes.
_ORDINARY: Final = frozenset(a + b for a in _ALNUM for b in _ALNUM) - {
    form for tail in _TAILS for form in (tail, tail.upper(), tail.title(), tail.swapcase().title().swapcase())
}


@dataclass(slots=True)
class Body:
    """The lines and what is known of each, by index. `protected` lines (code, a forwarded message) are never a quote.

    `marked` may be dividers, rules or fences, `fields` may begin a header block. `cuts` are dividers by their markup,
    `signature` lines are so by it, and at `quotes` begins an element that surely quotes.
    """

    lines: list[str] = field(default_factory=list)
    blank: list[bool] = field(default_factory=list)
    quoted: list[bool] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    marked: list[int] = field(default_factory=list)
    fields: list[int] = field(default_factory=list)
    named: set[int] = field(default_factory=set)
    protected: frozenset[int] = frozenset()
    attributions: dict[int, Attribution] = field(default_factory=dict)
    cuts: frozenset[int] = frozenset()
    signature: frozenset[int] = frozenset()
    quotes: frozenset[int] = frozenset()

    def is_text(self, index: int) -> bool:
        return index in self.protected or not (self.blank[index] or self.quoted[index])

    def is_unquoted(self, end: int) -> bool:
        """Whether nothing above `end` quotes or is marked as a signature."""
        marked = (*self.attributions, *self.named, *self.signature)
        return not any(self.quoted[:end]) and (not marked or min(marked) >= end)

    def quote_follows(self, index: int) -> bool:
        """Whether the next line with anything on it is quoted."""
        while index < len(self.lines) and self.blank[index]:
            index += 1
        return index < len(self.lines) and (self.quoted[index] or index in self.named)


def read(marked: Marked) -> Body:
    """Everything that is known of the lines. Linear; never raises."""
    body = _scanned(marked.lines)
    pieces = [(index, _apart(body.lines[index])) for index in body.ends]
    torn = {index: pair for index, pair in pieces if pair}
    if torn:
        origin: Sequence[int] = [index for index in range(len(body.lines)) for _ in torn.get(index, (None,))]
        body = _scanned([piece for index, line in enumerate(body.lines) for piece in torn.get(index, (line,))])
    else:
        origin = range(len(body.lines))
    if marked.cuts or marked.quotes:
        body.cuts = _placed(marked.cuts, origin)
        body.quotes = _placed(marked.quotes, origin)
    if marked.signature:
        body.signature = frozenset(index for index, number in enumerate(origin) if number in marked.signature)
    if body.marked:
        body.protected = _code(body) | _forwarded(body)
    for index in body.ends:
        found = attribution_ending_at(body.lines, index) if index not in body.protected else None
        if found and (found.strong or body.quote_follows(found.end)):
            body.attributions[found.start] = found
    return body


def _scanned(lines: list[str]) -> Body:
    """The first look, at every line: no calls but for the few lines that may be something."""
    bare = [line.strip(BLANKS) for line in lines]
    quoted = [False] * len(lines)
    body = Body(lines, [not text for text in bare], quoted)
    whole = "".join(bare)
    hinted = ":" in whole or ">" in whole or "：" in whole
    for index, text in enumerate(bare):
        if not text:
            continue
        first, last = text[0], text[-1]
        if first == ">" and len(text) > MAX_TORN and lines[index][0] == ">":
            quoted[index] = True
            continue
        ordinary = (text[-3:-1] if last in _STOPS else text[-2:]) in _ORDINARY
        if first == ">":
            if (ordinary and lines[index][0] == ">") or is_quoted(lines[index]):
                quoted[index] = True
                continue
        elif ordinary and not hinted and first not in _MARKED:
            continue
        head = text[:MAX_FIELD_NAME]
        if ordinary and first not in _MARKED and not (":" in head or ">" in head or "：" in head):
            continue
        if last in ":：>" or (last in EDGES and may_end(text)) or text.rpartition(" ")[2].casefold().strip(TOKEN_EDGE) in VERBS:
            body.ends.append(index)
        if first in _MARKS or last in _MARKS:
            body.marked.append(index)
        if (":" in head or "：" in head or text in NOTES) and not first.islower():
            body.fields.append(index)
        if ">" in head and initials(lines[index]):
            body.named.add(index)
    return body


def _placed(numbers: Iterable[int], origin: Sequence[int]) -> frozenset[int]:
    """Where lines of the text stand among the pieces; a mark below the last line marks nothing."""
    return frozenset(bisect_left(origin, number) for number in numbers) - {len(origin)}


def _apart(line: str) -> tuple[str, str] | None:
    """The two pieces of a line on which the reply and an attribution stand together."""
    cut = shared_attribution(line)
    head = line[:cut].rstrip("- ")
    return (head, line[len(head) :]) if cut is not None and head else None


def _code(body: Body) -> frozenset[int]:
    """Lines between ``` fences: never a quote, never a signature."""
    fences = [index for index in body.marked if body.lines[index].lstrip().startswith("```")]
    inside: set[int] = set()
    for opening, closing in zip(fences[::2], fences[1::2], strict=False):
        inside.update(range(opening, closing + 1))
    return frozenset(inside)


def _forwarded(body: Body) -> frozenset[int]:
    """A forwarded message below its divider, if no quote has begun before: content, read no further."""
    for index in body.marked:
        if is_forward_divider(body.lines[index]):
            return frozenset(range(index, len(body.lines)))
        if is_original_divider(body.lines[index]):
            break
    return frozenset()
