"""A daemon under a steady stream of mail that is stopped, killed, cut off and frozen at random moments, counted at the end.

`make test` runs a short sample of both; `make test-long` two hundred stops, and half an hour of everything. The seed is shown,
so that a failure can be run again: SOAK_SEED=…; SOAK_SECONDS= changes the length.
"""

import asyncio
import contextlib
import os
import random
import signal
import statistics
import time
from pathlib import Path

import pytest
from aiohttp import web
from daemon import Daemon, eventually
from test_daemon_process import account

from listener.testing import ImapServer, make_message

SEED = int(os.environ.get("SOAK_SEED", "20261122"))
EXIT_WITHIN = 60.0
"""Seconds: systemd's TimeoutStopSec of our unit (R-96)."""
SETTLING = 15.0
"""Seconds after the last start in which memory is still growing to its size."""


class Sink:
    """A webhook that notes whose call it got: the effects in somebody else's system."""

    def __init__(self):
        self.keys = []

    async def take(self, request):
        await request.read()
        self.keys.append(request.headers["Idempotency-Key"])
        return web.json_response({})


@contextlib.asynccontextmanager
async def webhook(sink):
    application = web.Application(client_max_size=1 << 24)
    application.router.add_post("/", sink.take)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


class Stream:
    """Mail that keeps coming, each with a subject of its own."""

    def __init__(self, server, per_second):
        self.server, self.pause, self.sent, self.ended = server, 1 / per_second, 0, False

    async def run(self):
        while not self.ended:
            self.deliver(1)
            await asyncio.sleep(self.pause)

    def deliver(self, count):
        for _ in range(count):
            self.sent += 1
            self.server.deliver("INBOX", make_message(subject=f"number {self.sent}", sender=f"a{self.sent}@example.com"))


@contextlib.asynccontextmanager
async def at_work(tmp_path, per_second):
    sink = Sink()
    async with webhook(sink) as port, ImapServer(users={"u": "secret"}) as server:
        toml = account(server.port).replace('start = "all"\n', 'start = "all"\nhooks = ["webhook:sink"]\n')
        more = f'[webhook.sink]\nurl = "http://127.0.0.1:{port}/"\nallow_private = true\n'
        daemon = Daemon(tmp_path / "d", toml, more=more)
        await daemon.start()
        stream = Stream(server, per_second)
        flowing = asyncio.create_task(stream.run())
        try:
            yield daemon, stream, sink
        finally:
            flowing.cancel()
            await asyncio.wait({flowing})
            await daemon.stop()


async def all_done(daemon, stream, sink):
    """Each message once: one entry, one case, one effect."""
    stream.ended = True
    wanted = stream.sent
    done = "SELECT count(*) FROM entries WHERE state = 'done'"
    await eventually(lambda: daemon.count(done) >= wanted, deadline=300.0, pause=0.5)
    assert daemon.count("SELECT count(*) FROM entries") == wanted
    assert daemon.count("SELECT count(DISTINCT subject) FROM messages") == wanted
    assert daemon.count("SELECT count(*) FROM cases") == wanted
    assert len(set(sink.keys)) == wanted


async def stopped(daemon):
    """SIGTERM: it ends by itself, with 0, within its time. Before its first line it cannot have heard of it."""
    begun = time.monotonic()
    code = await daemon.stop(signal.SIGTERM)
    assert code == 0 or (code == -signal.SIGTERM and daemon.log() == daemon.log_before)
    assert time.monotonic() - begun < EXIT_WITHIN


async def stops(tmp_path, moments):
    chance = random.Random(SEED)
    print(f"SOAK_SEED={SEED}")
    async with at_work(tmp_path, per_second=10) as (daemon, stream, sink):
        for _ in range(moments):
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            await stopped(daemon)
            stream.deliver(chance.randrange(5))
            await daemon.start(ready=chance.random() < 0.8)
        await all_done(daemon, stream, sink)


async def test_sigterm_at_a_few_random_moments_loses_nothing(tmp_path):
    await stops(tmp_path, 2)


@pytest.mark.long
async def test_sigterm_at_two_hundred_random_moments_loses_nothing(tmp_path):
    await stops(tmp_path, 200)


# --- half an hour of everything ------------------------------------------------------------------------------------------


class Body:
    """One process of the daemon as the kernel sees it, sample by sample."""

    def __init__(self):
        self.memory, self.descriptors = [], []

    def look(self, daemon):
        with contextlib.suppress(OSError):
            here = Path(f"/proc/{daemon.process.pid}")
            pages = int((here / "statm").read_text().split()[1])
            self.descriptors.append(len(list((here / "fd").iterdir())))
            self.memory.append(pages * os.sysconf("SC_PAGE_SIZE"))

    def is_flat(self):
        """The last third is hardly more than the first."""
        third = len(self.memory) // 3
        first, last = statistics.median(self.memory[:third]), statistics.median(self.memory[-third:])
        assert last < 1.25 * first + 8_000_000, (first, last)
        assert statistics.median(self.descriptors[-third:]) <= statistics.median(self.descriptors[:third]) + 5


async def trouble(kind, daemon, server, chance):
    """One thing that happens to a daemon."""
    match kind:
        case "kill":
            await daemon.kill()
            await daemon.start()
        case "stop":
            await stopped(daemon)
            await daemon.start()
        case "cut":
            server.disconnect(reset=chance.random() < 0.5)
        case "freeze":
            os.kill(daemon.process.pid, signal.SIGSTOP)
            await asyncio.sleep(chance.uniform(0.2, 3.0))
            os.kill(daemon.process.pid, signal.SIGCONT)


async def soak(tmp_path, seconds, per_second):
    """Everything happens in the first half; in the second no start hides what one process has come to hold."""
    chance, body = random.Random(SEED), Body()
    print(f"SOAK_SEED={SEED}")
    async with at_work(tmp_path, per_second) as (daemon, stream, sink):
        half, end = time.monotonic() + seconds / 2, time.monotonic() + seconds
        next_trouble = time.monotonic() + chance.uniform(2.0, 40.0)
        while time.monotonic() < end:
            await asyncio.sleep(1.0)
            if time.monotonic() > half + SETTLING:
                body.look(daemon)
            if time.monotonic() >= next_trouble:
                ends = ["kill", "stop"] if time.monotonic() < half else []
                await trouble(chance.choice([*ends, "cut", "cut", "freeze", "freeze"]), daemon, stream.server, chance)
                next_trouble = time.monotonic() + chance.uniform(2.0, 60.0)
        await all_done(daemon, stream, sink)
        print(f"{stream.sent} messages, {len(sink.keys)} calls, {len(body.memory)} samples")
        if len(body.memory) >= 60:
            ten = range(0, len(body.memory), len(body.memory) // 10)
            print("MB:", [body.memory[at] // 1_000_000 for at in ten], "descriptors:", [body.descriptors[at] for at in ten])
            body.is_flat()


@pytest.mark.long
async def test_a_few_seconds_of_everything_lose_nothing(tmp_path):
    await soak(tmp_path, 8.0, per_second=10)


@pytest.mark.long
async def test_half_an_hour_of_everything_loses_nothing_and_grows_nothing(tmp_path):
    await soak(tmp_path, float(os.environ.get("SOAK_SECONDS", "1800")), per_second=10)
