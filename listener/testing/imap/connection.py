"""One client's connection to the embedded IMAP server: commands with their literals, and what the client has been told.

The session (session.py) reads commands from it and answers through it; the command modules keep their state in it (user,
open folder, the client's view of message numbers). Octets, TLS and faults are `stream.Stream`'s.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from typing import TYPE_CHECKING

from ..script import Close
from ..store import Folder, Store, Watcher
from ..stream import Closed, Stream
from .grammar import Command, literal_at_end, read_command

if TYPE_CHECKING:
    from .server import ImapServer

MAX_LITERAL = 64 * 1024 * 1024
MAX_LITERAL_BEFORE_LOGIN = 8_192
UTF8_ENABLES = frozenset({"IMAP4REV2", "UTF8=ACCEPT"})


class Connection(Stream):
    """One accepted connection; `number` counts from 1."""

    server: ImapServer

    def __init__(
        self, server: ImapServer, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secure: bool
    ) -> None:
        super().__init__(server, number, reader, writer, secure)
        self.folder: Folder | None = None
        self.read_only = False
        self.enabled: set[str] = set()
        self.view: list[int] = []
        self.idle_tag: str | None = None
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

    def leave(self) -> None:
        self.leave_folder()

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
