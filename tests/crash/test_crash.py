"""Kill the daemon before or after its N-th effect, for every N until a run ends by itself; start it again, and count.

Also make the N-th effect fail, once and for good. In `make test` a seeded sample of the grid, the whole in `make test-long`.
The last tests build in deliberate faults and show that the suite sees them.
"""

from __future__ import annotations

import itertools
import json
import random
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from crash.world import HUNG, KILLED, USER, Server, World, protocol, start_forking
from listener.testing import ImapServer, Pop3Server
from listener.testing.graph import GraphServer
from listener.testing.oauth import TokenServer

AFTERS = ("seen", "move:Done", "pop3:delete", "pop3:keep", "graph:seen", "graph:move:Done", "seen ahead", "pop3:delete ahead")
SAMPLE = {
    "seen": 4,
    "move:Done": 4,
    "pop3:delete": 3,
    "pop3:keep": 2,
    "graph:seen": 3,
    "graph:move:Done": 2,
    "seen ahead": 2,
    "pop3:delete ahead": 1,
}
"""Points of each kind that are tried always; all of them in `make test-long`."""
SEED = 20261122


class Worlds:
    """New worlds, one after the other."""

    def __init__(self, folder: Path, tokens: TokenServer) -> None:
        self._folder, self._tokens = folder, tokens
        self._ca = folder / "ca.pem"
        authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        authority.cert_pem.write_to_path(str(self._ca))
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self._tls)
        self._numbers = itertools.count()
        self._servers: list[Server] = []

    async def new(self, after: str) -> World:
        server = self._server(protocol(after))
        await server.start()
        self._servers.append(server)
        world = World(self._folder / f"world{next(self._numbers)}", after, server, self._tokens, self._ca)
        world.prepare()
        return world

    def _server(self, spoken: str) -> Server:
        if spoken != "graph":
            return (Pop3Server if spoken == "pop3" else ImapServer)(users={USER: "secret"})
        server = GraphServer(users=[USER], tls=self._tls)
        server.tokens = self._tokens.issued
        return server

    async def end(self) -> None:
        for server in self._servers:
            await server.stop()


@pytest.fixture
async def worlds(tmp_path: Path) -> AsyncIterator[Worlds]:
    start_forking()
    async with TokenServer() as tokens:
        worlds = Worlds(tmp_path, tokens)
        yield worlds
        await worlds.end()


async def calls_of(worlds: Worlds, after: str) -> list[str]:
    """The effects of a run that nothing disturbs, in order."""
    world = await worlds.new(after)
    assert await world.run(world.plain()) == 0, log(world)
    assert world.check_the_end() == []
    return json.loads((world.folder / "calls.json").read_text())


async def length(worlds: Worlds, after: str) -> int:
    """How many they are."""
    return len(await calls_of(worlds, after))


def log(world: World) -> str:
    return (world.folder / "child.log").read_text()[-4000:]


async def die_and_recover(worlds: Worlds, after: str, at: int, late: bool, fault: str = "") -> tuple[bool, list[str]]:
    """One point of the grid: did it die, and what is broken after the recovery?"""
    world = await worlds.new(after)
    code = await world.run(world.plain(at=at, after=late, fault=fault))
    assert code in (0, KILLED), log(world)
    if code == KILLED and (ended := await world.run(world.plain(fault=fault))) != 0:
        assert ended == HUNG, log(world)
        return True, [f"killed {'after' if late else 'before'} call {at}: never settled, mail is missing: {log(world)}"]
    return code == KILLED, [f"killed {'after' if late else 'before'} call {at}: {b}" for b in world.check_the_end()]


async def fail_and_recover(worlds: Worlds, after: str, at: int, for_good: bool) -> list[str]:
    """The N-th effect fails; afterwards a run that nothing disturbs brings everything in order."""
    world = await worlds.new(after)
    code = await world.run(world.plain(at=at, fail=True, for_good=for_good))
    assert code in (0, 75), log(world)
    assert "Traceback" not in log(world) or not for_good
    if await world.run(world.plain()) != 0:
        return [f"call {at} failed and the next start too: {log(world)}"]
    return [f"call {at} failed {'for good' if for_good else 'once'}: {b}" for b in world.check_the_end()]


def sample(points: list[tuple[int, bool]], seed: int, after: str) -> list[tuple[int, bool]]:
    return sorted(random.Random(seed).sample(points, min(SAMPLE[after], len(points))))


@pytest.mark.parametrize("after", AFTERS)
async def test_killed_at_a_sample_of_calls_nothing_is_lost_or_doubled(worlds: Worlds, after: str) -> None:
    calls = await length(worlds, after)
    for at, late in sample([(n, late) for n in range(1, calls + 1) for late in (False, True)], SEED, after):
        _, broken = await die_and_recover(worlds, after, at, late)
        assert broken == []


@pytest.mark.parametrize("after", AFTERS)
async def test_failing_at_a_sample_of_calls_nothing_is_lost_or_doubled(worlds: Worlds, after: str) -> None:
    calls = await length(worlds, after)
    for at, for_good in sample([(n, g) for n in range(1, calls + 1) for g in (False, True)], SEED + 1, after):
        assert await fail_and_recover(worlds, after, at, for_good) == []


@pytest.mark.long
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("after", AFTERS)
async def test_killed_at_every_call_until_a_run_ends_by_itself(worlds: Worlds, after: str, late: bool) -> None:
    for at in itertools.count(1):
        died, broken = await die_and_recover(worlds, after, at, late)
        assert broken == []
        if not died:
            assert at > 15, "the proxies stand around the seams"
            return


@pytest.mark.long
@pytest.mark.parametrize("for_good", [False, True], ids=["once", "for good"])
@pytest.mark.parametrize("after", AFTERS)
async def test_failing_at_every_call(worlds: Worlds, after: str, for_good: bool) -> None:
    for at in range(1, await length(worlds, after) + 1):
        assert await fail_and_recover(worlds, after, at, for_good) == []


@pytest.mark.parametrize("fault", ["acknowledge before commit", "sync state before rows", "BODY[] marks as read"])
async def test_the_suite_sees_a_deliberate_fault(worlds: Worlds, fault: str) -> None:
    after = "seen" if "BODY" in fault else "move:Done"
    calls = await calls_of(worlds, after)
    commit = calls.index("ledger.accept") + 1
    for at, late in itertools.product(range(commit - 1, commit + 4), (False, True)):
        _, broken = await die_and_recover(worlds, after, at, late, fault)
        if broken:
            return
    pytest.fail(f"nobody noticed: {fault}")
