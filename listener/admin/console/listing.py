"""Filters and pages of the lists: what the address of a page asks for, made into a verb's arguments, and back into addresses.

A filter that makes no sense is said beside the list and not applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

from aiohttp import web

PAGE = 50
"""Rows a page."""
MAX_WORDS = 200
"""Characters of a search."""


@dataclass(frozen=True, slots=True)
class Filters:
    """What was asked for, as text; "" is no filter. `before` is where the page begins."""

    account: str = ""
    state: str = ""
    kind: str = ""
    text: str = ""
    since: str = ""
    until: str = ""
    before: str = ""

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
        return replace(self, before="")

    def after(self, cursor: str | int) -> Filters:
        """The next page of the same."""
        return replace(self, before=str(cursor))

    def any(self) -> bool:
        """Is anything filtered?"""
        return self.begin() != Filters()

    def arguments(self) -> dict[str, str]:
        """A verb's arguments, those that are asked for. Days become moments: `until` includes its day."""
        plain = {name: getattr(self, name) for name in ("account", "state", "kind", "text", "before")}
        times = {"since": day(self.since), "until": day(self.until, 86400)}
        return {name: value for name, value in {**plain, **times}.items() if value}

    def of_cases(self) -> dict[str, str]:
        """The same for cases: a state is their status."""
        given = {"account": self.account, "status": self.state, "text": self.text, "before": self.before}
        return {name: value for name, value in given.items() if value}


def day(text: str, plus: int = 0) -> str:
    """The begin of a day (UTC, YYYY-MM-DD), in RFC 3339; "" when it is none."""
    try:
        at = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() + plus
        return datetime.fromtimestamp(at, UTC).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def addresses(filters: Filters, path: str, rows: Sequence[Mapping[str, object]], cursor: object | None) -> dict[str, object]:
    """What the pager needs."""
    older = filters.after(str(cursor)).address(path) if cursor else ""
    newest = filters.begin().address(path) if filters.before else ""
    return {"shown": len(rows), "older": older, "newest": newest}
