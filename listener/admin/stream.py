"""Server-sent events over HTTP: one listener of the feed and its connection, from `hello` to the last word.

Served at `/events` for pages and `/api/v1/events` for programs. Every few seconds of silence a `ping` goes out, so that either
side finds out that the other is gone; at each the token or session is looked at again, and `expired` ends the stream. `dropped`
ends it for who read too slowly, `bye` when the daemon stops: come again.
"""

from __future__ import annotations

import asyncio

from aiohttp import web

from .feed import Event, Feed, Listener
from .guard import Guard
from .problems import Denied, Failure

PING = 5.0
"""Seconds of silence until one."""
WRITE_TIMEOUT = 10.0
"""Seconds for which a listener may take nothing."""
AGAIN_MS = 1_000
"""When a browser should come again after a lost connection."""
TOO_MANY = Failure(503, "too many are listening already", headers=(("Retry-After", "10"),))


class Stream:
    """The handler."""

    def __init__(self, feed: Feed, guard: Guard) -> None:
        self._feed, self._guard = feed, guard

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Until either side ends it. Raises Denied when there are too many."""
        listener = self._feed.join(request.headers.get("Last-Event-ID", "")[:40])
        if listener is None:
            raise Denied(TOO_MANY)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        try:
            await answer.prepare(request)
            await answer.write(f"retry: {AGAIN_MS}\n\n".encode())
            await self._tell(request, answer, listener)
        except (ConnectionError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()  # it took nothing for too long, or is gone
        finally:
            self._feed.leave(listener)
        return answer

    async def _tell(self, request: web.Request, answer: web.StreamResponse, listener: Listener) -> None:
        while True:
            event = await self._next(request, listener)
            async with asyncio.timeout(WRITE_TIMEOUT):
                await answer.write(event.encoded())
            if listener.ended and listener.queue.empty():
                await answer.write_eof()
                return

    async def _next(self, request: web.Request, listener: Listener) -> Event:
        try:
            async with asyncio.timeout(PING):
                return await listener.queue.get()
        except TimeoutError:
            if not self._feed.running:
                listener.end("bye")
            elif not await self._guard.still_in(request):
                listener.end("expired")
            else:
                return Event("ping", {})
            return listener.queue.get_nowait()
