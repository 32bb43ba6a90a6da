"""The embedded Microsoft Graph: for our tests, and for people who test what they built on Listener.

    async with GraphServer(users=["support@example.com"], tokens=["a token"]) as server:
        server.deliver("INBOX", b"Subject: hello\\r\\n\\r\\nworld\\r\\n")
        server.script.on("delta", status=410, code="SyncStateNotFound", times=1)
        ...                                   # let a client connect to server.host, server.port

The mail part of v1.0 as far as a receiver and a sender need it, over folders in memory, on loopback only, also for Microsoft's
own SDK. What it got is in `transcript`; what it counted in `counters`. `strict` (the default) refuses every request that does
not ask for immutable ids; Exchange would answer with ids that change. It has no timers of its own.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import unquote

from aiohttp import web

from ..store import Message, Store
from .answers import JSON, Answer, bad_request, refused
from .delta import Delta
from .exchange import Exchange
from .operations import Mailbox, immutable
from .script import Asked, Fault, Script

LOOPBACK = "127.0.0.1"
MAX_BODY = 64 * 1024 * 1024
_NAMES = {
    ("GET", ""): "user",
    ("GET", "mailFolders"): "folders",
    ("GET", "mailFolders/*"): "folder",
    ("GET", "mailFolders/*/childFolders"): "folders",
    ("GET", "mailFolders/*/messages"): "list",
    ("GET", "mailFolders/*/messages/delta"): "delta",
    ("GET", "mailFolders/*/messages/delta()"): "delta",
    ("GET", "messages"): "list",
    ("GET", "messages/*"): "message",
    ("GET", "messages/*/$value"): "value",
    ("PATCH", "messages/*"): "patch",
    ("DELETE", "messages/*"): "delete",
    ("POST", "messages"): "create",
    ("POST", "messages/*/move"): "move",
    ("POST", "messages/*/send"): "send",
    ("POST", "sendMail"): "sendMail",
}


@dataclass(slots=True)
class Counters:
    """What the server counted since it started. `most_at_once` is the highest number of requests at one time."""

    requests: int = 0
    at_once: int = 0
    most_at_once: int = 0
    unauthorised: int = 0


class GraphServer:
    """`async with` starts and ends it; `port` 0 takes a free one. Each user has a mailbox; any of `tokens` opens all of them.

    `observe` is called with each request before it is carried out: what is durable at that moment?
    """

    def __init__(
        self,
        *,
        users: Iterable[str] = ("support@example.com",),
        tokens: Iterable[str] = ("token",),
        tls: ssl.SSLContext | None = None,
        strict: bool = True,
        port: int = 0,
        now: Callable[[], float] = time.time,
        observe: Callable[[Asked], None] | None = None,
    ) -> None:
        self.host, self.port, self.tls = LOOPBACK, port, tls
        self.tokens = set(tokens)
        self.strict, self.observe = strict, observe
        self.script = Script()
        self.transcript: list[Asked] = []
        self.counters = Counters()
        self.denied: dict[str, Answer] = {}
        self.mailboxes = {user.lower(): Mailbox(user, Exchange(Store(now))) for user in users}
        self.now = now
        self.failures: list[Exception] = []
        self._runner: web.AppRunner | None = None

    # --- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        application = web.Application(client_max_size=MAX_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self.tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Drop open connections, refuse new ones; `start` listens again on the same port. Idempotent.

        Raises the first of `failures`, faults of the server itself, so that no test passes over one.
        """
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        if self.failures:
            raise self.failures[0]

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`; with `tls` https and the name `localhost`, which certificates can name."""
        return f"https://localhost:{self.port}" if self.tls else f"http://{self.host}:{self.port}"

    # --- what a test does to it, and learns from it ------------------------------------------------------------------

    def mailbox(self, user: str | None = None) -> Mailbox:
        """A user's mailbox; the first user's where none is named."""
        return self.mailboxes[(user or next(iter(self.mailboxes))).lower()]

    def store(self, user: str | None = None) -> Store:
        """A user's folders and messages."""
        return self.mailbox(user).exchange.store

    def delta(self, user: str | None = None) -> Delta:
        """A user's rounds of delta, with their switches."""
        return self.mailbox(user).delta

    def deliver(self, folder: str, octets: bytes, *, user: str | None = None, received_at: float | None = None) -> Message:
        """A new message. Raises NoSuchFolder."""
        return self.store(user).deliver(folder, octets, internal_date=received_at)

    def deny(
        self, user: str, code: str = "ErrorAccessDenied", words: str = "Access is denied. Check credentials and try again."
    ) -> None:
        """From now on nobody may open this mailbox."""
        self.denied[user.lower()] = refused(403, code, words)

    def asked(self, name: str) -> list[Asked]:
        """The requests of this name received so far."""
        return [one for one in self.transcript if one.name == name]

    # --- one request -------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.counters.requests += 1
        self.counters.at_once += 1
        self.counters.most_at_once = max(self.counters.most_at_once, self.counters.at_once)
        try:
            return await self._answered(request, _asked(request, await request.read()))
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            self.failures.append(error)
            raise
        finally:
            self.counters.at_once -= 1

    async def _answered(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        self.transcript.append(asked)
        fault = self.script.take(asked) or Fault()
        if fault.hold is not None:
            await fault.hold.wait()
        answer = self._refused(asked)
        if answer is None and self.observe is not None:
            self.observe(asked)
        if answer is None and fault.execute:
            mailbox = self.mailboxes[asked.user]
            mailbox.base = f"{request.scheme}://{request.host}"  # links name the host that was asked
            answer = mailbox.carry_out(asked)
        if fault.close:
            return _reset(request)
        return await _send(request, _spoilt(answer or Answer(), fault), fault)

    def _refused(self, asked: Asked) -> Answer | None:
        """Token, mailbox, header; None: carry it out."""
        scheme, _, token = asked.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.tokens:
            self.counters.unauthorised += 1
            words = "Lifetime validation failed, the token is expired."
            return refused(401, "InvalidAuthenticationToken", words, WWW_Authenticate='Bearer realm="", error="invalid_token"')
        if asked.user in self.denied:
            return self.denied[asked.user]
        if asked.user not in self.mailboxes:
            return refused(404, "ErrorInvalidUser", f"The requested user '{asked.user}' is invalid.")
        if asked.name == "unknown":
            return refused(400, "BadRequest", f"Resource not found for the segment '{'/'.join(asked.path)}'.")
        if self.strict and not immutable(asked):
            return bad_request('this server wants Prefer: IdType="ImmutableId" on every request')
        return None


def _asked(request: web.Request, body: bytes) -> Asked:
    parts = [unquote(part) for part in request.raw_path.partition("?")[0].split("/")]
    known = len(parts) >= 4 and parts[1:3] == ["v1.0", "users"]
    path = tuple(parts[4:]) if known else tuple(parts)
    shape = "/".join("*" if number % 2 else part for number, part in enumerate(path))
    if len(path) == 4 and path[0] == "mailFolders":
        shape = "/".join((path[0], "*", path[2], path[3]))
    name = _NAMES.get((request.method, shape), "unknown") if known else "unknown"
    user = parts[3].lower() if known else ""
    at = asyncio.get_running_loop().time()
    return Asked(name, user, request.method, path, dict(request.query), request.headers, body, at)


def _spoilt(answer: Answer, fault: Fault) -> Answer:
    """The answer as the fault wants it."""
    if fault.status is not None and fault.instead is None:
        answer = refused(fault.status, fault.code, fault.words)
    if fault.instead is not None:
        answer = Answer(fault.status or 200, fault.instead, answer.kind)
    if fault.rewrite is not None and answer.octets is not None:
        answer = Answer(answer.status, json.dumps(fault.rewrite(json.loads(answer.octets))).encode(), JSON, answer.headers)
    return Answer(answer.status, answer.octets, answer.kind, {**answer.headers, **fault.headers})


async def _send(request: web.Request, answer: Answer, fault: Fault) -> web.StreamResponse:
    octets = answer.octets or b""
    headers = {"Content-Type": answer.kind, **answer.headers} if octets else dict(answer.headers)
    if fault.cut is None and fault.stall is None and not fault.trickle:
        return web.Response(status=answer.status, body=octets, headers=headers)
    response = web.StreamResponse(status=answer.status, headers=headers)
    response.content_length = len(octets)
    await response.prepare(request)
    if fault.cut is not None:
        await response.write(octets[: fault.cut])
        return _reset(request)
    if fault.stall is not None:
        await response.write(octets[: len(octets) // 2])
        await fault.stall.wait()
        await response.write(octets[len(octets) // 2 :])
    else:
        for number in range(len(octets)):
            await response.write(octets[number : number + 1])
    await response.write_eof()
    return response


def _reset(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.abort()
    return web.Response()
