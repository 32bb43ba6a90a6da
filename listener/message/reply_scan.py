"""One look at every line of a body: which are blank, quoted, or may begin or end something that quotes.

Most lines are none of these, so this pass does little and does it fast; only the candidates it finds are examined by
`reply_lines` and `reply_headers`. The result is a `Body`, which all later questions are put to.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from . import reply_lines
from .reply_headers import MAX_FIELD_NAME, NOTES
from .reply_html import Marked
from .reply_lines import BLANKS, DASHES, Attribution, attribution_ending_at, initials, is_quoted, may_end, shared_attribution

_MAX_INITIALS: Final = 13  # twelve letters and `>`


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

    def quote_follows(self, index: int) -> bool:
        """Whether the next line with anything on it is quoted."""
        while index < len(self.lines) and self.blank[index]:
            index += 1
        return index < len(self.lines) and (self.quoted[index] or index in self.named)


def read(marked: Marked) -> Body:
    """Everything that is known of the lines. Linear; never raises."""
    body = Body()
    origin: list[int] = []
    for number, line in enumerate(marked.lines):
        for piece in _apart(line):
            _add(body, piece)
            origin.append(number)
    body.cuts = _placed(marked.cuts, origin)
    body.quotes = _placed(marked.quotes, origin)
    if marked.signature:
        body.signature = frozenset(index for index, number in enumerate(origin) if number in marked.signature)
    body.protected = _code(body) | _forwarded(body)
    for index in body.ends:
        found = attribution_ending_at(body.lines, index) if index not in body.protected else None
        if found and (found.strong or body.quote_follows(found.end)):
            body.attributions[found.start] = found
    return body


def _placed(numbers: Iterable[int], origin: list[int]) -> frozenset[int]:
    """Where lines of the text stand among the pieces; a mark below the last line marks nothing."""
    return frozenset(bisect_left(origin, number) for number in numbers) - {len(origin)}


def _apart(line: str) -> Sequence[str]:
    """The line, or its two pieces where the reply and an attribution stand together."""
    if ">" in line[:4] or not may_end(line) or (cut := shared_attribution(line)) is None:
        return (line,)
    head = line[:cut].rstrip("- ")
    return (head, line[len(head) :]) if head else (line,)


def _add(body: Body, line: str) -> None:
    """Note what the line may be."""
    bare = line.strip(BLANKS)
    quoted = ">" in line[:4] and is_quoted(line)
    index = len(body.lines)
    body.lines.append(line)
    body.blank.append(not bare)
    body.quoted.append(quoted)
    if not bare or quoted:
        return
    if may_end(line):
        body.ends.append(index)
    if bare[0] in DASHES or bare[-1] in DASHES or bare[-1] in ":：" or bare[0] == "`":
        body.marked.append(index)
    if (":" in bare[:MAX_FIELD_NAME] or "：" in bare[:MAX_FIELD_NAME] or bare in NOTES) and not bare[0].islower():
        body.fields.append(index)
    if ">" in line[:_MAX_INITIALS] and initials(line):
        body.named.add(index)


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
        if reply_lines.is_forward_divider(body.lines[index]):
            return frozenset(range(index, len(body.lines)))
        if reply_lines.is_original_divider(body.lines[index]):
            break
    return frozenset()
