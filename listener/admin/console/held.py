"""Quarantine and dead letters: what is held back, why, and the same order for many at once.

An order for many goes through one message after another; what could not be done is said by message, the rest is done.
"""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Sequence

from aiohttp import web

from ...errors import ListenerError, Refused
from ..routes import NotFound
from .desk import MAX_FAULTS, Desk, Told
from .listing import PAGE, Filters
from .messages import download

MAX_EXPORT = 64 * 1024 * 1024
"""Octets of raw messages in one archive."""
ORDERS = {"release": "released", "retry": "tried again"}
STATES = {"/quarantine": "quarantined", "/dead-letters": "dead"}


class HeldPages:
    """Handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        lists = [web.get(path, self._list) for path in STATES]
        return [*lists, *(web.post(path, self._order) for path in STATES)]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        filters = Filters.of(request)
        state = STATES[request.path]
        page = await self._desk.list("messages", {**filters.arguments(), "state": state})
        totals = await self._desk.totals()
        return await self._desk.page(
            request, "held.html", rows=page.rows, state=state, filters=filters, totals=totals, section="/quarantine",
            pager=page.pager(filters, request.path),
        )  # fmt: skip

    async def _order(self, request: web.Request) -> web.StreamResponse:
        form = await request.post()
        entries = [int(one) for one in form.getall("entry", []) if isinstance(one, str) and one.isdigit()][:PAGE]
        wanted = str(form.get("order", ""))
        if not entries:
            return self._desk.done(request.path, Told("Nothing was selected.", "warn"))
        if wanted == "export":
            return await self._export(entries)
        if wanted not in ORDERS:
            raise NotFound("there is no such order")
        return self._desk.done(request.path, await self._each(request, entries, wanted))

    async def _each(self, request: web.Request, entries: Sequence[int], wanted: str) -> Told:
        faults: list[str] = []
        for entry in entries:
            try:
                await self._desk.order(request, wanted, entry=entry)
            except (Refused, NotFound) as error:
                faults.append(f"Message {entry}: {error}")
        done = len(entries) - len(faults)
        text = f"{done} {'message is' if done == 1 else 'messages are'} {ORDERS[wanted]}."
        return Told(text, "warn" if faults else "ok", tuple(faults[:MAX_FAULTS]))

    async def _export(self, entries: Sequence[int]) -> web.Response:
        """One archive with every selected message as it came."""
        raw: list[tuple[int, bytes]] = []
        for entry in entries:
            raw.append((entry, await self._octets(entry)))
            if sum(len(octets) for _, octets in raw) > MAX_EXPORT:
                raise Refused(f"these messages are over {MAX_EXPORT // 2**20} MB together: select fewer")
        body = await asyncio.to_thread(_archive, raw)
        return web.Response(body=body, headers=download("messages.zip"))

    async def _octets(self, entry: int) -> bytes:
        try:
            return bytes(await self._desk.verbs.export(entry))
        except ListenerError as error:
            return f"{error}\r\n".encode()


def _archive(raw: Sequence[tuple[int, bytes]]) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, octets in raw:
            archive.writestr(f"message-{entry}.eml", octets)
    return held.getvalue()
