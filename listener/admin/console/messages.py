"""The pages of messages: the list with its filters, one message with all that is known of it, its frame and its files.

What a stranger wrote is shown as text, or as cleaned HTML in a sandboxed frame from a path of its own, whose answer forbids
scripts and loads (R-71). Attachments and raw messages leave as downloads, never as something that a browser shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from aiohttp import web

from ...errors import ParseCrash, ParseTimeout, Refused
from ...message.model import InboundMessage
from ..headers import MAIL
from ..places import local_path
from ..routes import NotFound
from .desk import Desk
from .history import sentences
from .listing import Filters
from .message_parts import Reader, frame, header, source, wants_pictures

VIEWS = ("reply", "html", "text", "headers", "source")
FLAG = "flag: "
"""How a defect begins that is a warning about the sender (R-74)."""
DOWNLOAD = {"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff"}


class MessagePages:
    """Handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._reader = Reader()

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        return [
            web.get("/messages", self._list),
            web.get("/messages/{entry:[0-9]{1,18}}", self._show),
            web.get("/messages/{entry:[0-9]{1,18}}/html", self._frame),
            web.get("/messages/{entry:[0-9]{1,18}}/raw", self._raw),
            web.get("/messages/{entry:[0-9]{1,18}}/attachments/{number:[0-9]{1,4}}", self._attachment),
            web.post("/messages/{entry:[0-9]{1,18}}/retry", self._retry),
            web.post("/messages/{entry:[0-9]{1,18}}/release", self._release),
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        filters = Filters.of(request)
        page = await self._desk.list("messages", filters.arguments())
        pager = page.pager(filters, "/messages")
        return await self._desk.page(request, "messages.html", rows=page.rows, filters=filters, pager=pager)

    async def _show(self, request: web.Request) -> web.StreamResponse:
        entry = int(request.match_info["entry"])
        row = await self._desk.verbs.explain(entry)
        message = await self._desk.verbs.ledger.message(entry)
        view = _view(request, message)
        shown = await self._shown(entry, row, view)
        return await self._desk.page(
            request, "message.html", row=row, message=message, view=view, views=_views(message, row), shown=shown,
            history=sentences(row["events"]), flags=_flags(message), defects=_defects(message),
        )  # fmt: skip

    async def _shown(self, entry: int, row: Mapping[str, Any], view: str) -> Mapping[str, Any]:
        """Header or source as text, where that is asked for."""
        if view not in ("headers", "source") or not row.get("raw"):
            return {}
        text, whole = (header if view == "headers" else source)(await self._desk.verbs.export(entry))
        return {"text": text, "whole": whole}

    async def _frame(self, request: web.Request) -> web.StreamResponse:
        entry = int(request.match_info["entry"])
        message = await self._message(entry)
        contents = await self._contents(entry) if wants_pictures(message) else []
        return web.Response(text=frame(message, contents), content_type="text/html", charset="utf-8", headers=dict(MAIL))

    async def _raw(self, request: web.Request) -> web.StreamResponse:
        entry = int(request.match_info["entry"])
        return web.Response(body=await self._desk.verbs.export(entry), headers=download(f"message-{entry}.eml"))

    async def _attachment(self, request: web.Request) -> web.StreamResponse:
        entry, number = int(request.match_info["entry"]), int(request.match_info["number"])
        message = await self._message(entry)
        if not 1 <= number <= len(message.attachments):
            raise NotFound(f"message {entry} has no attachment {number}")
        contents = await self._contents(entry)
        if number > len(contents):
            raise NotFound(f"attachment {number} of message {entry} is not in its octets")
        return web.Response(body=contents[number - 1], headers=download(message.attachments[number - 1].filename))

    async def _message(self, entry: int) -> InboundMessage:
        message = await self._desk.verbs.ledger.message(entry)
        if message is None:
            raise NotFound(f"message {entry} has not been read")
        return message

    async def _contents(self, entry: int) -> list[bytes]:
        try:
            return await self._reader.contents(await self._desk.verbs.export(entry))
        except (ParseTimeout, ParseCrash) as error:
            raise Refused(f"the attachments of message {entry} cannot be read: {error}") from error

    async def _retry(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, "retry", "tried again")

    async def _release(self, request: web.Request) -> web.StreamResponse:
        return await self._change(request, "release", "released")

    async def _change(self, request: web.Request, verb: str, word: str) -> web.StreamResponse:
        entry = int(request.match_info["entry"])
        back = local_path(str((await request.post()).get("back") or f"/messages/{entry}"))
        order = self._desk.order(request, verb, entry=entry)
        return await self._desk.ordered(order, f"Message {entry} is {word}.", back=back)


def download(filename: str) -> dict[str, str]:
    """Headers under which a browser saves and never shows (RFC 6266 §4.3, RFC 8187)."""
    plain = (
        "".join(char if char.isascii() and char.isprintable() and char not in '"\\%' else "_" for char in filename) or "file"
    )
    return {**DOWNLOAD, "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(filename, safe='')}"}


def _views(message: InboundMessage | None, row: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The ways this message can be looked at: name in the address, word."""
    found: list[tuple[str, str]] = []
    if message is not None:
        found.append(("reply", "Newly written"))
        found += [("html", "As formatted")] if message.html else []
        found.append(("text", "Whole text"))
    return found + ([("headers", "Headers"), ("source", "Source")] if row.get("raw") else [])


def _view(request: web.Request, message: InboundMessage | None) -> str:
    wanted = request.query.get("view", "")
    if wanted in VIEWS and not (wanted == "html" and (message is None or not message.html)):
        return wanted
    return "reply" if message is not None else "headers"


def _flags(message: InboundMessage | None) -> list[str]:
    said = [one.removeprefix(FLAG) for one in message.defects if one.startswith(FLAG)] if message else []
    return [one[:1].upper() + one[1:] for one in said]


def _defects(message: InboundMessage | None) -> list[str]:
    return [one for one in message.defects if not one.startswith(FLAG)] if message else []
