"""Replies: what was sent, what waits, what was suppressed and by which rule; who is muted, because mail of ours came back."""

from __future__ import annotations

from aiohttp import web

from .desk import Desk, Told
from .listing import Filters


class ReplyPages:
    """Handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [web.get("/replies", self._list), web.post("/replies/unmute", self._unmute)]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        filters = Filters.of(request)
        asked = {"account": filters.account, "state": filters.state, "cursor": filters.cursor}
        page = await self._desk.list("replies", {name: value for name, value in asked.items() if value})
        pager = page.pager(filters, "/replies")
        muted = await self._desk.verbs.muted()
        return await self._desk.page(request, "replies.html", rows=page.rows, filters=filters, pager=pager, muted=muted)

    async def _unmute(self, request: web.Request) -> web.StreamResponse:
        address = str((await request.post()).get("address", ""))
        await self._desk.order(request, "unmute", address=address)
        return self._desk.done("/replies", Told(f"{address} may get automatic mail again."))
