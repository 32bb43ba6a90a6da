"""From octets to responses: lines and literals are collected within bounds, then read by the grammar.

Owned by a session. Literals up to `Literals.keep` octets are kept, up to `most` skipped, and a larger announcement ends the
session before a single octet of it is read. A data response that breaks the grammar inside sound framing is passed over and
counted: what it should have told is missed and asked for again, and one odd message does not stop a mailbox.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import ConnectionLost
from ..connection import PROGRESS_SECONDS, Connection
from .answers import Skipped
from .grammar import Malformed, Response, literal_size, parse

MAX_LINE_BEFORE_LOGIN = 8 * 1024
MAX_LINE = 1024 * 1024
"""Octets of one response without its literals."""
MAX_SMALL_LITERAL = 64 * 1024
MAX_MALFORMED = 1_000
"""So many unreadable responses in one session are no accident."""

Trace = Callable[[str, bytes], None]
"""Called with `C` or `S` and a line, literals and secrets masked (R-88)."""

_UID = re.compile(rb"\bUID (\d{1,10})\b", re.I)


@dataclass(frozen=True, slots=True)
class Literals:
    """Octets: a literal up to `keep` is kept, up to `most` read and dropped, a larger one ends the session."""

    keep: int = MAX_SMALL_LITERAL
    most: int = MAX_SMALL_LITERAL


SMALL = Literals()


class ResponseReader:
    """Reads one response at a time from the connection."""

    def __init__(self, connection: Connection, trace: Trace | None) -> None:
        self.max_line = MAX_LINE_BEFORE_LOGIN
        self._connection = connection
        self._trace = trace
        self._malformed = 0

    async def read(self, literals: Literals = SMALL, *, timeout: float = PROGRESS_SECONDS) -> Response:
        """The next response that can be read. Raises ConnectionLost."""
        while True:
            pieces = await self._collect(literals, timeout)
            try:
                return parse(pieces)
            except Malformed:
                self._malformed += 1
                if not pieces[0].startswith(b"* ") or self._malformed > MAX_MALFORMED:
                    self._connection.abort()
                    raise

    async def _collect(self, literals: Literals, timeout: float) -> list[bytes]:
        """One response's lines with the literals between them."""
        line = await self._connection.read_line(self.max_line, timeout=timeout)
        self._show(line)
        if not line.endswith(b"}"):
            return [line]
        try:
            return await self._collect_literals(line, literals, timeout)
        except BaseException:  # cancelled, too: what is left of this response must not be taken for another
            self._connection.abort()
            raise

    async def _collect_literals(self, line: bytes, literals: Literals, timeout: float) -> list[bytes]:
        connection = self._connection
        first = line
        pieces = [line]
        room, octets = self.max_line - len(line), 0
        while (size := literal_size(line, first=first)) is not None:
            octets += size
            if size > literals.most or octets > 2 * literals.most:
                raise ConnectionLost(f"the server announced {size} octets{_whose(first)}, more than may come")
            pieces.append(await self._literal(size, keep=size <= literals.keep, timeout=timeout))
            line = await connection.read_line(max(room, 0), timeout=timeout)
            self._show(line)
            room -= len(line)
            pieces.append(line)
        return pieces

    async def _literal(self, size: int, *, keep: bool, timeout: float) -> bytes:
        if keep:
            return await self._connection.read_exactly(size, timeout=timeout)
        await self._connection.skip(size, timeout=timeout)
        skipped = Skipped()
        skipped.announced = size
        return skipped

    def _show(self, line: bytes) -> None:
        if self._trace:
            self._trace("S", line)


def _whose(line: bytes) -> str:
    found = _UID.search(line)
    return f" for UID {int(found[1])}" if found else ""
