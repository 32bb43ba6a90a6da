"""Who may come in and what was ordered: API tokens and the audit."""

from __future__ import annotations

from aiohttp import web

from ...errors import Refused
from ..routes import BadRequest
from .desk import Desk, Told
from .listing import Filters


class AccessPages:
    """Handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.get("/tokens", self._tokens),
            web.post("/tokens", self._create),
            web.post("/tokens/revoke", self._revoke),
            web.get("/audit", self._audit),
        ]

    async def _tokens(self, request: web.Request) -> web.StreamResponse:
        return await self._show(request)

    async def _show(self, request: web.Request, status: int = 200, **shown: object) -> web.Response:
        rows = await self._desk.verbs.tokens()
        context = {"rows": rows, "made": None, "fault": "", "name": "", **shown}
        return await self._desk.page(request, "tokens.html", status, **context)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        """The token's text is on the answer's page and nowhere else, so this one is no redirection."""
        sent = await request.post()
        name, scope = str(sent.get("name", "")).strip(), str(sent.get("scope", ""))
        try:
            made = await self._desk.by(request).create_token(name, scope)
        except (BadRequest, Refused) as error:
            return await self._show(request, 422, fault=str(error), name=name[:60])
        return await self._show(request, made=made)

    async def _revoke(self, request: web.Request) -> web.StreamResponse:
        name = str((await request.post()).get("name", ""))
        await self._desk.by(request).revoke_token(name)
        return self._desk.done("/tokens", Told(f"The token {name} is not valid any longer."))

    async def _audit(self, request: web.Request) -> web.StreamResponse:
        filters = Filters.of(request)
        asked = {"cursor": filters.cursor, "who": filters.text}
        page = await self._desk.list("audit", {name: value for name, value in asked.items() if value})
        pager = page.pager(filters, "/audit")
        return await self._desk.page(request, "audit.html", rows=page.rows, filters=filters, pager=pager)
