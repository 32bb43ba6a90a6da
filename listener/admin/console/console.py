"""Puts the pages together: routes, the sign-in page, and a page for each fault."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from urllib.parse import quote

from aiohttp import web

from ..health import Health
from ..metrics import Metrics
from ..page import Running
from ..verbs import Verbs
from ..visitor import VISITOR
from .access import AccessPages
from .account_form import AccountForm
from .accounts import AccountPages
from .cases import CasePages
from .desk import Desk
from .held import HeldPages
from .messages import MessagePages
from .overview import OverviewPages
from .profiles import ProfilePages
from .rendering import Rendering
from .replies import ReplyPages

HEADINGS: Mapping[int, str] = {
    400: "This request makes no sense",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Not served here",
    409: "This cannot be done now",
    413: "Too large",
    415: "Not understood",
    422: "Something is wrong with what was sent",
    429: "Too many tries",
    500: "A fault of Listener",
    503: "Not available at the moment",
}


class Console:
    """All pages of one daemon. `now`: wall clock, POSIX seconds."""

    def __init__(self, verbs: Verbs, health: Health, metrics: Metrics, now: Callable[[], float] = time.time) -> None:
        self._rendering = Rendering(now)
        self.desk = Desk(verbs, health, metrics, self._rendering)
        self._overview = OverviewPages(self.desk)
        self._profiles = ProfilePages(self.desk)
        kinds = (MessagePages, HeldPages, CasePages, ReplyPages, AccountForm, AccountPages, AccessPages)
        self._pages = (self._overview, self._profiles, *(kind(self.desk) for kind in kinds))

    def routes(self) -> list[web.RouteDef]:
        """Pages, and files below `/static/`."""
        found = [route for pages in self._pages for route in pages.routes()]
        return [*found, web.get("/static/{name}", self._rendering.static), *self._profiles.open_routes()]

    def running(self) -> list[Running]:
        """For the application's `cleanup_ctx`: what works while it runs."""
        return [self._overview.sampling]

    def login_page(self, request: web.Request, *, next: str, error: str, status: int) -> web.StreamResponse:
        """The sign-in form. Shows no address, subject or account."""
        summary = self.desk.health.summary()
        return self._rendering.html("login.html", status, next=next, error=error, csrf="", summary=summary)

    def error_page(self, request: web.Request, status: int, detail: str) -> web.StreamResponse:
        """One fault in words, in the frame for those who are signed in."""
        retry = request.path_qs if request.method == "GET" and status >= 500 else ""
        if status == 401:
            retry = f"/login?next={quote(request.path_qs, safe='/')}"
        said = {
            "code": status,
            "heading": HEADINGS.get(status, "Something went wrong"),
            "detail": _sentence(detail),
            "retry": retry,
        }
        if request.get(VISITOR) is None:
            return self._rendering.html("fault.html", status, **said)
        return self.desk.framed(request, "error.html", status, **said)


def _sentence(text: str) -> str:
    """With a capital letter and a full stop."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}" if text else ""
