"""One client's connection to the embedded IMAP server: octets in and out, faults applied, and what the client has been told.

The session (session.py) reads commands from it and answers through it; the command modules keep their state in it (user,
open folder, the client's view of message numbers). Everything received is kept, up to a bound, so that a test can show
that no credential was ever sent. Ends with `Closed` wherever the client went away or a fault hung up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from bisect import bisect_left
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from .grammar import Command, literal_at_end, read_command
from .script import Close, Fault
from .store import Folder, Store, Watcher

if TYPE_CHECKING:
    from .server import ImapServer

MAX_LINE = 65_536
MAX_LITERAL = 64 * 1024 * 1024
MAX_LITERAL_BEFORE_LOGIN = 8_192
MAX_RECEIVED_KEPT = 1024 * 1024
FLUSH_AT = 65_536
UTF8_ENABLES = frozenset({"IMAP4REV2", "UTF8=ACCEPT"})


class Closed(Exception):
    """The connection is over."""


class Connection:
    """One accepted connection; `number` counts from 1."""

    def __init__(
        self, server: ImapServer, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secure: bool
    ) -> None:
        self.server, self.number, self.secure = server, number, secure
        self.received = bytearray()
        self.sent = 0
        self.closed = False
        self.user: str | None = None
        self.folder: Folder | None = None
        self.read_only = False
        self.enabled: set[str] = set()
        self.view: list[int] = []
        self.idle_tag: str | None = None
        self.upgrade: ssl.SSLContext | None = None
        self.leaving = False
        self._reader, self._writer = reader, writer
        self._out = bytearray()
        self._holding = False
        self._pending: list[tuple[str, int]] = []

    @property
    def store(self) -> Store:
        """The folders of the user who logged in."""
        assert self.user is not None
        return self.server.stores[self.user]

    @property
    def utf8(self) -> bool:
        """Whether folder names go as UTF-8: as the client asked (RFC 9051 §5.1, RFC 6855 §3), or for want of IMAP4rev1."""
        return not self.enabled.isdisjoint(UTF8_ENABLES) or "IMAP4rev1" not in self.server.capabilities

    # --- in ----------------------------------------------------------------------------------------------------------

    async def command(self) -> Command:
        """The next command, literals included. Raises Malformed, or Closed at the end."""
        pieces: list[tuple[bytes, bytes | None]] = []
        while True:
            line = await self.line()
            announced = literal_at_end(line)
            if announced is None:
                pieces.append((line, None))
                return read_command(pieces, connection=self.number, secure=self.secure)
            size, waits = announced
            if size > (MAX_LITERAL if self.user else MAX_LITERAL_BEFORE_LOGIN):
                await self.send(b"* BYE literal too large\r\n")
                raise Closed
            if waits:
                await self.send(b"+ go on\r\n")
            pieces.append((line, await self._take(self._reader.readexactly(size))))

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
            self.leave_folder()
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

    # --- what the client knows of its folder ---------------------------------------------------------------------------

    def enter_folder(self, folder: Folder, *, read_only: bool) -> None:
        """Open a folder; its messages are numbered as they are now."""
        self.folder, self.read_only = folder, read_only
        self.view = list(folder.messages)
        self._pending.clear()
        folder.watchers.add(self)

    def leave_folder(self) -> None:
        """Close the open folder, if there is one."""
        if self.folder:
            self.folder.watchers.discard(self)
        self.folder = None

    def number_of(self, uid: int) -> int | None:
        """The message number this client knows the UID by."""
        at = bisect_left(self.view, uid)
        return at + 1 if at < len(self.view) and self.view[at] == uid else None

    def expunged(self, uid: int) -> None:
        self._remember("expunge", uid)

    def arrived(self, uid: int) -> None:
        self._remember("exists", uid)

    def flagged(self, uid: int, by: Watcher | None) -> None:
        if by is not self:
            self._remember("flags", uid)

    def _remember(self, what: str, uid: int) -> None:
        self._pending.append((what, uid))
        if self.idle_tag is not None and self.server.gate.is_set():
            self._notify()

    def _notify(self) -> None:
        """Tell an idling client now."""
        told = self.tell(expunges=True)
        fault = self.server.script.take(Command("*", "NOTIFY", (), b"", self.number, self.secure))
        if fault is None or not fault.silent:
            self._write(fault.rewrite(told) if fault and fault.rewrite else told)
        if fault and fault.close is not Close.NEVER:
            self.hang_up(reset=fault.reset)

    def tell(self, *, expunges: bool) -> bytes:
        """The untagged answers for what happened since; EXPUNGE only where the protocol allows it (RFC 9051 §7.5.1)."""
        out, kept = bytearray(), []
        grown = False
        for what, uid in self._pending:
            if what == "exists":
                self.view.append(uid)
                grown = True
                continue
            if what == "expunge" and not expunges:
                kept.append((what, uid))
                continue
            if grown:
                out += b"* %d EXISTS\r\n" % len(self.view)
                grown = False
            out += self._tell_change(what, uid)
        if grown:
            out += b"* %d EXISTS\r\n" % len(self.view)
        self._pending = kept
        return bytes(out)

    def _tell_change(self, what: str, uid: int) -> bytes:
        number = self.number_of(uid)
        if number is None or self.folder is None:
            return b""
        if what == "expunge":
            del self.view[number - 1]
            return b"* %d EXPUNGE\r\n" % number
        message = self.folder.messages.get(uid)
        if message is None:
            return b""
        return b"* %d FETCH (UID %d FLAGS (%b))\r\n" % (number, uid, " ".join(sorted(message.flags)).encode())
