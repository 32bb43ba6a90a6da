"""A real ledger and a dispatcher over it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from listener.dispatcher import AccountPlan, Dispatcher, DispatchLimits
from listener.ledger import Ledger
from listener.parsing import Parser
from tests.dispatcher.world import Clock, FakeParser


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def open_ledger(tmp_path, clock):
    opened = []

    async def opening():
        ledger = await Ledger.open(tmp_path / "state", now=clock)
        opened.append(ledger)
        return ledger

    yield opening
    for ledger in opened:
        await ledger.close()


@pytest.fixture
async def ledger(open_ledger):
    return await open_ledger()


@pytest.fixture
async def parser():
    parser = Parser(workers=1)
    yield parser
    await parser.close()


@pytest.fixture
def dispatching(clock):
    """`async with dispatching(ledger, hook, …) as dispatcher`: it runs meanwhile and is drained at the end."""

    @asynccontextmanager
    async def run(ledger, *hooks, parser=None, accounts=("support",), uniform=lambda a, b: b, observer=None, **limits):
        plan = AccountPlan(tuple(hook.name for hook in hooks))
        more = {"observer": observer} if observer else {}
        dispatcher = Dispatcher(
            ledger,
            parser or FakeParser(),
            {hook.name: hook for hook in hooks},
            dict.fromkeys(accounts, plan),
            DispatchLimits(**limits),
            now=clock,
            uniform=uniform,
            **more,
        )
        running = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
            await asyncio.wait_for(dispatcher.drain(5), 10)
            await asyncio.wait_for(running, 10)
        finally:
            running.cancel()
            await asyncio.wait({running})

    return run


@pytest.fixture
def states():
    """`await states(ledger)` → how many entries are in each state, as `{"done": 3, "dead(hook_failed)": 1}`."""

    async def count(ledger):
        found = {}
        for (_, state, reason), number in (await ledger.counts()).items():
            if number:
                found[f"{state}({reason})" if reason else state] = found.get(state, 0) + number
        return found

    return count
