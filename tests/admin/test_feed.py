"""What listeners are told, by a virtual clock over a real ledger: what changed, no more than a bound, and the last word."""

import asyncio
import json

from virtual_clock import run_virtual

from listener.admin.feed import LISTENERS, LOOK_EVERY, QUEUE, TOLD_AT_ONCE, Event, Feed
from listener.errors import LedgerFull
from listener.ledger.search import Happened
from listener.status import AccountState, AccountStatus


class Search:
    """A ledger's history, told by the test."""

    def __init__(self):
        self.events = []
        self.full = False
        self.counted = {}

    def happen(self, kind, entry=None, case=None):
        self.events.append(Happened(len(self.events) + 1, entry, "support", kind, case))

    async def last_event(self):
        return len(self.events)

    async def totals(self):
        return self.counted

    async def history(self, after, most):
        if self.full:
            raise LedgerFull("no room")
        return self.events[after : after + most]


class Ledger:
    def __init__(self):
        self.search = Search()


class World:
    def __init__(self, accounts=1):
        self.ledger = Ledger()
        self.statuses = [AccountStatus(f"account{n}", "imap") for n in range(accounts)]
        self.feed = Feed(self.ledger, lambda: iter(self.statuses))


async def told(listener, seconds=LOOK_EVERY * 1.5):
    """What it was told since, without `hello`."""
    await asyncio.sleep(seconds)
    found = []
    while not listener.queue.empty():
        event = listener.queue.get_nowait()
        found.append((event.name, dict(event.data)))
    return [one for one in found if one[0] != "hello"]


def test_a_message_its_case_and_an_account_are_told_by_their_ids():
    async def main(loop):
        world = World()
        listener = world.feed.join()
        assert await told(listener) == []
        world.ledger.search.happen("message.accepted", 7)
        world.ledger.search.happen("message.filed", 7, "CASE")
        world.statuses[0].state = AccountState.IDLE
        assert await told(listener) == [
            ("account", {"id": "account0", "state": "idle"}),
            ("message", {"id": 7, "account": "support", "what": "message.accepted"}),
            ("message", {"id": 7, "account": "support", "what": "message.filed"}),
            ("case", {"id": "CASE"}),
            ("change", {"v": 1}),
        ]
        assert await told(listener) == []
        world.feed.leave(listener)

    run_virtual(main)


def test_a_flood_is_one_event_a_look():
    async def main(loop):
        world = World(accounts=TOLD_AT_ONCE + 1)
        listener = world.feed.join()
        await told(listener)
        for status in world.statuses:
            status.state = AccountState.BACKOFF
        for number in range(TOLD_AT_ONCE + 1):
            world.ledger.search.happen("message.accepted", number)
        many = {"many": TOLD_AT_ONCE + 1}
        assert await told(listener) == [("account", many), ("message", many), ("change", {"v": 1})]
        world.feed.leave(listener)

    run_virtual(main)


def test_totals_are_told_when_they_changed():
    async def main(loop):
        world = World()
        listener = world.feed.join()
        world.ledger.search.counted = {"done": 5}
        assert ("counters", {"messages": {"done": 5}}) in await told(listener, 6.0)
        assert await told(listener, 6.0) == []
        world.feed.leave(listener)

    run_virtual(main)


def test_who_does_not_read_is_dropped_and_told_and_delays_nobody():
    async def main(loop):
        world = World()
        slow, quick = world.feed.join(), world.feed.join()
        await told(quick)
        for number in range(QUEUE):
            world.ledger.search.happen("message.accepted", number)
            assert await told(quick)
        assert slow.ended == "dropped"
        assert await told(slow) == [("dropped", {})]
        assert quick.ended == ""
        world.feed.leave(slow)
        world.feed.leave(quick)

    run_virtual(main)


def test_who_comes_back_and_missed_something_is_told_at_once():
    async def main(loop):
        world = World()
        first = world.feed.join()
        await told(first)
        world.ledger.search.happen("message.accepted", 1)
        await asyncio.sleep(LOOK_EVERY * 1.5)
        ids = [first.queue.get_nowait().id for _ in range(first.queue.qsize())]
        world.feed.leave(first)
        assert world.feed.join(ids[-1]).queue.get_nowait().name == "hello"
        assert world.feed.join("long-ago").queue.get_nowait().name == "change"
        world.feed.close()

    run_virtual(main)


def test_nobody_listening_nothing_is_looked_for():
    async def main(loop):
        world = World()
        listener = world.feed.join()
        assert world.feed.running
        world.feed.leave(listener)
        world.feed.leave(listener)
        await asyncio.sleep(0)
        assert not world.feed.running
        assert len(asyncio.all_tasks()) == 1

    run_virtual(main)


def test_storage_trouble_is_waited_out():
    async def main(loop):
        world = World()
        listener = world.feed.join()
        await told(listener)
        world.ledger.search.full = True
        world.ledger.search.happen("message.accepted", 1)
        assert await told(listener, 5.0) == []
        world.ledger.search.full = False
        assert [name for name, _ in await told(listener)] == ["message", "change"]
        world.feed.leave(listener)

    run_virtual(main)


def test_there_are_only_so_many_listeners_and_none_after_the_end():
    async def main(loop):
        world = World()
        listeners = [world.feed.join() for _ in range(LISTENERS)]
        assert all(listeners)
        assert world.feed.join() is None
        world.feed.close()
        assert {listener.ended for listener in listeners} == {"bye"}
        for listener in listeners:
            world.feed.leave(listener)
        assert world.feed.join() is None

    run_virtual(main)


def test_an_event_is_one_block_whatever_is_in_it():
    encoded = Event("account", {"id": "a\nb\r\ndata: x"}, "1-1").encoded().decode()
    head, data, *rest = encoded.split("\n")[1:]
    assert encoded.startswith("id: 1-1\n")
    assert head == "event: account"
    assert json.loads(data.removeprefix("data: ")) == {"id": "a\nb\r\ndata: x"}
    assert rest == ["", ""]
