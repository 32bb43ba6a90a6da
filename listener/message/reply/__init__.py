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

from collections.abc import Sequence
from operator import or_
from typing import Final

from ..model import Reply
from . import scan
from .headers import block_start, header_block
from .html import MAX_LINES, Marked
from .html import lines as marked_lines
from .lines import is_original_divider, is_rule
from .scan import Body
from .segments import decide, signature_above

MARKERS: Final = ("reply above this line", "reply above this email", "reply above the line", "write above this line")
MAX_MARKER_LINE: Final = 200


def extract(text: str, html: str | None = None, markers: Sequence[str] = ()) -> Reply:
    """Take a body apart. Linear; never raises.

    `html` is the markup from which `html.to_text` made `text`, None where the sender wrote a text part. `markers` are further
    "reply above this line" phrases.
    """
    every = [*MARKERS, *(marker.casefold() for marker in markers if marker)] if markers else MARKERS
    if html is None:
        if "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        return _taken_apart(scan.read(Marked(text.split("\n", MAX_LINES))), every)
    marked = marked_lines(html, text)
    body = scan.read(marked)
    if not marked.quotes and all(map(or_, body.quoted, body.blank)):
        # A mail that is all one indented block, which in HTML is not yet a quote.
        return Reply("\n".join(line.removeprefix(">").removeprefix(" ") for line in marked.lines).strip())
    return _taken_apart(body, every)


def _taken_apart(body: Body, markers: Sequence[str]) -> Reply:
    end = _end_of_new_text(body, markers)
    top = _start_of_only_quote(body, end)
    if body.is_unquoted(top):
        signed = signature_above(body, top)
        return Reply(_between(body, 0, signed), _between(body, top, len(body.lines)), _between(body, signed, top))
    kept, signature, introduced = decide(body, end)
    if not kept and not signature and not introduced:
        kept = set(range(end))  # nothing but quoted lines, and nobody who is quoted
    taken = kept | signature
    return Reply(
        text=_join(body, sorted(kept)),
        quoted=_join(body, [index for index in range(len(body.lines)) if index not in taken]),
        signature=_join(body, sorted(signature)),
    )


def _end_of_new_text(body: Body, markers: Sequence[str]) -> int:
    """The first line that opens a quote to the end, with something new above it; the number of lines when none does."""
    fields, marked, skip = set(body.fields), set(body.marked), 0
    ours = _marker_lines(body, markers)
    candidates = sorted({*body.attributions, *body.cuts, *fields, *marked, *ours})
    if not candidates:
        return len(body.lines)
    above = _first_plain(body, candidates)
    for index in candidates:
        if index > above and index in body.cuts:
            return _with_rule(body, index)
        if index < skip or index in body.signature or not body.is_text(index):
            continue
        if index in body.protected:
            above = min(above, index)
            continue
        attribution = body.attributions.get(index)
        block = header_block(body.lines, index) if index in fields else None
        original = index in marked and is_original_divider(body.lines[index])
        opens = block is not None or original or index in ours
        if index > above and (opens or (attribution is not None and not body.quote_follows(attribution.end))):
            return _with_rule(body, block_start(body.lines, index) if block else index)
        if block is not None and index <= above:
            return len(body.lines)  # a header block at the very top: the message is a forwarded one
        if attribution is not None:
            skip = attribution.end
        elif not opens and not is_rule(body.lines[index]):
            above = min(above, index)
    return len(body.lines)


def _start_of_only_quote(body: Body, end: int) -> int:
    """Where the one quote begins that is introduced and reaches to `end`, as in most replies; else `end`."""
    if len(body.attributions) != 1 or body.named or body.signature or body.protected:
        return end
    (found,) = body.attributions.values()
    below = slice(found.end, end)
    return found.start if found.end <= end and all(map(or_, body.quoted[below], body.blank[below])) else end


def _first_plain(body: Body, candidates: list[int]) -> int:
    """The first line of text that cannot open a quote."""
    special = set(candidates)
    for found in body.attributions.values():
        special.update(range(found.start, found.end))
    lines = range(len(body.lines))
    return next((i for i in lines if i not in special and i not in body.signature and body.is_text(i)), len(body.lines))


def _marker_lines(body: Body, markers: Sequence[str]) -> set[int]:
    whole = "\n".join(body.lines).casefold()
    present = [marker for marker in markers if marker in whole]
    if not present:
        return set()
    short = ((index, line.casefold()) for index, line in enumerate(body.lines) if len(line) <= MAX_MARKER_LINE)
    return {index for index, line in short if any(marker in line for marker in present)}


def _with_rule(body: Body, index: int) -> int:
    """The divider above belongs to the quote that it opens."""
    above = index - 1
    while above > 0 and body.blank[above]:
        above -= 1
    return above if above > 0 and is_rule(body.lines[above]) else index


def _join(body: Body, indexes: Sequence[int]) -> str:
    """The lines in order, a blank one where others were taken out between them, trimmed at both ends."""
    if indexes and indexes[-1] - indexes[0] == len(indexes) - 1:
        return _between(body, indexes[0], indexes[-1] + 1)
    out: list[str] = []
    before = indexes[0] - 1 if indexes else 0
    for index in indexes:
        line = "" if body.blank[index] else body.lines[index].rstrip()
        if index != before + 1 and out and bool(out[-1]) == bool(line):
            if not line:
                before = index
                continue
            out.append("")
        out.append(line)
        before = index
    return "\n".join(out).strip("\n")


def _between(body: Body, start: int, end: int) -> str:
    """Lines that follow one another, trimmed at both ends."""
    if start >= end:
        return ""
    pairs = zip(body.lines[start:end], body.blank[start:end], strict=True)
    return "\n".join(["" if blank else line.rstrip() for line, blank in pairs]).strip("\n")
