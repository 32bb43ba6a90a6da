"""The pages for browsers around the console: what it is given, what it gives, and a plain stand-in that needs nothing.

`Console` in `console/` makes every page; this module guards them: without a session a page leads to `/login` and back again,
every fault becomes a page of its own, and whoever has no login sees at `/` how the daemon is, in numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote, urlsplit

from aiohttp import web

from .. import __version__
from .guard import NOT_LET_IN, SAFE_METHODS, Guard, Handler
from .headers import PAGE
from .health import Health
from .login import Login
from .page import Running, state_page
from .places import local_path
from .problems import Denied, failure, problem
from .routes import API
from .visitor import VISITOR

OPEN = ("/static/", "/oauth/callback")
"""Served without a session: files without anybody's data, for the sign-in page too; and where an issuer sends a browser back
to after consent, which comes without our cookie (SameSite=Strict) and is known by one of its own."""


class Pages(Protocol):
    """Who makes the HTML."""

    def routes(self) -> list[web.RouteDef]:
        """Pages, and files below `/static/`. Every page's handler finds `request[VISITOR]`."""
        ...

    def running(self) -> Sequence[Running]:
        """What works while the application runs: contexts for its `cleanup_ctx`."""
        ...

    def login_page(self, request: web.Request, *, next: str, error: str, status: int) -> web.StreamResponse:
        """The sign-in form: POST /login with `token` and `next`."""
        ...

    def error_page(self, request: web.Request, status: int, detail: str) -> web.StreamResponse:
        """One fault in words; `request.get(VISITOR)` is None for whoever has not signed in."""
        ...


class Site:
    """Guards the pages of one daemon."""

    def __init__(self, guard: Guard, pages: Pages, health: Health) -> None:
        self._guard, self._pages, self._health = guard, pages, health
        self._login = Login(guard, pages.login_page)

    def routes(self) -> list[web.RouteDef]:
        """The console's, each behind its guard, and signing in and out."""
        made = [(r, self._open(r) if r.path.startswith(OPEN) else self._page(r)) for r in self._pages.routes()]
        made += [(r, self._open(r)) for r in self._login.routes()]
        if not any(route.path == "/" for route, _ in made):
            made.append((web.get("/", self._state), self._state))
        return [web.route(route.method, route.path, handler) for route, handler in made]

    def running(self) -> Sequence[Running]:
        """Of the pages."""
        return self._pages.running()

    def _page(self, route: web.RouteDef) -> Handler:
        handler: Handler = route.handler

        async def guarded(request: web.Request) -> web.StreamResponse:
            visitor = self._guard.session(request)
            if visitor is None:
                plain = request.path == "/" and request.method in SAFE_METHODS
                return await self._state(request) if plain else _to_login(request)
            request[VISITOR] = visitor
            await self._guard.permit(request, visitor)
            return _as_page(await handler(request))

        return guarded

    def _open(self, route: web.RouteDef) -> Handler:
        handler: Handler = route.handler

        async def served(request: web.Request) -> web.StreamResponse:
            return _as_page(await handler(request))

        return served

    async def _state(self, request: web.Request) -> web.StreamResponse:
        return web.Response(text=state_page(self._health, __version__), content_type="text/html", charset="utf-8")

    def fault(self, request: web.Request, error: Exception) -> web.StreamResponse:
        """The error as whoever asked can read it."""
        said = failure(error, request)
        if not _wants_page(request):
            return problem(said)
        answer = _as_page(self._pages.error_page(request, said.status, said.detail))
        answer.headers.update(said.headers)
        return answer


def _to_login(request: web.Request) -> web.StreamResponse:
    """To the sign-in page and back again; a script is told 401 instead, for it cannot sign in."""
    if not _wants_page(request):
        raise Denied(NOT_LET_IN)
    wanted = request.path_qs
    if request.method not in SAFE_METHODS:  # what was to be done is lost; the page with the form is not
        came_from = urlsplit(request.headers.get("Referer", ""))
        wanted = came_from.path + (f"?{came_from.query}" if came_from.query else "") or "/"
    raise web.HTTPSeeOther(f"/login?next={quote(local_path(wanted), safe='/')}")


def _wants_page(request: web.Request) -> bool:
    """A browser that shows a document, and not a script or a program."""
    if request.path.startswith(f"{API}/"):
        return False
    return "text/html" in request.headers.get("Accept", "") and request.headers.get("Sec-Fetch-Dest", "document") != "empty"


def _as_page(answer: web.StreamResponse) -> web.StreamResponse:
    if not answer.prepared:
        for name, value in PAGE.items():
            answer.headers.setdefault(name, value)
    return answer
