"""Octets to the tree of parts: MIME structure, however broken, in linear time and within bounds (RFC 2045, 2046; R-65).

Called by `understand` first of all. Containers are split from outside in, each by one search for its boundary, so the
work is at most octets × depth; there is no recursion. Nothing is copied: a part knows where its octets lie.

Rules of the file:
1. nothing raises and nothing is refused: broken structure is read the way a mail program would show it, and a defect says so;
2. the caps (octets, parts, depth, boundary length) cut the view, never the result;
3. line ends may be CRLF, LF or, where the message begins with them, CR alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from . import cms, fields, parameters
from .structure import Part

MAX_MESSAGE_OCTETS = 50 * 1024 * 1024
MAX_DEPTH = 50
MAX_PARTS = 1_000
MAX_BOUNDARY = 200
MAX_WRAPPERS = 3  # signatures within signatures that are opened: each holds a copy
MAX_REOPENED = 5  # messages within messages looked through for a boundary used twice
MAX_NEAR_MISSES = 10_000  # lines that begin with a boundary but are none, per container
CHARSET_WITHIN = 64 * 1024
HEAD_ROOM = 16 * 1024  # octets that may stand before a header
MAX_GUESSES = 100  # lines looked at when the declared boundary is missing or wrong

_LONE_CR = re.compile(rb"\r(?!\n)")
_BEFORE_HEADER = re.compile(rb"\A(?:\xef\xbb\xbf)?(?:[ \t]*\r?\n){0,100}(?:>?From [^\n]*\n)?")
_DASHES = re.compile(rb"^--([^\s][^\n]{0,199})\n(?=content-[a-z-]{1,40}:|mime-version:|\r?\n)", re.M | re.I)
_CHARSET = re.compile(rb"charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.I)
_LINE_END = re.compile(rb"[ \t\r]*(?:\n|\Z)")


class Tree(NamedTuple):
    """The message's root part and what was wrong with the structure, in words."""

    root: Part
    defects: list[str]


class _Open(NamedTuple):
    """A part whose body still has to be looked into."""

    part: Part
    depth: int
    first: bool = True  # of its container, as the letter is
    wrappers: int = 0


def read(octets: bytes) -> Tree:
    """The tree of any octets at all. Never raises."""
    defects: list[str] = []
    if len(octets) > MAX_MESSAGE_OCTETS:
        octets = octets[:MAX_MESSAGE_OCTETS]
        defects.append(f"message: over {MAX_MESSAGE_OCTETS} octets, the rest was not read")
    octets = _with_line_feeds(octets)
    before = _BEFORE_HEADER.match(octets)
    root = _entity(octets, before.end() if before else 0, len(octets), "text/plain", defects)
    waiting, count = [_Open(root, 0)] if root.may_hold_parts else [], 1
    while waiting:
        part, depth, first, wrappers = waiting.pop()
        if depth >= MAX_DEPTH:
            if part.is_multipart or part.is_message:
                defects.append(f"structure: deeper than {MAX_DEPTH}, not looked into")
            continue
        if first and wrappers < MAX_WRAPPERS and part.is_smime:
            wrappers += 1
            part.children += _signed(part, defects)
        for child in _children(part, defects):
            if count >= MAX_PARTS:
                defects.append(f"structure: over {MAX_PARTS} parts, the rest was not read")
                return Tree(root, defects)
            count += 1
            part.children.append(child)
        for number in range(len(part.children) - 1, -1, -1):
            if part.children[number].may_hold_parts:
                waiting.append(_Open(part.children[number], depth + 1, number == 0, wrappers))
    return Tree(root, defects)


def header(octets: bytes) -> fields.Fields:
    """The message's own fields in order, names in small letters, without a look at its body. Never raises."""
    octets = _with_line_feeds(octets[: fields.MAX_HEADER_OCTETS + HEAD_ROOM])
    before = _BEFORE_HEADER.match(octets)
    start = before.end() if before else 0
    stop, _ = fields.header_end(octets, start, len(octets))
    return fields.split(octets[start:stop], [])[0]


def _with_line_feeds(octets: bytes) -> bytes:
    """Where the first line ends with CR alone, every lone CR is a line end (old Macs); else the octets as they are."""
    first = octets.find(b"\r")
    if first < 0 or octets[first + 1 : first + 2] == b"\n" or octets.find(b"\n", 0, first) >= 0:
        return octets
    return _LONE_CR.sub(b"\n", octets)


def _entity(raw: bytes, start: int, end: int, default: str, defects: list[str]) -> Part:
    """The part whose header begins at `start`."""
    header, body = fields.header_end(raw, start, end)
    block = raw[start:header]
    headers, early = fields.split(block, defects, "" if block.isascii() else _declared_charset(raw, start))
    if early is not None:
        body = start + early
    part = Part(headers, default, {}, raw, body, end)
    if declared := part.get("content-type"):
        content_type, part.params = parameters.parse(declared)
        if "/" in content_type:
            part.content_type = content_type
        else:
            defects.append(f"content-type: no type in {declared[:40]!r}, read as {default}")
    return part


def _declared_charset(raw: bytes, start: int) -> str:
    """The first charset named from here on: what a mailer that writes raw 8-bit headers most likely wrote them in."""
    found = _CHARSET.search(raw, start, start + CHARSET_WITHIN)
    return found[1].decode("ascii") if found else ""


def _children(part: Part, defects: list[str]) -> Iterator[Part]:
    if part.is_multipart:
        default = "message/rfc822" if part.content_type == "multipart/digest" else "text/plain"  # RFC 2046 §5.1.5
        found = False
        for start, end in _ranges(part, defects):
            found = True
            child = _entity(part.raw, start, end, default, defects)
            if child.headers and not child.get("content-type"):
                defects.append("content-type: missing in a part")
            yield child
        if not found:
            part.content_type = "text/plain"
            defects.append("structure: no boundary of a multipart was found, read as text")
    elif part.is_message:
        encoded = part.content is not part.octets and part.content != part.octets
        raw, start, end = (part.content, 0, len(part.content)) if encoded else (part.raw, part.start, part.end)
        before = _BEFORE_HEADER.match(raw[start : min(end, start + 1000)])
        yield _entity(raw, start + (before.end() if before else 0), end, "text/plain", defects)


def _signed(part: Part, defects: list[str]) -> list[Part]:
    """What an S/MIME signature wraps."""
    content = cms.signed_content(part.content)
    return [_entity(content, 0, len(content), "text/plain", defects)] if content else []


def _ranges(part: Part, defects: list[str]) -> Iterator[tuple[int, int]]:
    """Where the container's parts lie, header and body, without the line break that belongs to the next delimiter."""
    boundary = _boundary(part)
    if len(boundary) > MAX_BOUNDARY:
        defects.append(f"structure: a boundary over {MAX_BOUNDARY} octets")
        boundary = b""
    delimiters = _delimiters(part, boundary, defects) if boundary else iter(())
    first = next(delimiters, None)
    if first is None:
        guessed = _guess(part)
        if not guessed:
            return
        defects.append("structure: the declared boundary is missing or wrong, another was found")
        boundary, delimiters = guessed, _delimiters(part, guessed, defects)
        first = next(delimiters, None)
        if first is None:
            return
    (_, start, closed), after, inside = first, first[1], 0
    for line, following, closing in delimiters:
        inside += _reopens(part.raw, after, line, boundary)
        after = following
        if inside:  # a container within, of the same boundary, takes every delimiter up to its closing one
            inside -= closing
            continue
        if not closed:
            yield start, _before_line(part.raw, start, line)
        start, closed = following, closing
    if not closed:
        defects.append("structure: no closing boundary")
        yield start, _before_glued_close(part, start)


def _boundary(part: Part) -> bytes:
    return part.params.get("boundary", "").rstrip().encode("utf-8", "replace")


def _reopens(raw: bytes, start: int, end: int, boundary: bytes) -> bool:
    """Whether the part between two delimiters, or a message it holds, declares the same boundary for itself."""
    for _ in range(MAX_REOPENED):
        header, _ = fields.header_end(raw, start, end)
        block = raw[start:header].lower()
        if b"boundary" not in block and b"message/" not in block:
            return False
        part = _entity(raw, start, end, "text/plain", [])
        if not part.is_message:
            return part.is_multipart and _boundary(part) == boundary
        start = part.start
    return False


def _delimiters(part: Part, boundary: bytes, defects: list[str]) -> Iterator[tuple[int, int, bool]]:
    """Each delimiter line: where it begins, where the next line begins, and whether it closes the container."""
    raw, end, needle = part.raw, part.end, b"--" + boundary
    position, misses = part.start, 0
    while (dash := raw.find(b"-", position, end)) >= 0 and (line := raw.find(needle, dash, end)) >= 0:  # base64 has no dash
        position = line + len(needle)
        if line == part.start or raw[line - 1 : line] == b"\n":
            closing = raw.startswith(b"--", position, end)
            stop = _LINE_END.match(raw, position + 2 * closing, end)
            if stop:
                position = stop.end()
                yield line, position, closing
                continue
        misses += 1
        if misses > MAX_NEAR_MISSES:
            defects.append("structure: too many lines like a boundary, the rest was not split")
            return


def _guess(part: Part) -> bytes | None:
    """A boundary nobody declared: the first `--` line that a part's header follows."""
    for number, match in enumerate(_DASHES.finditer(part.raw, part.start, part.end)):
        if number >= MAX_GUESSES:
            break
        if match[1].rstrip() and not match[1].rstrip().endswith(b"--"):
            return match[1].rstrip()
    return None


def _before_glued_close(part: Part, start: int) -> int:
    """The container's end, without a closing delimiter that stands at the end of the last line for want of a line break."""
    tail = part.raw[max(start, part.end - MAX_BOUNDARY - 10) : part.end].rstrip()
    closing = b"--" + _boundary(part) + b"--"
    if len(closing) > 4 and tail.endswith(closing):
        return part.raw.rindex(closing, start, part.end)
    return part.end


def _before_line(raw: bytes, start: int, line: int) -> int:
    """The end of what stands before a delimiter line (RFC 2046 §5.1.1: the line break before it is the delimiter's)."""
    if line > start and raw[line - 1] == 10:
        line -= 1
        if line > start and raw[line - 1] == 13:
            line -= 1
    return max(line, start)
