"""Whatever ends a task that should run for ever, it runs again."""

import asyncio
import itertools
import random

import pytest
from virtual_clock import run_virtual

from listener.backoff import Backoff
from listener.supervisor.keeper import keep


class Ends:
    """Work that ends as told, and notes when it began."""

    def __init__(self, loop, *, after=0.0, how="raise"):
        self.loop, self.after, self.how = loop, after, how
        self.begun = []

    async def __call__(self):
        self.begun.append(self.loop.time())
        await asyncio.sleep(self.after)
        if self.how == "raise":
            raise ValueError("boom")
        if self.how == "cancel":
            asyncio.current_task().cancel()
            await asyncio.sleep(0)


async def kept_for(seconds, work):
    seen = []

    async def ended(error):
        seen.append(type(error).__name__)

    task = asyncio.create_task(keep(work, Backoff(random.Random(1).uniform), ended))
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.wait({task})
    return seen


@pytest.mark.parametrize(("how", "seen"), [("raise", "ValueError"), ("return", "NoneType"), ("cancel", "CancelledError")])
def test_work_that_ends_is_begun_again_and_said(how, seen):
    async def main(loop):
        work = Ends(loop, how=how)
        return await kept_for(60, work), work.begun

    errors, begun = run_virtual(main)
    assert set(errors) == {seen}
    assert len(begun) >= 4


def test_waits_grow_while_it_keeps_failing():
    async def main(loop):
        work = Ends(loop)
        await kept_for(3600, work)
        return work.begun

    begun = run_virtual(main)
    waits = [b - a for a, b in itertools.pairwise(begun)]
    assert waits[-1] > 20 * waits[0]
    assert len(begun) < 25


def test_waits_begin_anew_after_five_minutes_of_work():
    async def main(loop):
        work = Ends(loop, after=301)
        await kept_for(3600, work)
        return work.begun

    begun = run_virtual(main)
    assert all(b - a < 301 + 2.1 for a, b in itertools.pairwise(begun))


def test_when_the_keeper_is_stopped_the_work_is_seen_to_its_end():
    async def main(loop):
        ended = []

        async def work():
            try:
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(1)
                ended.append(True)

        await kept_for(5, work)
        return ended

    assert run_virtual(main) == [True]
