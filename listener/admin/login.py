"""Sign-in for browsers: a token becomes a session cookie; signing out ends the session.

`GET /login` shows the form, `POST /login` takes it (fields `token`, `next`), `POST /logout` ends the session. After signing
in a person is back where they were. The token is never in an address, a page or the log.
"""

from __future__ import annotations

from typing import Protocol

from aiohttp import web

from .guard import FOREIGN, Guard, Handler
from .places import local_path
from .problems import Denied
from .sessions import LIFETIME
from .visitor import VISITOR

MAX_FORM = 8_192
"""Octets of the form: it is read of people who were not let in yet."""
WRONG = "This token is not valid."
EMPTY = "Enter a token."


class LoginPage(Protocol):
    """Makes the HTML of the form."""

    def __call__(self, request: web.Request, *, next: str, error: str, status: int) -> web.StreamResponse: ...


class Login:
    """The handlers."""

    def __init__(self, guard: Guard, page: LoginPage) -> None:
        self._guard, self._page = guard, page

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.get("/login", self._show),
            web.post("/login", self._enter),
            web.post("/logout", self._guard_session(self._leave)),
        ]

    async def _show(self, request: web.Request) -> web.StreamResponse:
        wanted = local_path(request.query.get("next", "/"))
        if self._guard.session(request) is not None:
            raise web.HTTPSeeOther(wanted)
        return self._page(request, next=wanted, error="", status=200)

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        if not self._guard.places.from_ours(request.headers):
            raise Denied(FOREIGN)
        token, wanted = await self._form(request)
        if not token.strip():
            return self._page(request, next=wanted, error=EMPTY, status=400)
        try:
            principal = await self._guard.sign_in(request, token)
        except Denied as error:
            again = self._page(request, next=wanted, error=f"{error.failure.detail.capitalize()}.", status=error.failure.status)
            again.headers.update(error.failure.headers)
            return again
        if principal is None:
            return self._page(request, next=wanted, error=WRONG, status=401)
        raise self._with_cookie(web.HTTPSeeOther(wanted), self._guard.sessions.begin(principal))

    async def _form(self, request: web.Request) -> tuple[str, str]:
        """Token and where to go on."""
        if request.content_type != "application/x-www-form-urlencoded":
            raise web.HTTPUnsupportedMediaType
        if (request.content_length or MAX_FORM + 1) > MAX_FORM:
            raise web.HTTPRequestEntityTooLarge(max_size=MAX_FORM, actual_size=request.content_length or 0)
        form = await request.post()
        token, wanted = form.get("token", ""), form.get("next", "/")
        return str(token), local_path(str(wanted))

    async def _leave(self, request: web.Request) -> web.StreamResponse:
        self._guard.sessions.end(request.cookies.get(self._guard.cookie, ""))
        answer = web.HTTPSeeOther("/login")
        answer.del_cookie(self._guard.cookie, path="/", secure=self._guard.places.secure, httponly=True, samesite="Strict")
        raise answer

    def _guard_session(self, handler: Handler) -> Handler:
        """Signing out needs a session and its CSRF token; who only reads may do it too."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            visitor = self._guard.session(request)
            if visitor is None:
                raise web.HTTPSeeOther("/login")
            await self._guard.own_form(request, visitor)
            request[VISITOR] = visitor
            return await handler(request)

        return guarded

    def _with_cookie(self, answer: web.HTTPSeeOther, cookie: str) -> web.HTTPSeeOther:
        secure = self._guard.places.secure
        answer.set_cookie(
            self._guard.cookie, cookie, max_age=int(LIFETIME), path="/", httponly=True, secure=secure, samesite="Strict"
        )
        return answer
