"""A small SMTP server on loopback that takes mail and hands it on: how `listener demo` is sent mail by hand (RFC 5321), and
what tests of sending send to.

    async with SmtpReceiver(lambda envelope: store.deliver("INBOX", envelope.octets)) as receiver:
        ...                                   # send mail to receiver.host, receiver.port

`accept` is called with each message before its 250; what it raises is not caught. Everything is bounded: sessions, recipients,
lines, sizes and silence. It relays nothing and listens on loopback only. With `users` (name → password) it wants AUTH PLAIN
before MAIL. `receiver.script.on(…)` makes it misbehave; see smtp_script.py.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from .smtp_script import Script

HOST = "127.0.0.1"
MAX_SESSIONS = 20
MAX_RECIPIENTS = 100
MAX_LINE = 65_536
"""Octets of one line; RFC 5321 §4.5.3.1.6 promises senders only 1,000."""
MAX_MESSAGE = 50 * 1024 * 1024
MAX_BAD_COMMANDS = 20
SILENCE = 300.0
"""RFC 5321 §4.5.3.2.7: seconds that a server should wait for a command."""

_PATH = re.compile(r"(FROM|TO):\s*<([^<>\x00-\x20]*)>((?:\s+\S+)*)\s*", re.I)
_SIZE = re.compile(r"\bSIZE=(\d{1,12})\b", re.I)


@dataclass(frozen=True, slots=True)
class Envelope:
    """One accepted message. `octets` begin with the Return-Path and Received fields that a delivering server adds."""

    sender: str
    recipients: tuple[str, ...]
    octets: bytes = field(repr=False)


class SmtpReceiver:
    """`async with` starts and ends it; `port` 0 takes a free one. `now` words the date of the Received field."""

    def __init__(
        self,
        accept: Callable[[Envelope], object],
        *,
        port: int = 0,
        max_message: int = MAX_MESSAGE,
        now: Callable[[], str] = lambda: "",
        users: Mapping[str, str] | None = None,
    ) -> None:
        self.host, self.port = HOST, port
        self.users, self.script = users, Script()
        self.max_message, self.accept, self.now = max_message, accept, now
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port, limit=MAX_LINE)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take no more mail and drop what is under way. Idempotent."""
        if self._server:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if len(self._tasks) > MAX_SESSIONS:
                writer.write(b"421 too many sessions\r\n")
            else:
                await _Session(self, reader, writer).run()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, asyncio.CancelledError):
            writer.transport.abort()  # the client went away, went silent or broke the line limit, or we are ending
        finally:
            writer.close()
            self._tasks.discard(task)


class _Session:
    """One client's conversation."""

    def __init__(self, server: SmtpReceiver, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server, self._reader, self._writer = server, reader, writer
        self._greeted = False
        self._known = server.users is None
        self._sender: str | None = None
        self._recipients: list[str] = []

    async def run(self) -> None:
        await self._say(await self._server.script.play("greeting", "", self._greeting))
        bad = 0
        while bad < MAX_BAD_COMMANDS:
            line = (await self._line(b"\n")).decode("utf-8", "replace").strip()
            verb, _, rest = line.partition(" ")
            answer = await self._server.script.play(verb.lower(), rest, self._answerer(verb.upper(), rest))
            await self._say(answer)
            if verb.upper() == "QUIT":
                return
            bad += answer.startswith("5")
        await self._say("421 enough of this")

    async def _greeting(self) -> str:
        return "220 listener demo ESMTP"

    def _answerer(self, verb: str, rest: str) -> Callable[[], Awaitable[str]]:
        return lambda: self._answer(verb, rest)

    async def _line(self, end: bytes) -> bytes:
        async with asyncio.timeout(SILENCE):
            return await self._reader.readuntil(end)

    async def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
        await self._writer.drain()

    async def _answer(self, verb: str, rest: str) -> str:
        match verb:
            case "EHLO" | "HELO":
                return self._hello(verb)
            case "AUTH":
                return self._auth(rest)
            case "MAIL":
                return self._mail(rest)
            case "RCPT":
                return self._recipient(rest)
            case "DATA":
                return await self._data()
            case "RSET":
                self._forget()
                return "250 forgotten"
            case "NOOP":
                return "250 nothing done"
            case "VRFY":
                return "252 try and see"
            case "QUIT":
                return "221 goodbye"
        return "500 unknown command"

    def _hello(self, verb: str) -> str:
        self._greeted = True
        self._forget()
        if verb == "HELO":
            return "250 listener demo"
        auth = () if self._server.users is None else ("AUTH PLAIN",)
        extensions = ("PIPELINING", "8BITMIME", "SMTPUTF8", *auth, f"SIZE {self._server.max_message}")
        return "\r\n".join(["250-listener demo", *(f"250-{word}" for word in extensions[:-1]), f"250 {extensions[-1]}"])

    def _auth(self, rest: str) -> str:
        """AUTH PLAIN with its initial response (RFC 4616, RFC 4954)."""
        mechanism, _, response = rest.partition(" ")
        try:
            _, user, password = base64.b64decode(response, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            return "501 AUTH PLAIN and its response expected"
        if mechanism.upper() != "PLAIN" or (self._server.users or {}).get(user) != password:
            return "535 5.7.8 unknown user or wrong password"
        self._known = True
        return "235 2.7.0 welcome"

    def _mail(self, rest: str) -> str:
        found = _PATH.fullmatch(rest)
        if not self._greeted:
            return "503 say EHLO first"
        if not self._known:
            return "530 5.7.0 sign in first"
        if not found or found[1].upper() != "FROM":
            return "501 MAIL FROM:<address> expected"
        size = _SIZE.search(found[3])
        if size and int(size[1]) > self._server.max_message:
            return "552 too large"
        self._forget()
        self._sender = found[2]
        return "250 sender taken"

    def _recipient(self, rest: str) -> str:
        found = _PATH.fullmatch(rest)
        if self._sender is None:
            return "503 MAIL first"
        if not found or found[1].upper() != "TO" or not found[2]:
            return "501 RCPT TO:<address> expected"
        if len(self._recipients) >= MAX_RECIPIENTS:
            return "452 too many recipients"
        self._recipients.append(found[2])
        return "250 recipient taken"

    async def _data(self) -> str:
        if not self._recipients:
            return "503 RCPT first"
        await self._say("354 go on, end with a dot alone")
        body = await self._body()
        return await self._server.script.play("text", self._recipients[0], lambda: self._take(body))

    async def _take(self, body: bytes | None) -> str:
        envelope = Envelope(self._sender or "", tuple(self._recipients), self._trace() + body if body is not None else b"")
        self._forget()
        if body is None:
            return "552 too large"
        self._server.accept(envelope)
        return "250 taken"

    async def _body(self) -> bytes | None:
        """Up to the lone dot, dots unstuffed (RFC 5321 §4.5.2); None: more than is taken, read to its end all the same."""
        body = bytearray()
        size = 0
        # Only CRLF ends a line here: anything else lets one message smuggle another (RFC 5321 §4.1.1.4).
        while (line := await self._line(b"\r\n")) != b".\r\n":
            line = line.removeprefix(b".")
            size += len(line)
            if size <= self._server.max_message:
                body += line
        return bytes(body) if size <= self._server.max_message else None

    def _trace(self) -> bytes:
        """RFC 5321 §4.4."""
        received = f"Received: from [{HOST}] by localhost with ESMTP; {self._server.now()}\r\n" if self._server.now() else ""
        return f"Return-Path: <{self._sender}>\r\n{received}".encode()

    def _forget(self) -> None:
        self._sender = None
        self._recipients.clear()
