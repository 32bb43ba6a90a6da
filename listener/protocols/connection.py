"""A connection to a mail server: one bounded stream of octets, in clear or under TLS. Knows no mail protocol.

Opened by the IMAP, POP3 and SMTP sessions, which own it and read and write from one task at a time. Every wait ends: with
what was asked for, or with `ConnectionLost` after so many seconds *without progress*, or, for a server that drips octets,
when a line or literal took longer than GRACE_SECONDS plus its size at SLOWEST_RATE (R-63).

Rules of the file
1. Octets that arrived before the end of the stream are still read, so that a server's last words (`BYE`) are not lost.
2. A failed connection stays failed: every later call raises the same error. A wait cancelled inside a literal fails it too.
3. `protected` says whether credentials may be written; sessions ask it first.
4. Idle costs little: no buffer is held while nothing is under way (docs/protocols.md has the measured size).
"""

from __future__ import annotations

import asyncio
import io
from typing import Self

from ..errors import ConnectionLost, InsecureConnection
from . import tls
from .dial import Timing, dial
from .endpoint import Endpoint, Security, tls_context
from .wire import HIGH_WATER, Wire

CONNECT_SECONDS = 90.0
"""DNS, TCP, TLS and, for the sessions, the greeting together."""
PROGRESS_SECONDS = 120.0
"""Without one octet moving while something is under way."""
GRACE_SECONDS = 60.0
SLOWEST_RATE = 50_000
"""Octets a second: a line or literal once begun must be complete after GRACE_SECONDS + size / SLOWEST_RATE."""


class Connection:
    """Made by `Connection.open`. `facts` is what TLS agreed on, `timing` how long each step took, `peer` the address."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.timing = Timing()
        self.facts: tls.TLSFacts | None = None
        self.peer = ""
        self._loop = asyncio.get_running_loop()
        self._wire = Wire(endpoint, self._loop)
        self._scanned = 0

    @classmethod
    async def open(cls, endpoint: Endpoint, *, deadline: float = CONNECT_SECONDS) -> Self:
        """Resolve, connect and, for `Security.TLS`, shake hands.

        Raises ServerUnavailable (unknown host, nobody listens), InsecureConnection (certificate, version, plaintext to
        another machine), ConnectionLost (broken off, or not done after `deadline` seconds).
        """
        connection = cls(endpoint)
        try:
            async with asyncio.timeout(deadline):
                await connection._connect()
        except TimeoutError as error:
            connection.abort()
            raise ConnectionLost(
                f"no connection to {endpoint} within {deadline:.0f} s",
                setting=endpoint.setting("host"),
                hint="check host, port and firewall",
            ) from error
        except BaseException:  # cancelled too: nobody else could close it
            connection.abort()
            raise
        return connection

    @property
    def protected(self) -> bool:
        """Whether what is written now is as secret as the settings ask: under TLS, or allowed in clear."""
        return self.facts is not None or self.endpoint.security == Security.NONE

    @property
    def lost(self) -> bool:
        """Whether it failed or was closed; octets that came before may still be read."""
        return self._wire.failure is not None

    @property
    def buffered(self) -> int:
        """Octets that arrived and were not read."""
        return len(self._wire.buffer)

    @property
    def received(self) -> int:
        """Octets that came over the network."""
        return self._wire.received

    @property
    def sent(self) -> int:
        """Octets that went into the network."""
        return self._wire.sent

    # --- reading -----------------------------------------------------------------------------------------------------

    async def read_line(self, limit: int, *, timeout: float = PROGRESS_SECONDS) -> bytes:
        """The next line without its CRLF (a bare LF ends one too). Raises ConnectionLost, also for more than `limit` octets."""
        deadline: float | None = None
        while (end := self._find_line(limit)) < 0:
            if deadline is None and self._wire.buffer:
                deadline = self._deadline(limit)
            await self._wire.arrival(timeout, deadline)
        line = bytes(self._wire.buffer[:end])
        self._consume(end + 1)
        return line[:-1] if line.endswith(b"\r") else line

    async def read_exactly(self, size: int, *, timeout: float = PROGRESS_SECONDS) -> bytes:
        """The next `size` octets. Memory grows with what has arrived, not with what was announced. Raises ConnectionLost."""
        if len(self._wire.buffer) >= size:
            with memoryview(self._wire.buffer) as view:
                data = bytes(view[:size])
            self._consume(size)
            return data
        sink = io.BytesIO()
        missing = size - sink.write(self._wire.buffer)
        self._consume(len(self._wire.buffer))
        await self._wire.collect(sink, missing, timeout, self._deadline(size))
        return sink.getvalue()  # no copy: CPython hands out the octets that the BytesIO holds

    async def skip(self, size: int, *, timeout: float = PROGRESS_SECONDS) -> None:
        """Read and drop `size` octets, in pieces. Raises ConnectionLost."""
        while size > 0:
            size -= len(await self.read_exactly(min(size, HIGH_WATER), timeout=timeout))

    async def readable(self, timeout: float) -> bool:
        """Wait for anything to read, the end included; False after `timeout` seconds. Fails nothing, may be cancelled."""
        if self._wire.buffer or self._wire.failure:
            return True
        try:
            async with asyncio.timeout(timeout):
                await self._wire.arrival(timeout + PROGRESS_SECONDS)
        except ConnectionLost:
            return True
        except TimeoutError:
            return False
        return True

    def _find_line(self, limit: int) -> int:
        """Where the first line feed is, or -1. Looks at every octet once."""
        buffer = self._wire.buffer
        end = buffer.find(b"\n", self._scanned)
        self._scanned = 0 if end >= 0 else len(buffer)
        if (end if end >= 0 else len(buffer)) > limit:
            raise self._wire.fail(ConnectionLost(f"{self.endpoint} sent a line of more than {limit} octets"))
        return end

    def _consume(self, size: int) -> None:
        self._scanned = 0
        if size == len(self._wire.buffer):
            self._wire.buffer = bytearray()  # not clear(): that may keep the memory
        else:
            del self._wire.buffer[:size]
        if len(self._wire.buffer) < HIGH_WATER // 2:
            self._wire.resume()

    def _deadline(self, size: int) -> float:
        return self._loop.time() + GRACE_SECONDS + size / SLOWEST_RATE

    # --- writing -----------------------------------------------------------------------------------------------------

    async def write(self, data: bytes, *, timeout: float = PROGRESS_SECONDS) -> None:
        """Send, and wait while the server takes nothing. Raises ConnectionLost."""
        self._wire.send(data)
        await self._wire.drained(timeout)

    # --- security and end --------------------------------------------------------------------------------------------

    async def start_tls(self, *, deadline: float = CONNECT_SECONDS) -> None:
        """Turn to TLS now, right after the server's consent was read.

        Raises InsecureConnection when anything came in clear behind that answer (R-60): it could be an attacker's. The
        session drops by itself what it learned before.
        """
        if self._wire.buffer:
            raise self._wire.fail(
                InsecureConnection(
                    f"{self.endpoint} sent data in clear behind its consent to TLS",
                    setting=self.endpoint.setting("security"),
                    hint='somebody may be tampering with the connection; use security = "tls"',
                )
            )
        try:
            async with asyncio.timeout(deadline):
                await self._handshake()
        except TimeoutError as error:
            raise self._wire.fail(ConnectionLost(f"{self.endpoint} did not finish TLS within {deadline:.0f} s")) from error
        except asyncio.CancelledError:
            self.abort()
            raise

    def close(self) -> None:
        """End it once what was written has left. Never raises; the protocols' own goodbyes came before. Idempotent."""
        self._wire.close()

    def abort(self) -> None:
        """End it at once. Never raises. Idempotent."""
        self._wire.fail(ConnectionLost(f"the connection to {self.endpoint} was given up"))

    # --- opening -----------------------------------------------------------------------------------------------------

    async def _connect(self) -> None:
        sock = await dial(self.endpoint, self.timing)
        self.peer = sock.getpeername()[0]
        await self._loop.create_connection(lambda: self._wire, sock=sock)
        if self.endpoint.security == Security.TLS:
            await self._handshake()

    async def _handshake(self) -> None:
        """Nothing of ours but the ClientHello leaves before it is done. Raises InsecureConnection, ConnectionLost."""
        begun = self._loop.time()
        context = await asyncio.to_thread(tls_context, self.endpoint)
        stream = tls.TLSStream(context, self.endpoint.host)
        if self.buffered:  # such a server speaks first, in clear
            raise self._wire.fail(tls.no_tls(self.endpoint))
        self._wire.tls, self._wire.shaking = stream, True
        self._wire.shake()
        while self._wire.shaking:
            await self._wire.arrival(PROGRESS_SECONDS)
        self.facts = stream.facts()
        self.timing.tls = self._loop.time() - begun
