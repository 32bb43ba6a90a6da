"""SIGTERM at any moment, again and again: nothing is lost, nothing is filed twice, and a hook sees each key once it is done."""

import asyncio
import random
from collections import Counter

import pytest
from supervised import configured, mail, supervised

from listener.hooks import Filed
from listener.testing.imap import Store

MESSAGES = 30
LIVES = 6


class Recording:
    """A hook that takes its time and notes what it finished."""

    name = "python:recording"

    def __init__(self, chance):
        self.chance = chance
        self.done = Counter()

    async def start(self):
        pass

    async def handle(self, message, case, entry):
        await asyncio.sleep(self.chance.uniform(0, 3))
        self.done[entry.idempotency_key] += 1
        return Filed()

    async def stop(self):
        pass


def run_lives(folder, seed):
    """Several lives on one mailbox, each ended at a random moment; then one that may finish. Returns hook and rows."""
    chance = random.Random(seed)
    host = Recording(chance)
    stores = {"one": Store(lambda: 1_800_000_000.0)}
    config = configured(folder, "one", hooks=["python:recording"])
    rows = []
    numbers = iter(range(MESSAGES))

    async def some_life(rig):
        for number in [next(numbers, None) for _ in range(chance.randrange(2 * MESSAGES // LIVES))]:
            if number is not None:
                rig.store("one").deliver("INBOX", mail(number))
            await asyncio.sleep(chance.choice((0, 0, chance.uniform(0, 2))))
        await asyncio.sleep(chance.uniform(0, 2))

    async def last_life(rig):
        for number in numbers:
            rig.store("one").deliver("INBOX", mail(number))
        while len(found := await rig.ledger.messages(state="done", limit=1000)) < MESSAGES:
            await asyncio.sleep(1)
        rows.extend(found)

    for _ in range(LIVES):
        assert supervised(config, some_life, hosts={host.name: host}, stores=stores) == 0
    assert supervised(config, last_life, hosts={host.name: host}, stores=stores) == 0
    return host, rows, stores["one"]


def check(folder, seed):
    host, rows, store = run_lives(folder, seed)
    assert sorted(row["message_id"] for row in rows) == sorted(f"{number}@example.com" for number in range(MESSAGES))
    assert len({row["case"] for row in rows}) == MESSAGES
    assert len(host.done) == MESSAGES
    assert set(host.done.values()) == {1}, "a drain lets hooks finish, so none is called again after it finished"
    assert all("\\Seen" in message.flags for message in store["INBOX"].messages.values())


@pytest.mark.parametrize("seed", range(3))
def test_sigterm_at_random_moments_loses_and_doubles_nothing(tmp_path, seed):
    check(tmp_path, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 170))
def test_sigterm_at_five_hundred_random_moments_loses_and_doubles_nothing(tmp_path, seed):
    check(tmp_path, seed)
