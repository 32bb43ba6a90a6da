"""How fast a mailbox is asked: at once, in ten minutes, and not before the server's Retry-After (R-37). Time is virtual."""

import asyncio
import random
from email.utils import formatdate

import pytest
from virtual_clock import run_virtual

from listener.errors import ServerUnavailable, Throttled
from listener.mailbox import Listing
from listener.protocols.graph.client import LONGEST_PAUSE, TRIES
from listener.protocols.graph.pacing import BURST, MOST_AT_ONCE, PER_PERIOD, PERIOD, Pacing, http_date, retry_after
from tests.protocols.graph.desk import USER, client, graph, ids_of, mail, mailbox, settled


@pytest.mark.parametrize("status", [429, 503, 504])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_nothing_is_asked_before_the_server_wants_it(status, form):
    async def main(loop):
        async with graph(now=loop.wall) as server, client(server, now=loop.wall) as here:
            wanted = 7.0
            header = "7" if form == "seconds" else formatdate(loop.wall() + wanted, usegmt=True)
            server.script.on("folder", status=status, headers={"Retry-After": header}, times=1)
            waiting = asyncio.gather(*(here.get(here.url("mailFolders", "inbox")) for _ in range(6)))
            await waiting
            refused, *later = server.asked("folder")
            held = [asked.at - refused.at for asked in later if asked.at > refused.at]
            assert len(held) >= 5
            assert min(held) >= wanted - 1.0 * (form == "date")
            assert max(held) <= wanted * 1.2

    run_virtual(main)


@pytest.mark.parametrize("status", [429, 503])
def test_a_long_pause_ends_the_session_and_says_how_long(status):
    async def main(loop):
        async with graph() as server, client(server) as here:
            rule = server.script.on("folder", status=status, headers={"Retry-After": "600"})
            with pytest.raises(Throttled) as told:
                await here.get(here.url("mailFolders", "inbox"))
            assert told.value.retry_after == 600
            assert rule.hits == 1

    run_virtual(main)


def test_patience_ends_after_a_few_tries():
    async def main(loop):
        async with graph() as server, client(server) as here:
            rule = server.script.on("folder", status=503)
            began = loop.time()
            with pytest.raises(ServerUnavailable):
                await here.get(here.url("mailFolders", "inbox"))
            assert rule.hits == TRIES
            assert 5 < loop.time() - began < TRIES * LONGEST_PAUSE

    run_virtual(main)


@pytest.mark.parametrize(("method", "status", "times"), [("PATCH", 503, 1), ("PATCH", 504, 1), ("PATCH", 429, 2)])
def test_what_changes_something_is_repeated_only_where_nothing_was_done(method, status, times):
    async def main(loop):
        async with graph() as server, client(server) as here:
            message = server.deliver("INBOX", mail(1))
            found = server.mailbox().exchange.message_id("INBOX", message, immutable=True)
            server.script.on("patch", status=status, headers={"Retry-After": "1"}, times=1)
            asking = here.ask(method, here.url("messages", found), body={"isRead": True})
            if times == 1:
                with pytest.raises(Throttled):
                    await asking
            else:
                assert (await asking).ok
            assert len(server.asked("patch")) == times

    run_virtual(main)


def test_a_throttled_mailbox_does_not_slow_others():
    async def main(loop):
        async with (
            graph(users=[USER, "other@example.com"]) as server,
            client(server) as throttled,
            client(server, user="other@example.com") as other,
        ):
            throttle = {"status": 429, "headers": {"Retry-After": "15"}}
            server.script.on("folder", when=lambda asked: asked.user == USER, times=1, **throttle)
            slow = asyncio.create_task(throttled.get(throttled.url("mailFolders", "inbox")))
            while not server.transcript:
                await asyncio.sleep(0.01)
            began = loop.time()
            for _ in range(20):
                await other.get(other.url("mailFolders", "inbox"))
            assert loop.time() - began < 1
            assert not slow.done()
            await slow
            assert loop.time() - began > 14

    run_virtual(main)


@pytest.mark.parametrize(("wanted", "most"), [(1, 1), (2, 2), (4, 4), (50, MOST_AT_ONCE)])
async def test_no_more_requests_at_once_than_allowed(wanted, most):
    async with graph() as server, mailbox(server, client={"pacing": Pacing(wanted)}) as box:
        for n in range(20):
            server.deliver("INBOX", mail(n))
        found = [Listing("INBOX", one) for one in await ids_of(box)]
        gate = asyncio.Event()
        server.script.on("value", hold=gate)
        fetching = asyncio.ensure_future(_all(box.fetch(found, limit=1000)))
        while server.counters.at_once < most:
            await asyncio.sleep(0)
        await settled()
        gate.set()
        assert len(await fetching) == 20
        assert server.counters.most_at_once == most


async def _all(fetching):
    return [one async for one in fetching]


@pytest.mark.parametrize("seed", range(5))
def test_no_ten_minutes_see_more_requests_than_exchange_allows(seed):
    async def main(loop):
        pacing, chance, times = Pacing(4), random.Random(seed), []
        while loop.time() < 1000 + 2.5 * PERIOD:
            async with pacing.turn():
                times.append(loop.time())
            if chance.random() < 0.001:
                await asyncio.sleep(chance.uniform(0, 200))
        times.sort()
        late = 0
        for number, time in enumerate(times):
            while time - times[late] > PERIOD:
                late += 1
            assert number - late < PER_PERIOD
        assert len(times) > BURST

    run_paced(main)


def run_paced(main):
    """A clock that only sleeping moves: no sockets are waited for."""

    class Loop(asyncio.SelectorEventLoop):
        now = 1000.0

        def time(self):
            return self.now

        def _run_once(self):
            if not self._ready and self._scheduled:
                self.now = max(self.now, self._scheduled[0]._when)
            super()._run_once()

    async def with_loop():
        await main(asyncio.get_running_loop())

    with asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(with_loop())


# --- Retry-After --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("12", 12.0),
        ("0", 0.0),
        ("-5", None),
        ("1e9", None),
        ("9" * 5000, 86_400.0),
        ("Sun, 22 Nov 2026 10:00:30 GMT", 30.0),
        ("Sun, 22 Nov 2026 09:00:00 GMT", 0.0),
        ("Sun, 99 Nov 2026 09:00:00 GMT", None),
        ("Sun, 22 Nov 9999 09:00:00 GMT", 86_400.0),
    ],
)
def test_retry_after_in_both_forms(value, seconds):
    now = http_date("Sun, 22 Nov 2026 10:00:00 GMT")
    assert retry_after(value, now) == seconds
