"""Calendar invitations made readable (RFC 5545, RFC 5546): what is asked, for what, when and where.

Called for `text/calendar` parts: `read` by whoever wants the fields, `describe` for the text of a mail that has no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from . import content_lines

_MOMENT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(?:\d\d)?(Z?))?")
_METHODS = {"REQUEST": "Invitation", "CANCEL": "Cancelled", "REPLY": "Answer to an invitation", "COUNTER": "Counter-proposal"}


@dataclass(frozen=True, slots=True)
class Invitation:
    """One calendar object's first event; "" where something is unsaid.

    Times are `2026-11-22 10:00 Europe/Berlin`, whole days `2026-11-22`.
    """

    method: str = ""
    summary: str = ""
    start: str = ""
    end: str = ""
    location: str = ""
    organizer: str = ""
    description: str = ""
    uid: str = ""


def read(text: str) -> Invitation | None:
    """The invitation, or None when the text is no calendar. Never raises."""
    found: dict[str, str] = {}
    inside: list[str] = []
    calendar = False
    for line in content_lines.read(text):
        if line.name == "BEGIN":
            inside.append(line.value.upper())
            calendar = calendar or inside == ["VCALENDAR"]
        elif line.name == "END":
            if inside and inside.pop() in ("VEVENT", "VTODO", "VJOURNAL"):
                break
        elif inside == ["VCALENDAR"] and line.name == "METHOD":
            found["method"] = line.value.upper()
        elif inside[1:] and inside[-1] in ("VEVENT", "VTODO", "VJOURNAL"):
            _take(found, line)
    return Invitation(**found) if calendar else None


def describe(text: str) -> str:
    """The invitation in a few lines, "" when there is none."""
    invitation = read(text)
    if not invitation:
        return ""
    title = _METHODS.get(invitation.method, "Calendar entry")
    lines = [f"{title}: {invitation.summary}"]
    for label in ("start", "end", "location", "organizer"):
        if value := getattr(invitation, label):
            lines.append(f"{label.capitalize()}: {value}")
    return "\n".join(lines) + (f"\n\n{invitation.description}" if invitation.description else "")


def _take(found: dict[str, str], line: content_lines.Line) -> None:
    if line.name in ("SUMMARY", "LOCATION", "DESCRIPTION", "UID"):
        found.setdefault(line.name.lower(), line.value)
    elif line.name == "DTSTART":
        found.setdefault("start", _moment(line))
    elif line.name in ("DTEND", "DUE"):
        found.setdefault("end", _moment(line))
    elif line.name == "ORGANIZER":
        address = line.value.removeprefix("mailto:").removeprefix("MAILTO:")
        name = line.params.get("CN", "")
        found.setdefault("organizer", f"{name} <{address}>" if name and name != address else address)


def _moment(line: content_lines.Line) -> str:
    moment = _MOMENT.fullmatch(line.value)
    if not moment:
        return line.value
    date = "-".join(moment.group(1, 2, 3))
    if moment[4] is None:
        return date
    zone = "UTC" if moment[6] else line.params.get("TZID", "")
    return f"{date} {moment[4]}:{moment[5]} {zone}".rstrip()
