"""Moments as the pages show them: relative for the eye, exact in the title, RFC 3339 for the browser to keep them fresh."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

UNITS = (("day", 86400), ("h", 3600), ("min", 60), ("s", 1))
NOW = 5
"""Seconds within which something is "just now"."""
OLD = 14 * 86400
"""Seconds from which on the date says more than a number of days."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One point in time, said three ways."""

    iso: str
    exact: str
    relative: str


def moment(value: str | float | None, now: float) -> Moment | None:
    """POSIX seconds or RFC 3339 text; None for None and for what is no time."""
    try:
        if value is None:
            return None
        at = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
        at = at.astimezone(UTC)
        return Moment(at.isoformat(), f"{at:%Y-%m-%d %H:%M:%S} UTC", relative(at.timestamp(), now))
    except (ValueError, OverflowError, OSError):
        return None


def relative(at: float, now: float) -> str:
    """`3 min ago`, `in 2 h`, or the date."""
    distance = abs(now - at)
    if distance < NOW:
        return "just now"
    if distance >= OLD:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}"
    said = lasting(distance)
    return f"{said} ago" if at < now else f"in {said}"


def lasting(seconds: float) -> str:
    """A length of time in its largest unit: `3 min`."""
    for unit, length in UNITS:
        if seconds >= length:
            count = int(seconds // length)
            return f"{count} {unit}{'s' if unit == 'day' and count > 1 else ''}"
    return f"{seconds:.1f} s" if seconds else "0 s"


def clock(now: float) -> str:
    """HH:MM of the day, UTC."""
    return f"{datetime.fromtimestamp(now, UTC):%H:%M}"
