"""What the sender newly wrote, apart from what was quoted and from the signature.

`extract` is called once a message, by `parse`, with the body as text and, where there is one, its HTML. It is line-based and
every question is anchored and bounded: linear time on anything. Nothing is dropped: each line of the body is in one of the
three results. Rules of the file:

1. Losing a wanted word is the serious error, leaving a quote the mild one: in doubt a line stays in the text.
2. What a strong attribution, a quoted header block or an "Original Message" divider opens is quoted to the end, if anything
   stands above it. A forwarded message is content, not a quote.
3. Quoted lines at the end go. Answers between quotes keep the quotes, without which they make no sense.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from . import reply_headers, reply_html, reply_lines, reply_segments
from .model import Reply
from .reply_lines import Attribution, is_blank, is_quoted
from .reply_segments import Body

MARKERS: Final = ("reply above this line", "reply above this email", "reply above the line", "write above this line")
MAX_MARKER_LINE: Final = 200


def extract(text: str, html: str | None = None, markers: Sequence[str] = ()) -> Reply:
    """Take a body apart. Linear; never raises.

    `html` is the markup that `text` was made from, None where the sender wrote a text part. `markers` are further "reply
    above this line" phrases.
    """
    every = [*MARKERS, *(marker.casefold() for marker in markers if marker)]
    if html is None:
        raw = text.replace("\r\n", "\n").replace("\r", "\n").split("\n", reply_html.MAX_LINES)
        return _taken_apart(_read(reply_html.Marked(raw), every))
    marked = reply_html.lines(html)
    if not marked.quotes and all(is_quoted(line) or is_blank(line) for line in marked.lines):
        # A mail that is all one indented block, which in HTML is not yet a quote.
        return Reply("\n".join(line.removeprefix(">").removeprefix(" ") for line in marked.lines).strip())
    return _taken_apart(_read(marked, every))


def _taken_apart(body: Body) -> Reply:
    kept, signature, introduced = reply_segments.decide(body)
    if not kept and not signature and not introduced:
        kept = set(range(body.end))  # nothing but quoted lines, and nobody who is quoted
    taken = kept | signature
    return Reply(
        text=_join(body.lines, sorted(kept)),
        quoted=_join(body.lines, [index for index in range(len(body.lines)) if index not in taken]),
        signature=_join(body.lines, sorted(signature)),
    )


def _read(marked: reply_html.Marked, markers: list[str]) -> Body:
    lines, origin = _apart(marked.lines)
    cuts = frozenset(bisect_left(origin, cut) for cut in marked.cuts)
    signature = frozenset(index for index, line in enumerate(origin) if line in marked.signature)
    quotes = frozenset(bisect_left(origin, line) for line in marked.quotes)
    body = Body(lines, _code(lines) | _forwarded(lines), {}, cuts, signature, quotes)
    attributions: dict[int, Attribution] = {}
    for index, line in enumerate(lines):
        if index not in body.protected and not is_quoted(line):
            found = reply_lines.attribution_ending_at(lines, index)
            if found and (found.strong or body.quote_follows(found.end)):
                attributions[found.start] = found
    body = replace(body, attributions=attributions)
    return replace(body, end=_end_of_new_text(body, markers))


def _apart(raw: list[str]) -> tuple[list[str], list[int]]:
    """Cut each line on which the reply and an attribution stand together; with the number of the line each came from."""
    lines: list[str] = []
    origin: list[int] = []
    for number, line in enumerate(raw):
        cut = None if is_quoted(line) else reply_lines.shared_attribution(line)
        head = line[:cut].rstrip("- ")
        lines.extend([line] if cut is None else [head, line[len(head) :]])
        origin.extend([number] if cut is None else [number, number])
    return lines, origin


def _code(lines: list[str]) -> frozenset[int]:
    """Lines between ``` fences: never a quote, never a signature."""
    fences = [index for index, line in enumerate(lines) if line.lstrip().startswith("```")]
    inside: set[int] = set()
    for opening, closing in zip(fences[::2], fences[1::2], strict=False):
        inside.update(range(opening, closing + 1))
    return frozenset(inside)


def _forwarded(lines: list[str]) -> frozenset[int]:
    """A forwarded message below its divider, if no quote has begun before: content, read no further."""
    for index, line in enumerate(lines):
        if is_quoted(line):
            continue
        if reply_lines.is_forward_divider(line):
            return frozenset(range(index, len(lines)))
        if reply_lines.is_original_divider(line):
            break
    return frozenset()


def _end_of_new_text(body: Body, markers: list[str]) -> int:
    """The first line that opens a quote to the end, with something new above it; the body's length when none does."""
    above = False
    skip = 0
    for index, line in enumerate(body.lines):
        if above and index in body.cuts:
            return _with_rule(body.lines, index)
        if index < skip or index in body.signature or not body.is_text(index):
            continue
        if index in body.protected:
            above = True
            continue
        attribution = body.attributions.get(index)
        block = reply_headers.header_block(body.lines, index)
        opens = block is not None or reply_lines.is_original_divider(line) or _is_marker(line, markers)
        if above and (opens or (attribution is not None and not body.quote_follows(attribution.end))):
            return _with_rule(body.lines, reply_headers.block_start(body.lines, index) if block else index)
        if block is not None and not above:
            return len(body.lines)  # a header block at the very top: the message is a forwarded one
        if attribution is not None:
            skip = attribution.end
        above = above or not (opens or attribution or reply_lines.is_rule(line))
    return len(body.lines)


def _is_marker(line: str, markers: list[str]) -> bool:
    return len(line) <= MAX_MARKER_LINE and any(marker in line.casefold() for marker in markers)


def _with_rule(lines: list[str], index: int) -> int:
    """The divider above belongs to the quote that it opens."""
    above = index - 1
    while above > 0 and is_blank(lines[above]):
        above -= 1
    return above if above > 0 and reply_lines.is_rule(lines[above]) else index


def _join(lines: list[str], indexes: Sequence[int]) -> str:
    """The lines in order, a blank one where others were taken out between them, trimmed at both ends."""
    out: list[str] = []
    before = -1
    for index in indexes:
        blank = is_blank(lines[index])
        if out and index != before + 1 and not out[-1] and blank:
            continue
        if out and index != before + 1 and out[-1] and not blank:
            out.append("")
        out.append("" if blank else lines[index].rstrip())
        before = index
    while out and not out[-1]:
        out.pop()
    while out and not out[0]:
        out.pop(0)
    return "\n".join(out)
