"""A whole daemon in the test's own event loop: real ledger, real sockets, accounts made as the console makes them."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from pathlib import Path

from eventually import eventually

from listener.config.load import load
from listener.ledger import KeptKind
from listener.supervisor import Supervisor

CANARY = "canary-7d1f-correct-horse"
"""A secret that must never be seen anywhere."""
USER = "support@example.com"


def mail(number, text="Hello."):
    head = f"Message-ID: <{number}@example.net>\r\nFrom: c{number}@example.net\r\nTo: {USER}\r\nSubject: number {number}\r\n"
    return f"{head}\r\n{text}\r\n".encode()


def settings(server, id="support", password=CANARY, **more):
    """An account of that server as the form gives it."""
    receiver = {"host": "127.0.0.1", "port": server.port, "security": "none", "user": USER, "password": password}
    return {"id": id, "name": f"The {id} desk", "start": "all", "receiver": receiver | more.pop("receiver", {})} | more


class House:
    """The running daemon. `verbs` are those of the API."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "listener.toml"

    def write(self, toml=""):
        """The configuration file (anew)."""
        (self.folder / "password").write_text(CANARY)
        (self.folder / "password").chmod(0o600)
        head = '[listener]\nstate_dir = "state"\n[admin]\nbind = "127.0.0.1:0"\n'
        self.file.write_text(head + toml)

    async def start(self):
        if not self.file.exists():
            self.write()
        ready = asyncio.Event()
        self.daemon = Supervisor(
            load(self.file, environment={}),
            reread=lambda: load(self.file, environment={}),
            on_ready=ready.set,
            chance=random.Random(1),
        )
        self.running = asyncio.create_task(self.daemon.run())
        waiting = asyncio.create_task(ready.wait())
        await asyncio.wait({self.running, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        assert ready.is_set(), self.running.result()
        self.verbs = self.daemon.admin._api.verbs
        self.ledger = self.daemon.ledger
        self.book = self.daemon.book

    async def stop(self):
        self.daemon.terminate()
        assert await self.running == 0

    async def again(self):
        """Stop it, and start it anew."""
        await self.stop()
        await self.start()

    def state(self, id):
        """What the account does; None: there is none."""
        return next((status.state.value for status in self.daemon.health.statuses() if status.id == id), None)

    def error(self, id):
        return next(status.last_error for status in self.daemon.health.statuses() if status.id == id)

    async def until(self, condition, within=15.0):
        return await eventually(condition, within=within)

    async def filed(self, count, account=None):
        """Wait until so many messages are done, and give them, oldest first."""
        async with asyncio.timeout(20):
            while True:
                rows = await self.ledger.messages(account=account, limit=1000)
                if len([row for row in rows if row["state"] == "done"]) >= count:
                    return rows[::-1]
                await asyncio.sleep(0.01)

    async def reload(self):
        """SIGHUP, to its end."""
        before = self.daemon._reloading
        self.daemon.reload()
        await self.until(lambda: self.daemon._reloading is not before)
        await self.daemon._reloading

    async def made(self, server, id="support", *, on=True, **more):
        """A new account, switched on."""
        made = await self.verbs.create_account({"settings": settings(server, id, **more)})
        if on:
            await self.verbs.resume(id)
        return made

    def kept(self, id, kind=KeptKind.ACCOUNT):
        return self.book.kept(kind, id)


@asynccontextmanager
async def lived_in(folder, toml=""):
    house = House(folder)
    house.write(toml)
    await house.start()
    try:
        yield house
    finally:
        await house.stop()
