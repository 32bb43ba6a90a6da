"""Filters and pages of the lists: what the address of a page asks for, made into a verb's arguments, and back into addresses.

A filter that makes no sense is said beside the list and not applied.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web

from ...ledger import Row

PAGE = 50
"""Rows a page."""
MAX_WORDS = 200
"""Characters of a search."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What was asked for, as text; "" is no filter. `cursor` is where the page begins."""

    account: str = ""
    state: str = ""
    kind: str = ""
    text: str = ""
    since: str = ""
    until: str = ""
    cursor: str = ""

    @classmethod
    def of(cls, request: web.Request) -> Filters:
        """From the address."""
        given = {name: request.query.get(name, "").strip()[:MAX_WORDS] for name in cls.__slots__}
        return cls(**given)

    def address(self, path: str) -> str:
        """The page with these filters."""
        asked = urlencode({name: value for name in self.__slots__ if (value := getattr(self, name))})
        return f"{path}?{asked}" if asked else path

    def begin(self) -> Filters:
        """The first page of the same."""
        return replace(self, cursor="")

    def after(self, cursor: str) -> Filters:
        """The next page of the same."""
        return replace(self, cursor=cursor)

    def any(self) -> bool:
        """Is anything filtered?"""
        return self.begin() != Filters()

    def arguments(self) -> dict[str, str]:
        """A verb's arguments, those that are asked for. Days become moments: `until` includes its day."""
        plain = {name: getattr(self, name) for name in ("account", "state", "kind", "text", "cursor")}
        times = {"since": day(self.since), "until": day(self.until, 86400)}
        return {name: value for name, value in {**plain, **times}.items() if value}

    def of_cases(self) -> dict[str, str]:
        """The same for cases: a state is their status."""
        given = {"account": self.account, "status": self.state, "text": self.text, "cursor": self.cursor}
        return {name: value for name, value in given.items() if value}


def day(text: str, plus: int = 0) -> str:
    """The begin of a day (UTC, YYYY-MM-DD), in RFC 3339; "" when it is none."""
    try:
        at = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() + plus
        return datetime.fromtimestamp(at, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list. `fault`: what is wrong with what was asked for; there are no rows then."""

    rows: Sequence[Row]
    next: str | None = None
    fault: str = ""

    def pager(self, filters: Filters, path: str) -> dict[str, object]:
        """What the template's pager needs."""
        older = filters.after(self.next).address(path) if self.next else ""
        newest = filters.begin().address(path) if filters.cursor else ""
        return {"shown": len(self.rows), "older": older, "newest": newest, "fault": self.fault}
