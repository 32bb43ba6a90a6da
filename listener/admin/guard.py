"""Who is let in: by token (`Authorization: Bearer`) or by a browser's session cookie, and what that visitor may do.

Rules of the file
1. A token that is sent decides alone; a cookie beside it is not looked at.
2. An address that was wrong too often waits (429), unless it holds a token that was made here: those cannot be guessed, so
   somebody else's mistakes behind the same proxy lock no program out.
3. What changes something needs a full token; with a cookie also the session's CSRF token and a request from a page of ours.
4. What is not there is 401 too for whoever was not let in.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable

from aiohttp import web

from .places import Places
from .problems import Denied, Failure
from .sessions import Sessions
from .throttle import Throttle
from .tokens import Tokens, is_made_here
from .visitor import VISITOR, Principal, Visitor

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CSRF_HEADER = "X-CSRF-Token"
CSRF_FIELD = "csrf"
FORMS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
MAX_TOKEN = 1_000
"""Characters of a token that is looked at."""

NOT_LET_IN = Failure(
    401, "this needs a token: send Authorization: Bearer TOKEN", headers=(("WWW-Authenticate", 'Bearer realm="listener"'),)
)  # RFC 6750 §3
READ_ONLY = Failure(403, "this token may only read")
FOREIGN = Failure(403, "this request does not come from a page of Listener's")
STALE = Failure(403, "this page is out of date: load it again")


class Guard:
    """One daemon's door."""

    def __init__(self, tokens: Tokens, sessions: Sessions, throttle: Throttle, places: Places) -> None:
        self.tokens, self.sessions, self.throttle, self.places = tokens, sessions, throttle, places

    @property
    def cookie(self) -> str:
        """The cookie's name. Browsers take `__Host-` only from https, for this host alone (RFC 6265bis §4.1.3.2)."""
        return "__Host-listener" if self.places.secure else "listener"

    def let_in(self, handler: Handler) -> Handler:
        """The handler for those who may; others get 401, 403 or 429."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            visitor = await self.visitor(request)
            if visitor is None:
                raise Denied(NOT_LET_IN)
            await self.permit(request, visitor)
            request[VISITOR] = visitor
            return await handler(request)

        return guarded

    async def visitor(self, request: web.Request) -> Visitor | None:
        """Who asks; None: nobody we know. Raises Denied (429) or LedgerError."""
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            principal = await self.sign_in(request, sent)
            return Visitor(principal) if principal else None
        return self.session(request)

    def session(self, request: web.Request, *, touch: bool = True) -> Visitor | None:
        """Whose session the cookie is. `touch`: a person did something; a page that keeps itself fresh is nobody."""
        cookie = request.cookies.get(self.cookie, "")
        touch = touch and not (request.method == "GET" and request.headers.get("Sec-Fetch-Dest") == "empty")
        return self.sessions.find(cookie, touch=touch) if cookie else None

    async def still_in(self, request: web.Request) -> bool:
        """Whether whoever was let in with this request would be let in now. Listening alone keeps no session awake."""
        scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return await self.tokens.holder(_octets(sent)) is not None
        return self.session(request, touch=False) is not None

    async def sign_in(self, request: web.Request, text: str) -> Principal | None:
        """Who holds this token; a wrong one is counted. Raises Denied (429) or LedgerError."""
        sent = _octets(text)
        waits = self.throttle.wait(request.remote)
        if waits and not is_made_here(sent):
            raise Denied(_too_often(waits))
        principal = await self.tokens.holder(sent)
        if principal is not None:
            return principal
        if waits:
            raise Denied(_too_often(waits))
        self.throttle.failed(request.remote)
        return None

    async def permit(self, request: web.Request, visitor: Visitor) -> None:
        """Raises Denied (403) when this visitor may not do this."""
        if request.method in SAFE_METHODS:
            return
        if visitor.csrf:
            await self.own_form(request, visitor)
        if not visitor.full:
            raise Denied(READ_ONLY)

    async def own_form(self, request: web.Request, visitor: Visitor) -> None:
        """Raises Denied (403) unless a page of ours, made for this session, sent the request."""
        if not self.places.from_ours(request.headers):
            raise Denied(FOREIGN)
        if not hmac.compare_digest((await _csrf(request)).encode("utf-8", "surrogateescape"), visitor.csrf.encode()):
            raise Denied(STALE)


def _octets(token: str) -> bytes:
    return token.strip()[:MAX_TOKEN].encode("utf-8", "surrogateescape")


async def _csrf(request: web.Request) -> str:
    """What the request carries against forgery; empty when nothing."""
    header = request.headers.get(CSRF_HEADER)
    if header is not None or request.content_type not in FORMS:
        return header or ""
    try:
        field = (await request.post()).get(CSRF_FIELD)
    except ValueError as error:  # a form that is none
        raise Denied(Failure(400, "the form cannot be read")) from error
    return field if isinstance(field, str) else ""


def _too_often(seconds: int) -> Failure:
    detail = f"too many wrong tokens came from this address: try again in {seconds} s"
    return Failure(429, detail, headers=(("Retry-After", str(seconds)),))
