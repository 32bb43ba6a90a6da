"""A body as runs of text and of quotes, and which of them the sender newly wrote.

Rules of the file: quotes at the end go. One quote that is introduced goes where the answer stands below it, or above a short
tail. Where answers stand between quotes they keep them, without which they make no sense. A quote without any introduction
stays where it stands, because nobody says that it is not the sender's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from .lines import attribution_ending_at, initials
from .scan import Body
from .signature import split

LONG_TAIL: Final = 7  # lines of text below a single quote that make it an answer to the quote, not a footer


@dataclass(slots=True)
class Segment:
    """A run of lines, as indexes into the body. `introduced` quotes say themselves that they quote."""

    quoted: bool
    lines: list[int] = field(default_factory=list)
    introduced: bool = False


def decide(body: Body, end: int) -> tuple[set[int], set[int], bool]:
    """Which lines above `end` are new text, which are signature, and whether any quote was introduced."""
    segments = _segments(body, end)
    interleaved = _is_interleaved(body, segments)
    signature = {index for index in body.signature if index < end}
    rest = _without_last_quotes(body, segments, signature)
    kept: set[int] = set()
    for position, segment in enumerate(rest):
        if not segment.quoted:
            if position + 1 < len(rest) and not interleaved:
                _cut_signature(body, segment, signature)
            kept.update(segment.lines)
        elif interleaved or not segment.introduced or _is_context(body, rest, position):
            kept.update(segment.lines)
    return kept, signature, any(segment.introduced for segment in segments)


def signature_above(body: Body, end: int) -> int:
    """Where the signature begins when all lines above `end` are one text; `end` when it has none."""
    at = split(body.lines[:end])
    return at if body.protected.isdisjoint(range(at, end)) else end


def _segments(body: Body, end: int) -> list[Segment]:
    """An attribution begins a quote but is itself in no segment's lines: it is never text."""
    segments: list[Segment] = []
    index, blank, quoted, orderly = 0, body.blank, body.quoted, not (body.named or body.protected or body.signature)
    while index < end:
        found = body.attributions.get(index)
        if orderly and segments and not found and (blank[index] or quoted[index] == segments[-1].quoted):
            segments[-1].lines.append(index)
            index += 1
        elif index in body.signature:
            index += 1
        elif found:
            segments.append(Segment(True, introduced=True))
            index = found.end
            while body.quote_follows(index) and index < end and body.blank[index]:
                index += 1
        else:
            _append(body, segments, index)
            index += 1
    for segment in segments:
        segment.introduced = segment.introduced or (segment.quoted and _introduces_itself(body, segment))
    return segments


def _append(body: Body, segments: list[Segment], index: int) -> None:
    last = segments[-1] if segments else None
    quoted = last.quoted if last and body.blank[index] else _is_in_quote(body, index, last)
    if last is None or last.quoted != quoted:
        segments.append(last := Segment(quoted))
    last.lines.append(index)


def _is_in_quote(body: Body, index: int, last: Segment | None) -> bool:
    if index in body.protected:
        return False
    if index not in body.named:
        return body.quoted[index]
    if last and last.quoted and last.introduced:
        return True
    mark = initials(body.lines[index])
    return any(body.lines[near].lstrip().startswith(mark) for near in (index - 1, index + 1) if 0 <= near < len(body.lines))


def _introduces_itself(body: Body, segment: Segment) -> bool:
    """Whether the markup says so, or the first quoted lines are an attribution: `> On Tuesday Ann wrote:`."""
    if not body.quotes.isdisjoint(segment.lines):
        return True
    first = [body.lines[index].lstrip("> \t") for index in segment.lines[:4]]
    return any(attribution_ending_at(first, index) for index in range(len(first)))


def _without_last_quotes(body: Body, segments: list[Segment], signature: set[int]) -> list[Segment]:
    """The segments up to the last new text, its signature cut off; a quote before an introduced last one stays."""
    rest = list(segments)
    while rest:
        last = rest[-1]
        if not last.quoted:
            _cut_signature(body, last, signature)
            if _has_text(body, last):
                break
        rest.pop()
        if last.introduced and rest and rest[-1].quoted and not rest[-1].introduced and _any_text(body, rest):
            break
    return rest


def _is_interleaved(body: Body, segments: list[Segment]) -> bool:
    """Quote, answer, quote."""
    shape = [segment.quoted for segment in segments if _has_text(body, segment)]
    return any(shape[index : index + 3] == [True, False, True] for index in range(len(shape)))


def _is_context(body: Body, rest: list[Segment], position: int) -> bool:
    """A single quote amid the text stays when a long answer follows; at the top, or above a short tail, it goes."""
    below = sum(not body.blank[i] for segment in rest[position + 1 :] for i in segment.lines if not segment.quoted)
    return _any_text(body, rest[:position]) and below >= LONG_TAIL


def _cut_signature(body: Body, segment: Segment, signature: set[int]) -> None:
    at = split([body.lines[index] for index in segment.lines])
    if body.protected.isdisjoint(segment.lines[at:]):
        signature.update(segment.lines[at:])
        del segment.lines[at:]


def _any_text(body: Body, segments: Sequence[Segment]) -> bool:
    return any(not segment.quoted and _has_text(body, segment) for segment in segments)


def _has_text(body: Body, segment: Segment) -> bool:
    return any(not body.blank[index] for index in segment.lines)
