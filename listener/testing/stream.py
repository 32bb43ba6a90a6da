"""One client's connection to an embedded server: octets in and out, TLS, faults applied, the end. Knows no protocol.

The servers' own connections are made of it and add what their client has been told. Everything received is kept, up to a
bound, so that a test can show that no credential was ever sent. Ends with `Closed` wherever the client went away or a fault
hung up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable
from typing import Any

from .script import Close, Fault

MAX_LINE = 65_536
MAX_RECEIVED_KEPT = 1024 * 1024
FLUSH_AT = 65_536


class Closed(Exception):
    """The connection is over."""


class Stream:
    """One accepted connection of a `serving.Serving`; `number` counts from 1."""

    def __init__(
        self, server: Any, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secure: bool
    ) -> None:
        self.server: Any = server
        self.number, self.secure = number, secure
        self.received = bytearray()
        self.sent = 0
        self.closed = False
        self.user: str | None = None
        self.upgrade: ssl.SSLContext | None = None
        self.leaving = False
        self._reader, self._writer = reader, writer
        self._out = bytearray()
        self._holding = False

    def leave(self) -> None:
        """The connection is over: let go of what it held."""

    # --- in ----------------------------------------------------------------------------------------------------------

    async def line(self) -> bytes:
        """The next line with its end. Raises Closed."""
        return await self._take(self._reader.readuntil(b"\n"))

    async def _take(self, reading: Awaitable[bytes]) -> bytes:
        try:
            octets = await reading
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError) as error:
            raise Closed from error
        self._keep(octets)
        await self.server.gate.wait()
        return octets

    def _keep(self, octets: bytes) -> None:
        self.received += octets[: MAX_RECEIVED_KEPT - len(self.received)]
        self.server.changed()

    # --- out ---------------------------------------------------------------------------------------------------------

    def say(self, octets: bytes) -> None:
        """Add to the answer under way."""
        self._out += octets

    async def relieve(self) -> None:
        """Send what has gathered when it is much, unless a fault wants the answer whole."""
        if len(self._out) >= FLUSH_AT and not self._holding:
            await self.flush()

    async def flush(self) -> None:
        """Send what has gathered. Raises Closed."""
        octets = bytes(self._out)
        self._out.clear()
        await self.send(octets)

    async def send(self, octets: bytes) -> None:
        """Send at once. Raises Closed."""
        await self.server.gate.wait()
        if self.closed:
            raise Closed
        try:
            self._write(octets)
            await self._writer.drain()
        except OSError as error:
            raise Closed from error

    def _write(self, octets: bytes) -> None:
        self.sent += len(octets)
        self.server.counters.octets_out += len(octets)
        self._writer.write(octets)

    def forget(self) -> None:
        """Say none of what has gathered."""
        self._out.clear()

    def interject(self, octets: bytes) -> None:
        """Send these octets between whatever else is sent, now."""
        if self.server.gate.is_set() and not self.closed:
            self._write(octets)

    def hold(self) -> None:
        """Gather the whole answer: a fault will look at it."""
        self._holding = True

    async def answer(self, fault: Fault, tagged: bytes) -> None:
        """Send the gathered answer as the fault wants it. Raises Closed where it hangs up."""
        answer = bytes(self._out) + tagged
        self._out.clear()
        self._holding = False
        answer = fault.before + (fault.rewrite(answer) if fault.rewrite else answer) + fault.after
        if isinstance(fault.hold, asyncio.Event):
            await fault.hold.wait()
        elif fault.hold is not None:
            await asyncio.sleep(fault.hold)
        if fault.close is Close.INSTEAD:
            raise self.hang_up(reset=fault.reset)
        if not fault.silent:
            await self._send_spoilt(answer, fault)
        while fault.endless:
            await self.send(fault.endless * (1 + FLUSH_AT // len(fault.endless)))
            await asyncio.sleep(0)  # so that others on this loop have their turn
        if fault.cut is not None or fault.close is Close.AFTER:
            raise self.hang_up(reset=fault.reset)
        if fault.silent or fault.stall is not None:
            await self._never()

    async def _send_spoilt(self, answer: bytes, fault: Fault) -> None:
        limits = [limit for limit in (fault.cut, fault.stall) if limit is not None]
        if limits:
            answer = answer[: min(limits)]
        if fault.trickle is None:
            return await self.send(answer)
        for at in range(len(answer)):
            await self.send(answer[at : at + 1])
            await asyncio.sleep(fault.trickle)

    async def _never(self) -> None:
        """Say nothing more until the client gives up."""
        while octets := await self._take(self._reader.read(FLUSH_AT)):
            del octets
        raise Closed

    # --- ends --------------------------------------------------------------------------------------------------------

    def hang_up(self, *, reset: bool = False) -> Closed:
        """Close now, with a FIN after what was sent, or with a reset. Idempotent."""
        if not self.closed:
            self.closed = True
            self.server.counters.open -= 1
            self.leave()
            if reset:
                raw = self._writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._writer.transport.abort()
            else:
                self._writer.close()
            self.server.changed()
        return Closed()

    async def finish(self) -> None:
        """Hang up and wait until the transport is gone. Never raises."""
        self.hang_up()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def abort(self) -> None:
        """Drop it without ceremony."""
        self.hang_up()
        self._writer.transport.abort()

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Continue under TLS (RFC 9051 §6.2.1). Raises Closed when the handshake fails."""
        try:
            await self._writer.start_tls(context)
        except OSError as error:
            raise Closed from error
        self.secure = True
