"""One IMAP connection in use: commands go out tagged, answers come in matched, capabilities and the open folder are kept.

Used by one task at a time: `run` for commands with small answers, `stream` where messages come, `idle` and `listen` to
wait. Signing in is in `sign_in.py`. Nothing reads in the background: what a server says between two commands waits in
the connection, bounded, and is read with the next answer.

Rules of the file
1. Tags are unguessable, and an answer under any other tag ends the session: it was meant for something else.
2. An exchange that is cancelled or left half-way poisons the session: a late answer could be taken for the next one's.
   Idling is the exception, because between two untagged lines nothing is half-way.
3. What a server says of the whole session (BYE, throttling, an expired token) is raised, whatever the command was.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence

from ...errors import AccountFailure, ConnectionLost
from ..connection import PROGRESS_SECONDS, SLOWEST_RATE, Connection
from . import refusals
from .encode import Command, segments, traced
from .grammar import Condition, Continuation, Data, Response, Status
from .reading import MAX_LINE, SMALL, Literals, ResponseReader, Trace
from .told import Told

MAX_RESPONSES = 200_000
"""Untagged responses during one exchange: a server that says more says it to keep us busy."""
EXCHANGE_SECONDS = 600.0
"""An exchange may take so long, plus what it brings at SLOWEST_RATE: a server that only says that it is still there is none."""
DONE_SECONDS = 30.0
"""After DONE the tagged answer must come within, or the connection is dead (R-21)."""
LOGOUT_SECONDS = 5.0
FREE_LITERAL = 4096
"""RFC 7888 §5: with LITERAL- a literal up to this size needs no consent."""


class Session(Told):
    """`last_round_trip` and `idle_since` are event-loop times."""

    def __init__(
        self,
        connection: Connection,
        *,
        trace: Trace | None = None,
        notice: Callable[[str], None] = lambda text: None,
        new_tag: Callable[[], str] = lambda: secrets.token_hex(4),
    ) -> None:
        super().__init__(notice)
        self.connection = connection
        self.authenticated = False
        self.utf8 = False
        self.last_round_trip: float | None = None
        self.idle_since: float | None = None
        self._reader = ResponseReader(connection, trace)
        self._trace = trace
        self._prefix = f"L{new_tag()}x"
        self._count = 0
        self._returned: Status | None = None
        self._busy = self._listening = self._leaving = False
        self._began, self._received_then = 0.0, 0
        self._idle_tag = ""

    def signed_in(self) -> None:
        """From now on the server may send longer lines."""
        self.authenticated = True
        self._reader.max_line = MAX_LINE

    async def greeting(self) -> Status:
        """The server's first response, whatever it is. Raises ConnectionLost for anything but a status."""
        response = await self._read()
        if not isinstance(response, Status):
            raise ConnectionLost(f"{self.connection.endpoint} does not greet as an IMAP server")
        if not response.tag and response.condition is not Condition.BYE:
            self.note_code(response)
        return response

    # --- exchanges ---------------------------------------------------------------------------------------------------

    async def run(self, *commands: Command, want: frozenset[str] = frozenset()) -> tuple[list[Status], list[Data]]:
        """Send all at once and read until each is answered: the answers in the commands' order, and the data named in `want`.

        Raises what concerns the whole session; a NO or BAD for a command itself is among the answers.
        """
        data: list[Data] = []
        done: dict[str, Status] = {}
        first = self._count
        async for response in self.stream(*commands):
            if isinstance(response, Status):
                done[response.tag] = response
            elif response.name in want:
                data.append(response)
        return [done[self._tag(first + number)] for number in range(1, len(commands) + 1)], data

    async def stream(self, *commands: Command, literals: Literals = SMALL) -> AsyncGenerator[Data | Status]:
        """Send all at once; untagged data and tagged answers as they come, until each command is answered.

        Leave it early only through `aclosing`, which ends the session. Raises as `run` does.
        """
        with self._exchange():
            for batch in self._pipelines(commands):
                pending = await self._send(batch)
                count = 0
                while pending:
                    response = await self.respond(literals)
                    if isinstance(response, Status):
                        self._settle(response, pending)
                    elif (count := count + 1) > MAX_RESPONSES:
                        raise ConnectionLost("the server answers without end")
                    yield response

    async def converse(self, command: Command, reply: Callable[[bytes], bytes]) -> Status:
        """One command in which the server asks back (AUTHENTICATE): `reply` turns its challenge into a line.

        The answer is not classified: at a sign-in it means something else.
        """
        with self._exchange():
            pending = await self._send((command,))
            while True:
                response = self._returned or self._observe(await self._read())
                if isinstance(response, Continuation):
                    self._show(b"***")
                    await self.connection.write(reply(response.text) + b"\r\n")
                elif isinstance(response, Status):
                    self._returned = None
                    self._settle(response, pending, classify=False)
                    return response

    @contextlib.contextmanager
    def _exchange(self) -> Iterator[None]:
        """Rule 2: whatever ends an exchange before its end ends the session."""
        if self._busy or self._idle_tag:
            raise RuntimeError("a session carries out one call at a time")
        self._busy = True
        self._restart_clock()
        try:
            yield
        except BaseException:  # cancelled or left in the middle, too
            self.connection.abort()
            raise
        finally:
            self._busy = False

    def _restart_clock(self) -> None:
        self._began, self._received_then = asyncio.get_running_loop().time(), self.connection.received

    def _check_clock(self) -> None:
        allowed = EXCHANGE_SECONDS + (self.connection.received - self._received_then) / SLOWEST_RATE
        if self._busy and asyncio.get_running_loop().time() - self._began > allowed:
            raise ConnectionLost(f"the server did not answer a command within {allowed:.0f} s")

    # --- sending -----------------------------------------------------------------------------------------------------

    def _tag(self, number: int) -> str:
        return f"{self._prefix}{number}"

    def _segments(self, command: Command, number: int) -> list[bytes]:
        free = sys.maxsize if self.offers("LITERAL+") else FREE_LITERAL if self.offers("LITERAL-") else -1
        return segments(self._tag(number), command, free=free)

    def _pipelines(self, commands: Sequence[Command]) -> Sequence[Sequence[Command]]:
        """All in one, unless one of them has to wait for the server's consent to a literal."""
        waits = any(len(self._segments(command, 0)) > 1 for command in commands)
        return [(command,) for command in commands] if waits else [commands]

    async def _send(self, commands: Sequence[Command]) -> set[str]:
        """The tags to be answered."""
        pending: set[str] = set()
        out = b""
        try:
            for command in commands:
                self._count += 1
                pending.add(self._tag(self._count))
                self._show(traced(self._tag(self._count), command))
                *waiting, last = self._segments(command, self._count)
                for segment in waiting:
                    await self.connection.write(out + segment)
                    out = b""
                    if not await self._consent():
                        return pending
                out += last
            await self.connection.write(out)
        except ConnectionLost:
            await self._last_words()
            raise
        return pending

    async def _consent(self) -> bool:
        """Whether the server wants the literal; if not, its answer comes next."""
        while True:
            response = self._observe(await self._read())
            if isinstance(response, Continuation):
                return True
            if isinstance(response, Status):
                self._returned = response
                return False

    async def _last_words(self) -> None:
        """The connection ended before we could write: did the server say why? Raises what its BYE means."""
        while self.connection.buffered:
            self._observe(await self._read())

    # --- reading -----------------------------------------------------------------------------------------------------

    async def respond(self, literals: Literals = SMALL, *, timeout: float = PROGRESS_SECONDS) -> Data | Status:
        """The next untagged data or tagged answer. Raises ConnectionLost, and what a BYE means."""
        if self._returned:
            returned, self._returned = self._returned, None
            return returned
        while True:
            response = self._observe(await self._read(literals, timeout=timeout))
            if isinstance(response, Continuation):
                raise ConnectionLost("the server asks for something that was not announced")
            if response is not None:
                return response

    async def _read(self, literals: Literals = SMALL, *, timeout: float = PROGRESS_SECONDS) -> Response:
        self._check_clock()
        return await self._reader.read(literals, timeout=timeout)

    def _observe(self, response: Response) -> Response | None:
        """Keep what it tells of the session. None for an untagged status, which says nothing else."""
        if isinstance(response, Data):
            self.note(response)
        elif isinstance(response, Status):
            self.note_code(response)
            if response.condition is Condition.BYE and not self._leaving:
                raise refusals.of_goodbye(response)
            if not response.tag:
                failure = refusals.of_session(response) if response.condition is not Condition.OK else None
                if failure and not self._leaving:
                    raise failure
                return None
        return response

    def _settle(self, status: Status, pending: set[str], *, classify: bool = True) -> None:
        if status.tag not in pending:
            raise ConnectionLost("the server answered a command that was never sent")
        pending.remove(status.tag)
        self._restart_clock()
        self.last_round_trip = self._began
        failure: AccountFailure | None = None
        if classify and status.condition is not Condition.OK:
            failure = refusals.of_session(status)
        if failure:
            raise failure

    def _show(self, line: bytes) -> None:
        if self._trace:
            self._trace("C", line)

    # --- waiting and leaving -----------------------------------------------------------------------------------------

    async def listen(self, seconds: float) -> bool:
        """Read what comes by itself, for so long or until it may mean new mail (True). May be cancelled harmlessly."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        self.hinted, self._listening = False, True
        try:
            while not self.hinted and await self.connection.readable(max(until - loop.time(), 0)):
                response = self._observe(await self._read())
                if isinstance(response, Status | Continuation):
                    self.connection.abort()
                    raise ConnectionLost("the server answered what was not asked")
        finally:
            self._listening = False
        return self.hinted

    async def idle(self, seconds: float) -> bool:
        """IDLE (RFC 2177) for so long or until something may mean new mail (True).

        A server that refuses to idle is not asked again. Raises ConnectionLost when DONE is not answered within
        DONE_SECONDS. Cancelled while nothing is half-way, the session is still good for `close`.
        """
        hinted = False
        if await self._begin_idle():
            try:
                self.idle_since = asyncio.get_running_loop().time()
                hinted = self.hinted or await self.listen(seconds)
            finally:
                self.idle_since = None
            await self._end_idle()
        return hinted or self.hinted

    async def _begin_idle(self) -> bool:
        """False where the server refuses."""
        self.hinted = False
        with self._exchange():
            pending = await self._send((Command("IDLE"),))
            while True:
                response = self._observe(await self._read())
                if isinstance(response, Continuation):
                    (self._idle_tag,) = pending
                    return True
                if isinstance(response, Status):
                    self._settle(response, pending)
                    self.capabilities -= {"IDLE"}
                    return False

    async def _end_idle(self) -> None:
        pending, self._idle_tag = {self._idle_tag}, ""
        with self._exchange():
            try:
                async with asyncio.timeout(DONE_SECONDS):
                    await self.connection.write(b"DONE\r\n")
                    while pending:
                        response = await self.respond()
                        if isinstance(response, Status):
                            self._settle(response, pending)
            except TimeoutError as error:
                raise ConnectionLost(f"the server did not answer DONE within {DONE_SECONDS:.0f} s") from error

    async def close(self) -> None:
        """LOGOUT where the session is still good for it, then end the connection. Never raises."""
        if not (self.connection.lost or self._busy or self._listening):
            self._leaving = True
            with contextlib.suppress(AccountFailure, TimeoutError):
                async with asyncio.timeout(LOGOUT_SECONDS):
                    await self._log_out()
        self.connection.close()

    async def _log_out(self) -> None:
        if self._idle_tag:
            await self._end_idle()
        await self.run(Command("LOGOUT"))
