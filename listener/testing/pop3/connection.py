"""One client's connection to the embedded POP3 server: its commands, and the maildrop that it holds once signed in.

Octets, TLS and faults are `stream.Stream`'s. The maildrop's lock is let go with the connection, however that ends.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..stream import Stream
from .maildrop import Maildrop

if TYPE_CHECKING:
    from .server import Pop3Server


@dataclass(frozen=True, slots=True)
class Command:
    """One command as received: `name` in upper case, what stands behind it, and the line without its end."""

    name: str
    argument: bytes
    line: bytes
    connection: int = 0
    secure: bool = False

    @property
    def number(self) -> int:
        """The message number that it begins with; 0 without one."""
        first = self.argument.split(b" ")[0]
        return int(first) if first.isdigit() and len(first) < 10 else 0


class Connection(Stream):
    """One accepted connection; `number` counts from 1. `maildrop` is None before sign-in."""

    server: Pop3Server

    def __init__(
        self, server: Pop3Server, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, secure: bool
    ) -> None:
        super().__init__(server, number, reader, writer, secure)
        self.named: str | None = None
        self.maildrop: Maildrop | None = None

    async def command(self) -> Command:
        """The next command. Raises Closed at the end."""
        line = (await self.line()).rstrip(b"\r\n")
        name, _, argument = line.partition(b" ")
        return Command(name.upper().decode("ascii", "replace"), argument, line, self.number, self.secure)

    def leave(self) -> None:
        if self.user is not None and self.maildrop is not None:
            self.server.locked.discard(self.user)
        self.maildrop = None
