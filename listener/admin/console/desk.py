"""What every page works with: the verbs, the templates, who is signed in, the menu with its counts, and words told once.

A handler gets its facts from `desk.verbs`, gives them to `desk.page`, and answers a change with `desk.done`, which sends the
browser back with a sentence about what happened. The sentence waits in memory under a random key (bounded), so that no link
can put words into our mouth.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ...errors import Refused
from ..health import Health
from ..metrics import Metrics
from ..routes import BadRequest, NotFound
from ..verbs import Verbs
from ..visitor import VISITOR
from .listing import PAGE, Page
from .rendering import Rendering

MAX_TOLD = 200
"""Sentences that wait for their page."""
MAX_FAULTS = 10
LOOKING = 0.1
"""Seconds after which a page that has found nothing yet asks the person whether to look further."""
TOTALS_AGE = 1.0
"""Seconds for which the menu's counts hold: adding them up goes over every account's tallies."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a change came to: a sentence, and what went wrong with parts of it."""

    text: str
    tone: str = "ok"
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of the menu. `counted` says to those who can't see what the count is of."""

    label: str
    path: str
    icon: str
    count: int = 0
    tone: str = ""
    counted: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Entries of the menu that belong together."""

    title: str
    entries: tuple[Item, ...]


@dataclass(slots=True)
class Desk:
    """One for each daemon."""

    verbs: Verbs
    health: Health
    metrics: Metrics
    rendering: Rendering
    _told: OrderedDict[str, Told] = field(default_factory=OrderedDict)
    _totals: dict[str, int] = field(default_factory=dict)
    _totals_at: float = float("-inf")

    async def page(self, request: web.Request, template: str, status: int = 200, **context: Any) -> web.Response:
        """A page in its frame."""
        await self.totals()
        return self.framed(request, template, status, **context)

    def framed(self, request: web.Request, template: str, status: int = 200, **context: Any) -> web.Response:
        """The same with the counts as they were last known: for error pages, where asking may be what fails."""
        told = self._told.pop(request.query.get("told", ""), None)
        frame = {
            "session": request[VISITOR],
            "navigation": self._navigation(self._totals),
            "here": request.path,
            "section": _section(request.path),
            "told": told,
        }
        return self.rendering.html(template, status, **frame | context)

    def done(self, to: str, told: Told) -> web.Response:
        """Go there and say it."""
        key = secrets.token_urlsafe(9)
        self._told[key] = told
        while len(self._told) > MAX_TOLD:
            self._told.popitem(last=False)
        path, _, fragment = to.partition("#")
        joint = "&" if "?" in path else "?"
        return web.Response(status=303, headers={"Location": f"{path}{joint}told={key}{'#' + fragment if fragment else ''}"})

    async def ordered(self, order: Awaitable[object], text: str, *, back: str, to: str = "") -> web.Response:
        """Have it done and say so, at `to` if that is elsewhere; where it is refused, go back and say why."""
        try:
            await order
        except Refused as error:
            return self.done(back, Told(str(error), "bad"))
        return self.done(to or back, Told(text))

    def saved(self, request: web.Request, to: str, text: str) -> web.Response:
        """A form's answer once it is saved. A script goes there itself, so that what is told is told once."""
        answer = self.done(to, Told(text))
        return web.json_response({"go": answer.headers["Location"]}) if request.headers.get("X-Form") else answer

    async def list(self, verb: str, arguments: Mapping[str, str]) -> Page:
        """One page of a list. What makes no sense in what was asked for is said, and no error.

        A page of a verb may be empty and not the last: then it is gone on with for a moment.
        """
        begun, asked = self.health.monotonic(), {"limit": str(PAGE), **arguments}
        while True:
            try:
                rows = await getattr(self.verbs, verb)(**asked)
            except (BadRequest, NotFound) as error:
                return Page((), fault=str(error))
            following = getattr(rows, "next", None)
            if rows or following is None or self.health.monotonic() - begun > LOOKING:
                return Page(rows, following)
            asked["cursor"] = following

    def by(self, request: web.Request) -> Verbs:
        """The verbs, ordered by whoever asks: that is what the audit says."""
        return self.verbs.by(request[VISITOR].name)

    def accounts(self, request: web.Request) -> Any:
        """The verbs of accounts and profiles, likewise."""
        verbs: Any = self.by(request)
        return verbs.accounts_

    async def order(self, request: web.Request, verb: str, **arguments: Any) -> Any:
        """Do what a person ordered. Raises what the verb raises."""
        self._totals_at = float("-inf")  # the next page counts again
        return await getattr(self.by(request), verb)(**arguments)

    async def totals(self) -> dict[str, int]:
        """Messages by state, over all accounts."""
        now = self.health.monotonic()
        if now - self._totals_at > TOTALS_AGE:
            self._totals_at, self._totals = now, await self.verbs.ledger.search.totals()
        return self._totals

    async def counts_of(self, account: str) -> dict[str, int]:
        """Messages of one account by state."""
        return await self.verbs.ledger.search.totals(account)

    def _navigation(self, totals: dict[str, int]) -> tuple[Group, ...]:
        held, dead = totals.get("quarantined", 0), totals.get("dead", 0)
        waiting = Item("Quarantine", "/quarantine", "quarantine", held + dead, "bad" if dead else "warn", "held back")
        replies = Item("Replies", "/replies", "replies")
        return (
            Group("", (Item("Overview", "/", "overview"),)),
            Group("Mail", (Item("Messages", "/messages", "messages"), Item("Cases", "/cases", "cases"), waiting, replies)),
            Group("Set up", (Item("Email accounts", "/accounts", "accounts"), Item("Authentication", "/profiles", "profiles"))),
            Group("Access", (Item("Tokens", "/tokens", "tokens"), Item("Audit", "/audit", "audit"))),
        )


def editable(kind: str, found: Mapping[str, Any]) -> Mapping[str, Any]:
    """An account or profile, if it is changed here. Raises Refused for what stands in a file."""
    if not found["editable"]:
        raise Refused(f"the {kind} {found['id']} is from {found['file'] or 'a file'} and is changed there")
    return found


def _section(path: str) -> str:
    """The menu's entry that a page belongs to."""
    first = path.split("/")[1] if path != "/" else ""
    return f"/{first}"
