"""A client as plain as can be, to see exactly which octets the embedded server sends and when it hangs up."""

import asyncio
from contextlib import asynccontextmanager

WITHIN = 5.0


class RawClient:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.tags = 0

    async def line(self) -> bytes:
        async with asyncio.timeout(WITHIN):
            return await self.reader.readuntil(b"\n")

    async def write(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    async def ask(self, command: str | bytes) -> list[bytes]:
        """Send a command; every line up to the tagged one, literals left in their lines as they come."""
        self.tags += 1
        tag = b"t%d " % self.tags
        await self.write(tag + (command.encode() if isinstance(command, str) else command) + b"\r\n")
        lines = [await self.line()]
        while not lines[-1].startswith(tag):
            lines.append(await self.line())
        return lines

    async def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(WITHIN):
            return await self.reader.read()

    async def starts(self, octets: int) -> bytes:
        async with asyncio.timeout(WITHIN):
            return await self.reader.readexactly(octets)

    def has_nothing(self) -> bool:
        return not self.reader._buffer and not self.reader.at_eof()


@asynccontextmanager
async def raw_client(server, *, login=True, select="INBOX", ssl=None):
    """Connected, and logged in with the folder open unless told otherwise."""
    reader, writer = await asyncio.open_connection(server.host, server.port, ssl=ssl, limit=2**24)
    client = RawClient(reader, writer)
    try:
        if login:
            await client.line()
            assert b" OK " in (await client.ask("LOGIN user password"))[-1]
            if select:
                assert b" OK " in (await client.ask(f"SELECT {select}"))[-1]
        yield client
    finally:
        writer.transport.abort()
