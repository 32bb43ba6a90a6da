"""What calendars and business cards among the attachments say, so that nobody has to open them elsewhere.

Called once a message that has attachments. Invitations usually come twice, as an alternative of the text and as a file: what
says the same is said once. Never raises; only the first octets of all that is looked at are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from . import calendar, charset, vcard
from .attachments import Found
from .model import Card, Invitation

One = TypeVar("One")

MAX_OCTETS: Final = 1024 * 1024  # of all calendars and cards of one message: some 50 ms
MAX_LISTED: Final = 100  # of either

_CALENDARS: Final = frozenset(["text/calendar", "text/x-vcalendar", "application/ics"])
_CALENDAR_NAMES: Final = (".ics", ".ical", ".vcs")
_CARDS: Final = frozenset(["text/vcard", "text/x-vcard", "text/directory"])
_CARD_NAMES: Final = (".vcf", ".vcard")


def read(items: Sequence[Found]) -> tuple[tuple[Invitation, ...], tuple[Card, ...]]:
    """The events and the cards, each once, in order; at most 100 of either."""
    invitations: list[Invitation] = []
    cards: list[Card] = []
    left = MAX_OCTETS
    for item in items:
        is_calendar = item.content_type in _CALENDARS or item.name.lower().endswith(_CALENDAR_NAMES)
        if left <= 0 or not (is_calendar or item.content_type in _CARDS or item.name.lower().endswith(_CARD_NAMES)):
            continue
        text, _ = charset.decode(item.octets[:left], item.charset)
        left -= len(item.octets)
        if is_calendar:
            invitations += calendar.read(text)
        else:
            cards += vcard.read(text)
    return _distinct(invitations), _distinct(cards)


def _distinct(found: Iterable[One]) -> tuple[One, ...]:
    return tuple(dict.fromkeys(found))[:MAX_LISTED]
