"""The Date field as RFC 3339 text with its offset (RFC 5322 §3.3, and the forms that mailers really write)."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

MAX_DATE = 200

_MONTHS = {
    name: number
    for number, name in enumerate(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], 1)
}
# RFC 5322 §4.3; other letters mean "unknown" and count as UTC.
_ZONES: dict[str, float] = {"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}
_ZONES |= {
    "CET": 1,
    "CEST": 2,
    "MET": 1,
    "MEST": 2,
    "BST": 1,
    "IST": 5.5,
    "JST": 9,
    "KST": 9,
    "MSK": 3,
    "EET": 2,
    "EEST": 3,
    "HST": -10,
}
_ZONES |= {"AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "WET": 0, "WEST": 1, "AKST": -9, "AKDT": -8}
_USUAL = re.compile(
    r"(?:[A-Za-z]{3}, )?(\d{1,2}) ([A-Za-z]{3}) (\d{4}) (\d\d):(\d\d)(?::(\d\d))? ([+-])(\d\d)(\d\d)(?: \([A-Z]{1,5}\))?\Z"
)
_COMMENT = re.compile(r"\([^()]*\)")
_DAY_FIRST = re.compile(r"(\d{1,2})[\s-]+([a-z]{3})[a-z]*\.?,?[\s-]+(\d{2,4})", re.I)
_MONTH_FIRST = re.compile(r"\b([a-z]{3})[a-z]*\.?\s+(\d{1,2})(?:st|nd|rd|th)?\b,?(?:\s+(\d{4})\b)?", re.I)
_ISO = re.compile(r"\b(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:[T\s]|$)")
_TIME = re.compile(r"(?<!\d)(\d{1,2})\s{0,5}[:.]\s{0,5}(\d{1,2})(?:\s{0,5}[:.]\s{0,5}(\d{1,2}))?(?:\.\d+)?\s*([ap]m\b)?", re.I)
_OFFSET = re.compile(r"(?:GMT|UTC?)?\s*([+-])\s?(\d{1,2}):?(\d{2})?\b", re.I)
_ZONE = re.compile(r"\b([A-Z]{1,5})\b")
_YEAR = re.compile(r"\b(\d{4})\s*$")


def read(value: str) -> str | None:
    """`2026-11-22T10:00:00+00:00`, or None where no date can be made out."""
    if (usual := _USUAL.match(value)) and (month := _MONTHS.get(usual[2].lower())):
        return _usual(usual, month)
    value = _COMMENT.sub(" ", value[:MAX_DATE])
    date, rest = _date(value)
    time = _TIME.search(rest)
    if date is None:
        return None
    hour, minute, second = (int(time[1]), int(time[2]), int(time[3] or 0)) if time else (0, 0, 0)
    if time and time[4]:
        hour = hour % 12 + (12 if time[4].lower() == "pm" else 0)
    return _moment(date, (hour, minute, second), _offset(rest[time.end() :] if time else ""))


def _usual(usual: re.Match[str], month: int) -> str | None:
    """The form that RFC 5322 asks for, whose time needs no calculation unless it is odd."""
    day, _, year, hour, minute, second, sign, hours, minutes = usual.groups("00")
    calendar_day = int(year), month, int(day)
    if max(hour, hours) < "24" and max(minute, second, minutes) < "60" and (sign == "+" or hours > "00"):
        try:
            return f"{date(*calendar_day).isoformat()}T{hour}:{minute}:{second}{sign}{hours}:{minutes}"
        except ValueError:
            return None
    offset = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    return _moment(calendar_day, (int(hour), int(minute), int(second)), offset)


def _moment(date: tuple[int, int, int], time: tuple[int, int, int], offset: timedelta) -> str | None:
    hour, minute, second = time
    try:
        moment = datetime(*date, tzinfo=timezone(offset)) + timedelta(hours=hour, minutes=minute, seconds=min(second, 59))
        return moment.isoformat()
    except (ValueError, OverflowError):
        return None


def _date(value: str) -> tuple[tuple[int, int, int] | None, str]:
    """Year, month, day, and the text in which the time stands."""
    if (match := _DAY_FIRST.search(value)) and (month := _MONTHS.get(match[2].lower())):
        return (_year(match[3]), month, int(match[1])), value[match.end() :] if _TIME.search(value, match.end()) else value
    if match := _ISO.search(value):
        return (int(match[1]), int(match[2]), int(match[3])), value[match.end(3) :]
    for match in _MONTH_FIRST.finditer(value):
        month = _MONTHS.get(match[1].lower())
        year = match[3] or ((late := _YEAR.search(value)) and late[1])
        if month and year:
            return (int(year), month, int(match[2])), value[match.end() :]
    return None, value


def _year(digits: str) -> int:
    """RFC 5322 §4.3: two digits below 50 are this century, three digits count from 1900."""
    year = int(digits)
    if len(digits) == 2:
        return year + (2000 if year < 50 else 1900)
    return year + 1900 if len(digits) == 3 else year


def _offset(text: str) -> timedelta:
    if match := _OFFSET.search(text):
        digits = match[2] + (match[3] or "")
        hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
        if hours < 24 and minutes < 60:
            return timedelta(hours=hours, minutes=minutes) * (-1 if match[1] == "-" else 1)
        return timedelta()
    zone = _ZONE.search(text.upper())
    return timedelta(hours=_ZONES.get(zone[1], 0)) if zone else timedelta()
