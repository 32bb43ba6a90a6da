"""What the embedded servers have in common: listening on loopback, connections, faults, and what a test learns from them.

A server of one protocol names its connection, its command and the coroutine that holds the conversation. No timers.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Self, TypeVar

from .script import Named, Script
from .store import Folder, Message, Store
from .stream import MAX_LINE, Stream

LOOPBACK = "127.0.0.1"

C = TypeVar("C", bound=Named)
K = TypeVar("K", bound=Stream)


@dataclass(slots=True)
class Counters:
    """What the server counted since it started. `most_open` is the highest number of connections at one time."""

    connections: int = 0
    open: int = 0
    most_open: int = 0
    logins: int = 0
    refused_logins: int = 0
    octets_out: int = 0


class Serving(Generic[K, C]):
    """`async with` starts and ends it; `port` 0 takes a free one. `tls` serves implicit TLS.

    `users` maps names to passwords, `tokens` names to OAuth 2.0 access tokens; who is in either has a store.
    `observe` is called with each command before it is carried out: what is durable at that moment?
    """

    def __init__(
        self,
        connection: Callable[..., K],
        converse: Callable[[K], Awaitable[None]],
        *,
        users: Mapping[str, str] | None,
        tokens: Mapping[str, str] | None,
        tls: ssl.SSLContext | None,
        port: int,
        now: Callable[[], float],
        observe: Callable[[C], None] | None,
    ) -> None:
        self.users = dict(users if users is not None else {"user": "password"})
        self.tokens = dict(tokens or {})
        self.stores = {user: Store(now) for user in [*self.users, *self.tokens]}
        self._connection, self._converse = connection, converse
        self.tls, self.observe = tls, observe
        self.script: Script[C] = Script()
        self.transcript: list[C] = []
        self.connections: list[K] = []
        self.counters = Counters()
        self.gate = asyncio.Event()
        self.host, self.port = LOOPBACK, port
        self.failures: list[Exception] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.Future[None]] = set()

    # --- life --------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self.gate.set()
        self._server = await asyncio.start_server(self._accept, self.host, self.port, ssl=self.tls, limit=MAX_LINE)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and drop the open ones; `start` listens again on the same port. Idempotent.

        Raises the first of `failures`, faults of the server itself, so that no test passes over one.
        """
        if self._server:
            self._server.close()
            self._server = None
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.failures:
            raise self.failures[0]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = self._connection(self, len(self.connections) + 1, reader, writer, secure=self.tls is not None)
        self.connections.append(connection)
        self.counters.connections += 1
        self.counters.open += 1
        self.counters.most_open = max(self.counters.most_open, self.counters.open)
        self.changed()
        try:
            await self._converse(connection)
        except asyncio.CancelledError:
            connection.abort()
        except Exception as error:
            connection.abort()
            self.failures.append(error)
        finally:
            self._tasks.discard(task)
            self.changed()

    # --- what a test does to it --------------------------------------------------------------------------------------

    def store(self, user: str | None = None) -> Store:
        """A user's folders; the first user's where none is named."""
        return self.stores[user if user is not None else next(iter(self.stores))]

    def folder(self, name: str = "INBOX", *, user: str | None = None) -> Folder:
        """Raises NoSuchFolder."""
        return self.store(user)[name]

    def deliver(
        self,
        folder: str,
        octets: bytes,
        *,
        flags: Iterable[str] = (),
        internal_date: float | None = None,
        user: str | None = None,
    ) -> Message:
        """A new message, told at once to clients that idle. Raises NoSuchFolder."""
        return self.store(user).deliver(folder, octets, flags=flags, internal_date=internal_date)

    def freeze(self) -> None:
        """From now on say nothing and hear nothing, on open and new connections alike; nothing is closed (a black hole)."""
        self.gate.clear()

    def thaw(self) -> None:
        """Go on where it froze."""
        self.gate.set()

    def say(self, octets: bytes) -> None:
        """Send these octets unasked on every open connection."""
        for connection in self._open():
            connection.interject(octets)

    def disconnect(self, *, reset: bool = False) -> None:
        """Close every open connection now."""
        for connection in self._open():
            connection.hang_up(reset=reset)

    def _open(self) -> list[K]:
        return [connection for connection in self.connections if not connection.closed]

    # --- what a test learns from it ----------------------------------------------------------------------------------

    def commands(self, name: str) -> list[C]:
        """The commands of this name received so far."""
        return [command for command in self.transcript if command.name == name]

    def received(self) -> bytes:
        """Every octet received so far on all connections, TLS taken off (of each connection the first MiB)."""
        return b"".join(bytes(connection.received) for connection in self.connections)

    async def until(self, condition: Callable[[], object], *, within: float = 10.0) -> None:
        """Wait until the condition holds; it is looked at whenever the server heard or did something.

        Raises TimeoutError after `within` seconds.
        """
        async with asyncio.timeout(within):
            while not condition():
                waiting = asyncio.get_running_loop().create_future()
                self._waiting.add(waiting)
                try:
                    await waiting
                finally:
                    self._waiting.discard(waiting)

    def note(self, command: C) -> None:
        """A command arrived (called by the session)."""
        self.transcript.append(command)
        if self.observe:
            self.observe(command)
        self.changed()

    def changed(self) -> None:
        """Something happened that `until` may wait for."""
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)
