"""The case book's pages: the list, and one case as a conversation, with what is only perhaps part of it marked as such."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ...cases.words import LINKS
from .desk import Desk
from .listing import Filters

MAX_TALK = 50
"""Messages whose text one page shows; the newest."""
MAX_TEXT = 8_000
"""Characters of one message's text there."""


class CasePages:
    """Handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.get("/cases", self._list),
            web.get("/cases/{case}", self._show),
            web.post("/cases/{case}/close", self._close),
            web.post("/cases/{case}/reopen", self._reopen),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        filters = Filters.of(request)
        page = await self._desk.list("cases", filters.of_cases())
        return await self._desk.page(
            request, "cases.html", rows=page.rows, filters=filters, pager=page.pager(filters, "/cases")
        )

    async def _show(self, request: web.Request) -> web.StreamResponse:
        case = await self._desk.verbs.case(request.match_info["case"])
        entries = case["entries"][-MAX_TALK:]
        talk = [await self._said(row) for row in entries]
        return await self._desk.page(
            request, "case.html", link_words=LINKS, case=case, talk=talk, earlier=len(case["entries"]) - len(entries)
        )

    async def _said(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """A message of the conversation: its row, what its sender newly wrote, and what was answered by itself."""
        message = await self._desk.verbs.ledger.message(row["id"])
        text = (message.reply.text or message.text) if message else ""
        quoted = message.reply.quoted if message else ""
        return {
            "row": row,
            "message": message,
            "text": text[:MAX_TEXT],
            "cut": len(text) > MAX_TEXT,
            "quoted": quoted[:MAX_TEXT],
            "replies": await self._desk.verbs.ledger.responses.of_entry(row["id"]),
        }

    async def _close(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, "close_case", "closed")

    async def _reopen(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, "reopen_case", "open again")

    async def _change(self, request: web.Request, verb: str, word: str) -> web.StreamResponse:
        case = request.match_info["case"]
        order = self._desk.order(request, verb, case=case)
        return await self._desk.ordered(order, f"The case is {word}.", back=f"/cases/{case}")
