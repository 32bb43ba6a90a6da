"""The side of a connection that faces the event loop: octets arrive, are decrypted and wait here, bounded, to be read.

Owned by one `Connection`, which reads from `buffer`. Idle it holds no buffer of its own. When more than HIGH_WATER octets
wait, the server is made to wait too. The first failure stands for ever.
"""

from __future__ import annotations

import asyncio
import io
import os
import ssl
from typing import NoReturn

from ..errors import AccountFailure, ConnectionLost
from . import tls
from .endpoint import Endpoint

HIGH_WATER = 128 * 1024


class Wire(asyncio.Protocol):
    """`received` and `sent` count octets on the network. `failure` is set once nothing more can arrive."""

    def __init__(self, endpoint: Endpoint, loop: asyncio.AbstractEventLoop) -> None:
        self.endpoint = endpoint
        self.loop = loop
        self.buffer = bytearray()
        self.received = self.sent = 0
        self.tls: tls.TLSStream | None = None
        self.shaking = False
        self.failure: AccountFailure | None = None
        self._transport: asyncio.Transport | None = None
        self._sink: io.BytesIO | None = None
        self._missing = 0
        self._paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._progress = self._patience = 0.0
        self._deadline: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    # --- for Connection: waiting -------------------------------------------------------------------------------------

    async def arrival(self, patience: float, deadline: float | None = None) -> None:
        """Until something arrived (or the whole of what `collect` waits for).

        Raises the failure: the end of the stream, `patience` seconds without an octet, or `deadline` (loop time) passed.
        """
        if self.failure:
            self.refuse()
        if self._waiter:
            raise RuntimeError("two tasks read from one connection")
        self._progress, self._patience, self._deadline = self.loop.time(), patience, deadline
        self._waiter = self.loop.create_future()
        self.resume()  # what waits may be the first part of a line longer than HIGH_WATER
        self._look()
        try:
            await self._waiter
        finally:
            self._waiter = None
            if self._timer:
                self._timer.cancel()

    async def collect(self, sink: io.BytesIO, missing: int, patience: float, deadline: float) -> None:
        """Until `missing` more octets went straight into `sink`. A cancelled wait fails the connection."""
        self._sink, self._missing = sink, missing
        try:
            while self._missing:
                await self.arrival(patience, deadline)
        except asyncio.CancelledError:
            self.fail(ConnectionLost(f"reading from {self.endpoint} was cancelled in the middle"))
            raise
        finally:
            self._sink = None

    def _look(self) -> None:
        """Is there progress? Looks again when patience would run out the next time."""
        due = self._progress + self._patience
        if self._deadline is not None:
            due = min(due, self._deadline)
        if self.loop.time() < due:
            self._timer = self.loop.call_at(due, self._look)
        elif due == self._deadline:
            self.fail(ConnectionLost(f"{self.endpoint} sends too slowly"))
        else:
            self.fail(ConnectionLost(f"{self.endpoint} sent nothing for {self._patience:.0f} s"))

    def resume(self) -> None:
        """Let the server go on sending."""
        if self._paused and self._transport and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()

    # --- for Connection: sending and ending --------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Hand over to the network, under TLS where it is on. Raises the failure."""
        if self.failure:
            self.refuse()
        try:
            for piece in self.tls.encrypt(data) if self.tls else (data,):
                self._put(piece)
        except ssl.SSLError as error:
            raise self.fail(tls.fault(error, self.endpoint)) from error

    async def drained(self, patience: float) -> None:
        """Until the network took enough of it. Raises ConnectionLost after `patience` seconds without progress."""
        while self._drained:
            left = self._unsent()
            await asyncio.wait((self._drained,), timeout=patience)
            if self._drained and self._unsent() >= left and not self.failure:
                self.fail(ConnectionLost(f"{self.endpoint} took nothing for {patience:.0f} s"))
            if self.failure:
                self.refuse()

    def shake(self, data: bytes = b"") -> None:
        """Go on with the handshake that `shaking` stands for."""
        assert self.tls
        try:
            done = self.tls.handshake(data)
        except ssl.SSLError as error:
            self._put(self.tls.output())  # the alert that tells the server why
            self.fail(tls.fault(error, self.endpoint))
            return
        self._put(self.tls.output())
        if done:
            self.shaking = False
            self._wake()
            self._decrypt(b"")  # a greeting may have come in the same segment

    def close(self) -> None:
        """End it after what was sent has left. Idempotent."""
        if self.tls and not self.failure and not self.shaking:
            self._put(self.tls.goodbye())
        self._end(ConnectionLost(f"the connection to {self.endpoint} was closed by us"))
        if self._transport:
            self._transport.close()

    def fail(self, failure: AccountFailure) -> AccountFailure:
        """End it now and forget what arrived; returns the failure that stands. Idempotent."""
        self._end(failure)
        self.buffer.clear()
        if self._transport:
            self._transport.abort()
        return self.failure or failure

    def refuse(self) -> NoReturn:
        """Raise the failure, without the frames that raised it before."""
        assert self.failure
        raise self.failure.with_traceback(None)

    # --- called by the event loop ------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += len(data)
        self._progress = self.loop.time()
        if self.failure:
            return
        if self.tls is None:
            self._deliver(data)
        elif self.shaking:
            self.shake(data)
        else:
            self._decrypt(data)
        if len(self.buffer) > HIGH_WATER and not self._paused and self._transport:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> None:
        if self.shaking:
            self.fail(tls.broken_off(self.endpoint))
        self._end(ConnectionLost(f"{self.endpoint} closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        words = f" ({os.strerror(exc.errno).lower()})" if isinstance(exc, OSError) and exc.errno else ""
        if self.shaking:
            self._end(tls.broken_off(self.endpoint))
        self._end(ConnectionLost(f"the connection to {self.endpoint} broke{words}"))

    def pause_writing(self) -> None:
        self._drained = self.loop.create_future()

    def resume_writing(self) -> None:
        if self._drained and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    # --- inside ------------------------------------------------------------------------------------------------------

    def _decrypt(self, data: bytes) -> None:
        assert self.tls
        try:
            for plain in self.tls.decrypt(data):
                if not plain:
                    self._end(ConnectionLost(f"{self.endpoint} closed the connection"))
                    return
                self._deliver(plain)
        except ssl.SSLError as error:
            self.fail(tls.fault(error, self.endpoint))
            return
        self._put(self.tls.output())

    def _deliver(self, data: bytes) -> None:
        if self._sink and self._missing:
            taken = data[: self._missing]
            self._sink.write(taken)
            self._missing -= len(taken)
            if self._missing:
                return
            data = data[len(taken) :]
        self.buffer += data
        self._wake()

    def _put(self, octets: bytes) -> None:
        if octets and self._transport and not self._transport.is_closing():
            self.sent += len(octets)
            self._transport.write(octets)

    def _unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport else 0

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)

    def _end(self, failure: AccountFailure) -> None:
        """No more octets will come; what arrived stays readable (a server's last words)."""
        if self.failure is None:
            self.failure = failure
        if self._waiter and not self._waiter.done():
            self._waiter.set_exception(self.failure)
        self.resume_writing()
