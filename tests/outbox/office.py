"""An outbox at work: a ledger, one or more accounts, an SMTP server on loopback, and a clock that is moved by hand."""

import asyncio
import contextlib

from ledger.makers import Clock, filed, listing, message, page, take  # noqa: F401  (re-exported for the tests)

from listener.config.load import load
from listener.ledger import Ledger
from listener.ledger.responses import ResponseState
from listener.message.model import Address, Authentication, Verdict
from listener.outbox import Observer, Outbox, open_carrier, plan_of
from listener.responder.policy import policies_of
from listener.testing import SmtpReceiver
from listener.tokens import Key, Keyring

KEYRING = Keyring((Key(b"k" * 32),))
PASS = Authentication(Verdict.PASS, "mx")
DEADLINE = 10.0


def person(name, address=None, **more):
    address = address or f"{name}@customer.example"
    more = {"subject": f"About {name}", "authentication": PASS} | more
    return message(name, from_=(Address("Alice", address),), return_path=address, **more)


def settings(port, *, ids=("support",), reply="[accounts.reply]\n", more="", protocol="smtp", password="secret"):
    accounts = "".join(
        f'[[accounts]]\nid = "{id}"\nname = "Support"\naddress = "{id}@example.com"\n{more}'
        f'[accounts.receiver]\nhost = "127.0.0.1"\nport = 1\nsecurity = "none"\nuser = "{id}@example.com"\n'
        f'password_file = "password"\n'
        f'[accounts.sender]\nhost = "127.0.0.1"\nport = {port}\nsecurity = "none"\nuser = "{id}@example.com"\n'
        f'password_file = "password"\n{reply}'
        for id in ids
    )
    return accounts


class Office:
    """Made by `office`. `settled` are the outbox's own words, `troubles` what it said of accounts."""

    def __init__(self, folder, server, clock):
        self.folder, self.server, self.clock = folder, server, clock
        self.settled, self.troubles, self.suppressed, self.breaker = [], [], [], []
        self.ledger = self.outbox = self.running = None

    def config(self, text=None, **more):
        self.folder.mkdir(exist_ok=True)
        (self.folder / "password").write_text("secret")
        (self.folder / "password").chmod(0o600)
        toml = self.folder / "listener.toml"
        toml.write_text(f'[listener]\nstate_dir = "{self.folder}/state"\n' + (text or settings(self.server.port, **more)))
        return load(toml)

    async def open(self, config):
        self.ledger = await Ledger.open(self.folder / "state", now=self.clock)
        self.ledger.responses.answer_by(policies_of(config))

    def start(self, config, *, carrier=open_carrier, token_of=None):
        observer = Observer(
            lambda *what: self.settled.append(what),
            lambda *what: self.suppressed.append(what),
            lambda account, error: self.troubles.append((account, error and error.reason)),
            self.breaker.append,
        )
        plan = plan_of(config, KEYRING)
        how = {"now": self.clock, "uniform": lambda a, b: b}
        self.outbox = Outbox(self.ledger, plan, token_of, carrier, observer, **how)
        self.running = asyncio.create_task(self.outbox.run())

    async def receive(self, *names, hooks=None, **messages):
        """File mail, and with it the answers that are owed."""
        given = {name: messages.get(name) or person(name) for name in names}
        return await filed(self.ledger, *names, hooks=hooks or {}, **given)

    async def rows(self):
        """Oldest first."""
        return list(reversed(await self.ledger.responses.rows(limit=1000)))

    async def states(self):
        return [row["state"] for row in await self.rows()]

    async def until(self, *states):
        """Returns the rows once they are in these states, in order."""
        async with asyncio.timeout(DEADLINE):
            while await self.states() != list(states):
                assert not self.running.done(), self.running.result()
                await asyncio.sleep(0.005)
        return await self.rows()

    async def idle(self):
        """Returns once the outbox waits for more."""
        async with asyncio.timeout(DEADLINE):
            while self.outbox._state.running or self.ledger.responses.work.is_set():
                await asyncio.sleep(0.005)

    async def later(self, seconds):
        """Move the clock once nothing is under way, and let the outbox look at it."""
        await self.idle()
        self.clock.now += seconds
        self.ledger.responses.stir()

    async def close(self):
        if self.outbox is not None:
            await self.outbox.drain(1.0)
            self.running.cancel()
            await asyncio.wait({self.running})
        await self.ledger.close()


@contextlib.asynccontextmanager
async def office(folder, *, users=None, start=True, config=None, **more):
    """Open, started unless told otherwise. `server.got` is what arrived."""
    got = []
    async with SmtpReceiver(got.append, users=users or {"support@example.com": "secret"}) as server:
        server.got = got
        here = Office(folder, server, Clock())
        read = here.config(**more)
        await here.open(read)
        if start:
            here.start(read)
        try:
            yield here
        finally:
            await here.close()


__all__ = ["KEYRING", "Office", "ResponseState", "office", "person", "settings"]
