"""format=flowed text put back together (RFC 3676): soft breaks joined, stuffing removed, quote depth kept."""

from __future__ import annotations

import re

_QUOTES = re.compile(r">*")
SIGNATURE_LINE = "-- "


def unflow(text: str, delete_space: bool) -> str:
    """Paragraphs as single lines. `delete_space` is DelSp=yes: the blank of a soft break goes too."""
    out: list[list[str]] = []
    open_depth: int | None = None  # the quote depth of a paragraph that the last line left open
    for line in text.split("\n"):
        quotes = _QUOTES.match(line)
        depth = quotes.end() if quotes else 0
        content = line[depth:]
        stuffed = content.startswith(" ")
        content = content[stuffed:]  # RFC 3676 §4.4: space-stuffing
        soft = content.endswith(" ") and content != SIGNATURE_LINE
        if soft and delete_space:
            content = content[:-1]
        if open_depth == depth and content and content != SIGNATURE_LINE:  # an empty line always parts paragraphs
            out[-1].append(content)
        else:
            out.append([">" * depth + (" " if depth and stuffed else ""), content])
        open_depth = depth if soft else None
    return "\n".join(map("".join, out))
