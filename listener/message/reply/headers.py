"""The header block that Outlook, Lotus Notes and many others put above a quoted message: From, Sent, To, Subject.

Field names are known in thirty languages. `header_block` looks at 40 lines at most, so that reading a body stays linear.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from .lines import MAX_ATTRIBUTION, MAX_ATTRIBUTION_LINES, date_and_time, has_address, is_blank, is_rule
from .phrases import PHRASES, fold

MAX_BLOCK: Final = 40  # lines of a header block
MAX_FIELD_NAME: Final = 32

_REPEATED: Final = ("cc", "other")
# Fields that no mail program shows above a quote: then somebody pasted a raw message, and may go on writing below it.
_RAW: Final = (
    "message-id:", "mime-version:", "content-type:", "content-transfer-encoding:", "received:", "return-path:", "path:",
    "delivered-to:", "errors-to:", "in-reply-to:", "references:", "x-", "list-", "precedence:", "sender:", "user-agent:",
    "dkim-", "lines:",
)  # fmt: skip
NOTES: Final = ("To", "cc", "Subject")


def header_block(lines: Sequence[str], start: int) -> int | None:
    """The end of a quoted header block that begins at `start`, or None.

    An itinerary has From, To and Date too: without a subject or an address it is none.
    """
    seen: dict[str, str] = {}
    end = start
    for index in range(start, min(len(lines), start + MAX_BLOCK)):
        field, value = _field(lines, index)
        if not field:
            if index == start:
                return None
            if index - end >= (1 if is_blank(lines[index]) or len(seen) < 2 else 2):
                break
            continue
        if field in seen and field not in _REPEATED:
            break
        seen.setdefault(field, value + _next(lines, index))
        for name in value.split():  # HTML without line breaks: "From: Ann Date: Tuesday To: Bob"
            if name.endswith(":") and (inner := PHRASES.fields.get(fold(name[:-1]))):
                seen.setdefault(inner, value)
        end = index + 1
    if is_raw(lines, start - 2, start) or is_raw(lines, start, end + 2):
        return None
    ruled = start > 0 and is_rule(lines[start - 1])
    return end if _is_block(seen) or (ruled and {"from", "date"} <= seen.keys()) else None


def is_raw(lines: Sequence[str], start: int, end: int) -> bool:
    """Whether a field of a raw message is among the lines."""
    return any(line[:MAX_FIELD_NAME].lstrip().lower().startswith(_RAW) for line in lines[max(0, start) : end])


def block_start(lines: Sequence[str], start: int) -> int:
    """Where a header block found at `start` really begins: Lotus Notes puts the sender and the date above `To`."""
    if lines[start].strip() not in NOTES:
        return start
    above = start - 1
    while above >= 0 and is_blank(lines[above]):
        above -= 1
    first = start
    while above >= 0 and not is_blank(lines[above]) and start - above <= MAX_ATTRIBUTION_LINES:
        if any(date_and_time(lines[above])) or "@" in lines[above] or "/" in lines[above]:
            first = above
        above -= 1
    return first


def _is_block(seen: dict[str, str]) -> bool:
    if "notes-to" in seen and "notes-subject" in seen:
        return True
    address = any(has_address(value) for value in seen.values())
    if "from" in seen:
        return ("subject" in seen and len(seen) >= 3) or (address and ("date" in seen or len(seen) >= 3))
    return "date" in seen and "to" in seen and (address or "subject" in seen) and any(date_and_time(seen["date"]))


def _field(lines: Sequence[str], index: int) -> tuple[str, str]:
    line = lines[index].lstrip(" \t>*_\u200b\ufeff")[: MAX_FIELD_NAME + MAX_ATTRIBUTION]
    for colon in (":", "："):
        name, found, value = line.partition(colon)
        name = name.rstrip(" \t*_\xa0\u200b")
        named = found and 0 < len(name) <= MAX_FIELD_NAME and not name[0].islower()
        if named and (field := PHRASES.fields.get(fold(name))):
            return field, value
    bare = lines[index].strip()
    return ("notes-" + bare.lower(), "") if bare in NOTES else ("", "")


def _next(lines: Sequence[str], index: int) -> str:
    return " " + lines[index + 1][:MAX_ATTRIBUTION] if index + 1 < len(lines) else ""
