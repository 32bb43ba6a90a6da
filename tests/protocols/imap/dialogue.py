"""A server that says exactly what a test wrote down: for dialogues that no working server would hold.

    async with dialogue(b"* OK hi\\r\\n", AWAIT, b"{tag} NO go away\\r\\n") as server:
        session = await connect(server.endpoint())

A step is octets to send (`{tag}` stands for the tag of the last line received, `{1}` for that of the first, and so on),
AWAIT (a line from the client), TLS (go on under TLS) or CLOSE. At the end the connection stays open and what the client says
is kept.
"""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.sasl import Credentials, Kind

USER, PASSWORD, TOKEN = "ann@example.com", "correct horse battery", "ya29.token-of-ann"


class Step(Enum):
    AWAIT = "await"
    TLS = "tls"
    CLOSE = "close"


AWAIT, TLS, CLOSE = Step.AWAIT, Step.TLS, Step.CLOSE


@dataclass
class Dialogue:
    """`heard` is every line the client sent; `clear` those that came before TLS."""

    port: int = 0
    heard: list[bytes] = field(default_factory=list)
    clear: list[bytes] = field(default_factory=list)
    secure: bool = False

    def endpoint(self, security: str = Security.NONE, *, truststore_file: Path | None = None) -> Endpoint:
        return Endpoint("127.0.0.1", self.port, Security(security), truststore_file=truststore_file)

    def hear(self, line: bytes) -> None:
        self.heard.append(line)
        if not self.secure:
            self.clear.append(line)

    def secrets_heard(self) -> bool:
        """Whether user, password or token came over the wire in any form."""
        everything = b"".join(self.heard)
        for word in (b"LOGIN", b"AUTHENTICATE"):
            if word in everything.upper():
                return True
        plain = [secret.encode() for secret in (USER, PASSWORD, TOKEN)]
        return any(secret in everything or base64.b64encode(secret)[:-4] in everything for secret in plain)


@asynccontextmanager
async def dialogue(
    *steps: bytes | Step, context: ssl.SSLContext | None = None, implicit: bool = False
) -> AsyncIterator[Dialogue]:
    script = Dialogue(secure=implicit)
    tasks: set[asyncio.Task[None]] = set()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        try:
            await play(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tags: list[bytes] = []
        for step in steps:
            if step is AWAIT:
                line = await reader.readuntil(b"\n")
                script.hear(line)
                tags.append(line.split(b" ", 1)[0].strip())
            elif step is TLS:
                await writer.start_tls(context)
                script.secure = True
            elif step is CLOSE:
                writer.close()
                return
            else:
                for number, tag in enumerate(tags, 1):
                    step = step.replace(b"{%d}" % number, tag)
                writer.write(step.replace(b"{tag}", tags[-1] if tags else b""))
                await writer.drain()
        while line := await reader.readline():
            script.hear(line)

    server = await asyncio.start_server(converse, "127.0.0.1", 0, ssl=context if implicit else None, limit=1 << 22)
    script.port = server.sockets[0].getsockname()[1]
    try:
        yield script
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()


def password() -> Credentials:
    async def secret() -> str:
        return PASSWORD

    return Credentials(USER, secret)


def token() -> Credentials:
    async def secret() -> str:
        return TOKEN

    return Credentials(USER, secret, Kind.TOKEN)
