"""Kill the outbox before or after its N-th effect, for every N until a life ends by itself; let a second life finish; count.

SMTP: an acknowledgement arrives at most once, a hook's reply at least once and always with the same Message-ID. Microsoft
Graph: exactly one of each lies in Sent Items. A seeded sample in `make test`, the whole grid in `make test-long`.
"""

import asyncio
import email
import itertools
import json
import random
import ssl
from collections import Counter
from contextlib import asynccontextmanager

import pytest
import trustme
from crash.world import FORK, KILLED, start_forking

from listener.hooks import Filed
from listener.testing import SmtpReceiver
from listener.testing.graph import GraphServer
from tests.ledger.makers import Clock
from tests.outbox.child import Run, main
from tests.outbox.office import Office, settings

SEED = 20261122
SAMPLE = 3
TELLING = (".begin", ".carry", ".draft", ".send", ".settle")
"""The calls that the sample is taken from; the whole grid takes all."""
TOKEN = "a.good.token"
HOOKS = {"support": ["python:hook"]}
USER = "support@example.com"
LATER = '[limits]\nreply_timeout = "30d"\n'


class World:
    """Two acknowledgements and a hook's reply that wait to be sent, and a server that lives on."""

    def __init__(self, folder, server, toml):
        self.folder, self.server, self.toml = folder, server, toml

    async def prepare(self):
        office = Office(self.folder, self.server, Clock())
        config = office.config(self.toml)
        await office.open(config)
        await office.receive("a", "b")
        await office.receive("c", hooks=HOOKS)
        (due,) = await office.ledger.due_deliveries(1)
        await office.ledger.begin_delivery(due.id)
        await office.ledger.settle_delivery(due.id, Filed(reply="Thank you."))
        self.purposes = {row["id"]: row["purpose"] for row in await office.ledger.responses.rows()}
        await office.ledger.close()

    async def live(self, **how):
        process = FORK.Process(target=main, args=(Run(self.folder / "listener.toml", token=TOKEN, **how),))
        process.start()
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        loop.add_reader(process.sentinel, lambda: ended.done() or ended.set_result(None))
        await ended
        loop.remove_reader(process.sentinel)
        process.join()
        code = process.exitcode
        process.close()
        return code

    async def rows(self):
        office = Office(self.folder, self.server, Clock())
        await office.open(office.config(self.toml))
        rows = await office.rows()
        await office.ledger.close()
        return rows

    def calls(self):
        return json.loads((self.folder / "calls.json").read_text())

    def log(self):
        return (self.folder / "child.log").read_text()[-3000:]


def ids(messages):
    """How often each Message-ID arrived."""
    return Counter(email.message_from_bytes(octets)["Message-ID"].strip("<>") for octets in messages)


class Smtp:
    """Worlds with a submission server."""

    def __init__(self, folder):
        self.folder = folder
        self.numbers = itertools.count()

    @asynccontextmanager
    async def new(self):
        got = []
        async with SmtpReceiver(got.append, users={USER: "secret"}) as server:
            toml = LATER + settings(server.port, reply='[accounts.reply]\non = "every_message"\n')
            world = World(self.folder / f"smtp{next(self.numbers)}", server, toml)
            await world.prepare()
            world.arrived = lambda: ids(envelope.octets for envelope in got)
            yield world

    def broken(self, rows, arrived):
        """What does not hold at the end."""
        for row in rows:
            times = arrived[row["message_id"]]
            if row["purpose"] == "automatic" and (times > 1 or (row["state"] == "sent") > times):
                yield f"acknowledgement {row['id']} is {row['state']} and arrived {times} times"
            if row["purpose"] == "hook" and (times < 1 or row["state"] != "sent"):
                yield f"hook's reply is {row['state']} and arrived {times} times"
        if set(arrived) - {row["message_id"] for row in rows}:
            yield "something arrived that is in no row"


class Graph:
    """Worlds with Microsoft Graph."""

    def __init__(self, folder):
        self.folder = folder
        self.numbers = itertools.count()
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.tls)

    @asynccontextmanager
    async def new(self):
        async with GraphServer(users=[USER], tokens=[TOKEN], tls=self.tls) as server:
            world = World(self.folder / f"graph{next(self.numbers)}", server, self.toml(server.port))
            await world.prepare()
            world.arrived = lambda: ids(server.mailbox().sent)
            yield world

    def toml(self, port):
        side = f'protocol = "graph"\nhost = "127.0.0.1"\nport = {port}\nuser = "{USER}"\noauth = "entra"\n'
        side += f'truststore_file = "{self.folder}/ca.pem"\n'
        return LATER + (
            f'[[accounts]]\nid = "support"\naddress = "{USER}"\nprovider = "microsoft365"\n[accounts.receiver]\n{side}'
            f'[accounts.sender]\n{side}[accounts.reply]\non = "every_message"\n'
            '[oauth.entra]\ngrant = "client_credentials"\nissuer = "custom"\ntoken_url = "https://127.0.0.1:1/"\n'
            'client_id = "x"\nclient_secret_file = "password"\n'
        )

    def broken(self, rows, arrived):
        """What does not hold at the end."""
        for row in rows:
            if row["state"] != "sent" or arrived[row["message_id"]] != 1:
                yield f"{row['purpose']} reply is {row['state']} and lies {arrived[row['message_id']]} times in Sent Items"
        if sum(arrived.values()) != len(rows):
            yield f"{sum(arrived.values())} mails were sent"


@pytest.fixture(params=["smtp", "graph"])
def worlds(request, tmp_path):
    start_forking()
    return {"smtp": Smtp, "graph": Graph}[request.param](tmp_path)


async def undisturbed(worlds):
    """The calls of a life that nothing disturbs, in order."""
    async with worlds.new() as world:
        assert await world.live() == 0, world.log()
        rows = await world.rows()
        assert list(worlds.broken(rows, world.arrived())) == []
        assert [row["state"] for row in rows] == ["sent"] * 4
        return world.calls()


async def die_and_recover(worlds, at, after):
    """One point of the grid."""
    async with worlds.new() as world:
        code = await world.live(at=at, after=after)
        assert code in (0, KILLED), world.log()
        assert code == 0 or await world.live() == 0, world.log()
        when = "after" if after else "before"
        return [f"killed {when} {at}: {what}" for what in worlds.broken(await world.rows(), world.arrived())]


def grid(calls):
    return [(at, after) for at in range(1, len(calls) + 1) for after in (False, True)]


async def test_wherever_it_dies_the_promise_holds(worlds):
    calls = await undisturbed(worlds)
    telling = [number for number, name in enumerate(calls, 1) if name.endswith(TELLING)]
    chosen = random.Random(SEED).sample([(at, after) for at in telling for after in (False, True)], SAMPLE)
    broken = [what for point in chosen for what in await die_and_recover(worlds, *point)]
    assert broken == []


@pytest.mark.long
async def test_wherever_it_dies_the_promise_holds_on_the_whole_grid(worlds):
    points = grid(await undisturbed(worlds))
    broken = [what for point in points for what in await die_and_recover(worlds, *point)]
    assert broken == []


@pytest.mark.long
async def test_dying_twice_is_no_worse(worlds):
    chance = random.Random(SEED)
    calls = await undisturbed(worlds)
    async with worlds.new() as world:
        for _ in range(2):
            assert await world.live(at=chance.randint(2, len(calls) - 2), after=True) in (0, KILLED)
        assert await world.live() == 0, world.log()
        assert list(worlds.broken(await world.rows(), world.arrived())) == []


async def test_the_suite_sees_an_acknowledgement_that_is_sent_twice(tmp_path):
    start_forking()
    worlds = Smtp(tmp_path)
    async with worlds.new() as world:
        assert await world.live() == 0, world.log()
        rows = await world.rows()
        twice = world.arrived() + world.arrived()
        assert any("arrived 2 times" in what for what in worlds.broken(rows, twice))
