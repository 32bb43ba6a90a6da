"""One POP3 connection in use: commands, one-line and multi-line answers, pipelined where the server offers it.

Used by one task at a time. Rules of the file
1. An exchange that is cancelled or left half-way ends the session: a late answer would be taken for the next one's.
2. Everything is bounded: a line by MAX_LINE, a listing by MAX_LISTED, a message by what the caller allows.
3. Pipelining (RFC 2449 §6.6) keeps at most WINDOW commands unanswered, so that neither side's buffers can fill up.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

from ...errors import ConnectionLost
from ..connection import Connection
from . import refusals
from .grammar import Answer, answer, capability

MAX_STATUS = 8_000
"""Octets of a status line; RFC 2449 §4 says 512."""
MAX_LINE = 1 << 20
"""Octets of one line of a message. RFC 5322 §2.1.1 says 998; real mail says otherwise."""
MAX_LISTED = 1_000_000
"""Lines of a listing: a server that lists more does so to keep us busy."""
MAX_CAPABILITIES = 200
WINDOW = 50
QUIT_SECONDS = 30.0
"""QUIT carries out the deletions, which takes a while on a large maildrop."""

Trace = Callable[[str, bytes], None]
"""Direction (`>` ours, `<` theirs) and one line, secrets masked."""


class Session:
    """`capabilities` by name, upper case, each with its arguments. `challenge` is the last one of a sign-in in steps."""

    def __init__(self, connection: Connection, *, trace: Trace | None = None) -> None:
        self.connection = connection
        self.capabilities: dict[str, tuple[str, ...]] = {}
        self.challenge = b""
        self._trace = trace
        self._busy = False

    async def greeting(self) -> Answer:
        """The server's first line."""
        with self._exchange():
            return await self._status()

    async def ask(self, command: bytes, *, secret: bool = False) -> Answer:
        """One command with a one-line answer."""
        with self._exchange():
            await self._send(command, secret=secret)
            return await self._status()

    async def converse(self, commands: Sequence[bytes], *, secret_from: int) -> Answer:
        """A sign-in in steps: each line is sent when the one before was answered by `+`; the last answer. RFC 5034 §4."""
        with self._exchange():
            for number, line in enumerate(commands):
                await self._send(line, secret=number >= secret_from)
                received = await self.connection.read_line(MAX_STATUS)
                self._show("<", b"+ ***" if received.startswith(b"+ ") else received)
                if not received.startswith(b"+ ") and received != b"+":
                    break
                self.challenge = received[2:]
            final = answer(received)
            if final is None:
                raise ConnectionLost(f"{self.connection.endpoint} asks back without end")
            return final

    async def listing(self, command: bytes) -> list[bytes] | Answer:
        """A multi-line answer as its lines, or the refusal."""
        with self._exchange():
            await self._send(command)
            status = await self._status()
            if not status.ok:
                return status
            return [line async for line in self._lines(MAX_LISTED)]

    async def ask_all(self, commands: Sequence[bytes]) -> AsyncGenerator[Answer, None]:
        """The one-line answers to these commands in order."""
        with self._exchange():
            async for _ in self._pipelined(commands):
                yield await self._status()

    async def messages(self, commands: Sequence[bytes], limits: Sequence[int]) -> AsyncGenerator[bytes | Answer, None]:
        """The answers to RETR or TOP commands in order: octets with CRLF line ends, or the refusal.

        A message longer than its limit raises ConnectionLost: the server announced it smaller.
        """
        with self._exchange():
            async for number in self._pipelined(commands):
                status = await self._status()
                yield await self._message(limits[number]) if status.ok else status

    async def learn_capabilities(self) -> None:
        """Ask CAPA (RFC 2449 §5); a server that does not know it has none."""
        lines = await self.listing(b"CAPA")
        if isinstance(lines, Answer):
            self.capabilities = {}
            return
        found = (capability(line) for line in lines[:MAX_CAPABILITIES])
        self.capabilities = dict(one for one in found if one)

    async def quit(self) -> bool:
        """End the session; whether the server confirmed it, and with it the deletions. Never raises."""
        confirmed = False
        if not self._busy and not self.connection.lost:
            with contextlib.suppress(ConnectionLost), self._exchange():
                await self._send(b"QUIT")
                confirmed = (await self._status(timeout=QUIT_SECONDS)).ok
        self.connection.close()
        return confirmed

    # --- how ---------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[None]:
        if self._busy:
            raise RuntimeError("a session carries out one call at a time")
        self._busy = True
        try:
            yield
        except BaseException:  # cancelled or left in the middle, too
            self.connection.abort()
            raise
        finally:
            self._busy = False

    async def _send(self, line: bytes, *, secret: bool = False) -> None:
        command, blank, _ = line.partition(b" ")
        self._show(">", (command + b" ***" if blank else b"***") if secret else line)  # a SASL response is one word
        await self.connection.write(line + b"\r\n")

    async def _pipelined(self, commands: Sequence[bytes]) -> AsyncGenerator[int, None]:
        """Sends them, a window at a time; each number says that this one's answer is to be read now."""
        window = WINDOW if "PIPELINING" in self.capabilities else 1
        sent = 0
        for number in range(len(commands)):
            if sent - number <= window // 2 and sent < len(commands):
                batch = commands[sent : number + window]
                for line in batch:
                    self._show(">", line)
                await self.connection.write(b"".join(line + b"\r\n" for line in batch))
                sent += len(batch)
            yield number

    async def _status(self, timeout: float | None = None) -> Answer:
        line = await self.connection.read_line(MAX_STATUS, **({"timeout": timeout} if timeout else {}))
        self._show("<", line)
        status = answer(line)
        if status is None:
            raise ConnectionLost(f"{self.connection.endpoint} does not speak POP3")
        return status

    async def _lines(self, most: int) -> AsyncGenerator[bytes, None]:
        """The lines of a multi-line answer, unstuffed (RFC 1939 §3)."""
        count = 0
        while (line := await self.connection.read_line(MAX_LINE)) != b".":
            if (count := count + 1) > most:
                raise ConnectionLost(f"{self.connection.endpoint} answers without end")
            yield line[1:] if line.startswith(b".") else line

    async def _message(self, limit: int) -> bytes:
        octets = bytearray()
        async for line in self._lines(limit):
            octets += line
            octets += b"\r\n"
            if len(octets) > limit:
                raise ConnectionLost(f"{self.connection.endpoint} sends a message larger than it announced")
        return bytes(octets)

    def _show(self, direction: str, line: bytes) -> None:
        if self._trace is not None:
            self._trace(direction, line)


def required(answer: Answer) -> Answer:
    """The answer, if it is +OK. Raises what it means otherwise."""
    if not answer.ok:
        raise refusals.of_session(answer)
    return answer
