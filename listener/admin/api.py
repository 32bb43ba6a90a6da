"""The HTTP face of health, metrics and verbs: handlers, who may call them, and how errors are said.

Three applications are built from here, and `server.py` binds them: the admin address (everything; `/healthz` and `/api` need
the token), the optional probe address (probes and metrics only), and the control socket (no token: whoever may open that file
may do everything). Errors under `/api` are RFC 9457 problem details.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Any

from aiohttp import web

from .. import __version__
from ..errors import LedgerError, Refused
from .health import Health
from .metrics import CONTENT_TYPE, Metrics
from .page import state_page
from .routes import API, ROUTES, BadRequest, Route, arguments
from .verbs import NotFound, Verbs

MAX_BODY = 65536
"""Octets of a request's body; no verb needs one."""
EXPORT_TYPE = "message/rfc822"

SAFETY = {
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox",
}
"""On every answer. Raw mail is served too, so no answer may ever be run or framed by a browser."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """Handlers over one daemon's facts and verbs."""

    def __init__(self, health: Health, metrics: Metrics, verbs: Verbs, token: bytes) -> None:
        self.health = health
        self.metrics = metrics
        self.verbs = verbs
        self._token = token

    def admin_application(self) -> web.Application:
        """What `[admin] bind` serves."""
        return self._application(self._probes() + self._state_page() + self._guarded(self._privileged(private=False)))

    def probe_application(self) -> web.Application:
        """What `[admin] probe_bind` serves: nothing that needs a token."""
        return self._application(self._probes())

    def control_application(self) -> web.Application:
        """What the control socket serves."""
        return self._application(self._probes() + self._privileged(private=True))

    def _application(self, routes: list[web.RouteDef]) -> web.Application:
        app = web.Application(middlewares=[problems], client_max_size=MAX_BODY)
        app.add_routes(routes)
        app.on_response_prepare.append(_add_safety)
        return app

    # --- routes -------------------------------------------------------------------------------------------------------

    def _probes(self) -> list[web.RouteDef]:
        return [
            web.get("/livez", self._probe(self.health.not_live)),
            web.get("/readyz", self._probe(self.health.not_ready)),
            web.get("/startupz", self._probe(self.health.not_started)),
            web.get("/metrics", self._metrics),
        ]

    def _state_page(self) -> list[web.RouteDef]:
        return [web.get("/", self._page)]

    def _privileged(self, *, private: bool) -> list[web.RouteDef]:
        served = [route for route in ROUTES if private or not route.private]
        verbs = [web.route(route.method, API + _pattern(route.path), self._verb(route)) for route in served]
        return [web.get("/healthz", self._healthz), web.get(f"{API}/openapi.json", self._openapi), *verbs]

    def _guarded(self, routes: list[web.RouteDef]) -> list[web.RouteDef]:
        """The same routes, for holders of the token; also what is not there, so that nobody without it can tell."""
        everything_else = web.route("*", f"{API}/{{rest:.*}}", _nowhere)
        return [web.route(r.method, r.path, self._with_token(r.handler)) for r in [*routes, everything_else]]

    def _with_token(self, handler: Handler) -> Handler:
        async def guarded(request: web.Request) -> web.StreamResponse:
            scheme, _, given = request.headers.get("Authorization", "").partition(" ")
            sent = given.strip().encode("utf-8", "surrogateescape")
            if scheme.lower() != "bearer" or not hmac.compare_digest(sent, self._token):
                refusal = problem(401, "this needs the admin token: send Authorization: Bearer TOKEN")
                refusal.headers["WWW-Authenticate"] = 'Bearer realm="listener"'  # RFC 6750 §3
                return refusal
            return await handler(request)

        return guarded

    # --- handlers -----------------------------------------------------------------------------------------------------

    def _probe(self, check: Callable[[], list[str]]) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            reasons = check()
            return web.Response(status=503 if reasons else 200, text="\n".join([*(reasons or ["ok"]), ""]))

        return answer

    async def _metrics(self, request: web.Request) -> web.Response:
        body = await self.metrics.render(self.health)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE})

    async def _page(self, request: web.Request) -> web.Response:
        return web.Response(text=state_page(self.health, __version__), content_type="text/html", charset="utf-8")

    async def _healthz(self, request: web.Request) -> web.Response:
        return web.json_response(await self.health.report())

    async def _openapi(self, request: web.Request) -> web.Response:
        return web.json_response(openapi())

    def _verb(self, route: Route) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            verb = getattr(self.verbs, route.verb)
            result = await verb(**arguments(route, dict(request.match_info), request.query))
            if isinstance(result, bytes):
                name = f"message-{request.match_info['entry']}.eml"
                headers = {"Content-Type": EXPORT_TYPE, "Content-Disposition": f'attachment; filename="{name}"'}
                return web.Response(body=result, headers=headers)
            return web.json_response(result)

        return answer


async def _nowhere(request: web.Request) -> web.StreamResponse:
    raise web.HTTPNotFound


async def _add_safety(request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SAFETY)
    response.headers["Server"] = "listener"


def problem(status: int, detail: str) -> web.Response:
    """RFC 9457 problem details."""
    title = {400: "Bad request", 401: "Unauthorized", 404: "Not found", 405: "Method not allowed", 409: "Conflict"}
    body = {"type": "about:blank", "title": title.get(status, "Unavailable"), "status": status, "detail": detail}
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every foreseen fault as a problem that says what is wrong."""
    try:
        return await handler(request)
    except BadRequest as error:
        return problem(400, str(error))
    except NotFound as error:
        return problem(404, str(error))
    except Refused as error:
        return problem(409, str(error))
    except LedgerError as error:
        return problem(503, str(error))
    except web.HTTPMethodNotAllowed as error:
        refusal = problem(405, f"{request.method} is not served here")
        refusal.headers["Allow"] = ",".join(sorted(error.allowed_methods))
        return refusal
    except web.HTTPNotFound:
        return problem(404, "there is nothing at this path")
    except web.HTTPRequestEntityTooLarge:
        return problem(413, f"a request's body may have {MAX_BODY} octets")


def _pattern(path: str) -> str:
    return path.replace("{entry}", "{entry:[0-9]{1,20}}")


def openapi() -> dict[str, Any]:
    """The hand-kept OpenAPI page with this version in it."""
    page: dict[str, Any] = json.loads(files(__package__).joinpath("openapi.json").read_text())
    page["info"]["version"] = __version__
    return page
