"""Calendar invitations made readable (RFC 5545, RFC 5546): what is asked, for what, when and where.

`read` is called for calendars among the attachments, `describe` for the text of a mail that has no other.
"""

from __future__ import annotations

import re

from . import content_lines
from .model import Invitation

MAX_EVENTS = 20
MAX_VALUE = 1_000
MAX_DESCRIPTION = 4_000

_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(?:\d\d)?(Z?))?")
_EVENTS = ("VEVENT", "VTODO", "VJOURNAL")


def read(text: str) -> list[Invitation]:
    """Every event of the calendar, at most 20; none when the text is no calendar. Never raises."""
    events: list[dict[str, str]] = []
    method, inside = "", list[str]()
    for line in content_lines.read(text):
        if line.name == "BEGIN":
            inside.append(line.value.upper())
            if inside[0] == "VCALENDAR" and inside[1:] and inside[-1] in _EVENTS:
                if len(events) == MAX_EVENTS:
                    break
                events.append({})
        elif line.name == "END":
            inside = inside[:-1]
        elif inside == ["VCALENDAR"] and line.name == "METHOD":
            method = line.value.upper()[:MAX_VALUE]
        elif events and inside[1:] and inside[-1] in _EVENTS:
            _take(events[-1], line)
    return [Invitation(method=method, **event) for event in events]


def describe(text: str) -> str:
    """The events in a few lines each, "" when there is none."""
    return "\n\n".join(_lines(invitation) for invitation in read(text))


def _lines(invitation: Invitation) -> str:
    lines = [f"{invitation.title}: {invitation.summary}"]
    for label in ("start", "end", "location", "organizer"):
        if value := getattr(invitation, label):
            lines.append(f"{label.capitalize()}: {value}")
    return "\n".join(lines) + (f"\n\n{invitation.description}" if invitation.description else "")


def _take(event: dict[str, str], line: content_lines.Line) -> None:
    if line.name in ("SUMMARY", "LOCATION", "UID"):
        event.setdefault(line.name.lower(), line.value[:MAX_VALUE])
    elif line.name == "DESCRIPTION":
        event.setdefault("description", line.value[:MAX_DESCRIPTION])
    elif line.name == "DTSTART":
        event.setdefault("start", _moment(line))
    elif line.name in ("DTEND", "DUE"):
        event.setdefault("end", _moment(line))
    elif line.name == "ORGANIZER":
        address = line.value.removeprefix("mailto:").removeprefix("MAILTO:")
        name = line.params.get("CN", "")
        event.setdefault("organizer", (f"{name} <{address}>" if name and name != address else address)[:MAX_VALUE])


def _moment(line: content_lines.Line) -> str:
    moment = _MOMENT.fullmatch(line.value)
    if not moment:
        return line.value[:MAX_VALUE]
    date = "-".join(moment.group(1, 2, 3))
    if moment[4] is None:
        return date
    zone = "UTC" if moment[6] else line.params.get("TZID", "")
    return f"{date} {moment[4]}:{moment[5]} {zone}".rstrip()[:MAX_VALUE]
