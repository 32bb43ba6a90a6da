"""The HTTP face of health, metrics and verbs: handlers, who may call them, and how errors are said.

Three applications are built from here, and `server.py` binds them: the admin address (everything; `/healthz` and `/api` need
a token or a session, pages a session), the optional probe address (probes and metrics only), and the control socket (no token:
whoever may open that file may do everything). Errors under `/api` are RFC 9457 problem details, others pages for browsers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from ..config import Admin
from .answers import send
from .console import Console
from .feed import Feed
from .guard import Guard, Handler
from .headers import SAFETY
from .health import Health
from .metrics import CONTENT_TYPE, Metrics
from .openapi import openapi
from .places import Places
from .problems import Denied, Failure
from .reading import keep_words_read
from .routes import API, ROUTES, BadRequest, Route, arguments
from .sessions import Sessions
from .signed import Signed
from .site import Pages, Site
from .stream import Stream
from .throttle import Throttle
from .tokens import Tokens
from .verbs import Verbs
from .visitor import CONTROL_SOCKET, VISITOR

MAX_BODY = 2_000_000
"""Octets of a request's body; a trust store is the largest."""
PROBES = frozenset({"/livez", "/readyz", "/startupz", "/metrics"})

NOT_OUR_NAME = Failure(421, "the Host header does not name this server: set admin.public_url to the address that people use")
"""RFC 9110 §15.5.20."""


BEGUN = web.RequestKey("begun", bool)
"""Set once the head of an answer was sent."""


class Api:
    """Handlers over one daemon's facts and verbs."""

    def __init__(
        self,
        health: Health,
        metrics: Metrics,
        verbs: Verbs,
        token: bytes,
        settings: Admin | None = None,
        *,
        pages: Pages | None = None,
        signed: Signed | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`token` is the configured one. `clock` is monotonic; sessions and waiting times are measured by it."""
        self.health = health
        self.signed = signed
        self.metrics = metrics
        self.sessions = Sessions(clock)
        self.verbs = verbs.with_sessions(self.sessions)
        places = Places.of(settings or Admin())
        self.guard = Guard(Tokens(token, verbs.ledger.access), self.sessions, Throttle(clock), places)
        self.feed = Feed(verbs.ledger, health.statuses)
        self.stream = Stream(self.feed, self.guard)
        self.site = Site(self.guard, pages or Console(self.verbs, health, metrics), health)

    def admin_application(self) -> web.Application:
        """What `[admin] bind` serves."""
        signed = self.signed.routes() if self.signed else []
        listening = [web.get("/events", self.stream.serve), web.get(f"{API}/events", self.stream.serve)]
        routes = self._probes() + signed + self.site.routes() + self._guarded(listening + self._privileged(private=False))
        app = self._application(routes, self._faults, self._under_our_name)
        app.cleanup_ctx.extend([*self.site.running(), self._reading])
        app.on_shutdown.append(self._say_bye)
        return app

    async def _reading(self, app: web.Application) -> AsyncIterator[None]:
        """The lists are kept searchable while this is served."""
        reading = asyncio.create_task(keep_words_read(self.verbs.ledger), name="words")
        yield
        reading.cancel()
        await asyncio.wait({reading})

    async def _say_bye(self, app: web.Application) -> None:
        self.feed.close()

    def probe_application(self) -> web.Application:
        """What `[admin] probe_bind` serves: nothing that needs a token."""
        return self._application(self._probes(), self._faults)

    def control_application(self) -> web.Application:
        """What the control socket serves."""
        return self._application(self._probes() + self._privileged(private=True), self._faults, _as_control_socket)

    def _application(self, routes: list[web.RouteDef], *middlewares: Middleware) -> web.Application:
        app = web.Application(middlewares=middlewares, client_max_size=MAX_BODY)
        app.add_routes(routes)
        app.on_response_prepare.append(_add_safety)
        return app

    @web.middleware
    async def _faults(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every fault in words."""
        try:
            return await handler(request)
        except web.HTTPRedirection:
            raise
        except Exception as error:  # the request's own boundary: a fault of one request ends that request
            if request.get(BEGUN):
                raise  # half an answer is sent: the connection ends, so that nobody takes it for a whole one
            return self.site.fault(request, error)

    @web.middleware
    async def _under_our_name(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Only what was sent to a name of ours (places.py), but for the probes, which show nothing."""
        if request.path not in PROBES and not self.guard.places.is_ours(request.headers.get("Host", "")):
            raise Denied(NOT_OUR_NAME)
        return await handler(request)

    # --- routes -------------------------------------------------------------------------------------------------------

    def _probes(self) -> list[web.RouteDef]:
        return [
            web.get("/livez", self._probe(self.health.not_live)),
            web.get("/readyz", self._probe(self.health.not_ready)),
            web.get("/startupz", self._probe(self.health.not_started)),
            web.get("/metrics", self._metrics),
        ]

    def _privileged(self, *, private: bool) -> list[web.RouteDef]:
        served = [route for route in ROUTES if private or not route.private]
        verbs = [web.route(route.method, API + _pattern(route.path), self._verb(route)) for route in served]
        return [web.get("/healthz", self._healthz), web.get(f"{API}/openapi.json", self._openapi), *verbs]

    def _guarded(self, routes: list[web.RouteDef]) -> list[web.RouteDef]:
        """The same routes, for those who may; also what is not there, so that nobody else can tell."""
        everything_else = web.route("*", f"{API}/{{rest:.*}}", _nowhere)
        return [web.route(r.method, r.path, self.guard.let_in(r.handler)) for r in [*routes, everything_else]]

    # --- handlers -----------------------------------------------------------------------------------------------------

    def _probe(self, check: Callable[[], list[str]]) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            reasons = check()
            return web.Response(status=503 if reasons else 200, text="\n".join([*(reasons or ["ok"]), ""]))

        return answer

    async def _metrics(self, request: web.Request) -> web.Response:
        body = await self.metrics.render(self.health)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response(await self.health.report())

    async def _openapi(self, request: web.Request) -> web.Response:
        return web.json_response(openapi())

    def _verb(self, route: Route) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            verb = getattr(self.verbs.by(request[VISITOR].name), route.verb)
            given: dict[str, Any] = arguments(route, dict(request.match_info), request.query)
            if route.body:
                given["body"] = await _json(request)
            return await send(request, route, verb, given)

        return answer


async def _json(request: web.Request) -> Any:
    """The request's JSON body. Raises BadRequest."""
    if request.content_type != "application/json":
        raise Denied(Failure(415, "send JSON, with Content-Type: application/json"))
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error


async def _nowhere(request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound


async def _add_safety(request: web.Request, response: web.StreamResponse) -> None:
    request[BEGUN] = True
    for name, value in SAFETY.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "listener"


@web.middleware
async def _as_control_socket(request: web.Request, handler: Handler) -> web.StreamResponse:
    request[VISITOR] = CONTROL_SOCKET
    return await handler(request)


def _pattern(path: str) -> str:
    return path.replace("{entry}", "{entry:[0-9]{1,20}}").replace("{number}", "{number:[0-9]{1,7}}")
