"""The virtual clock itself, since many tests lean on it."""

import asyncio
import time

from virtual_clock import run_virtual


def test_an_hour_of_sleeping_takes_no_real_time():
    async def main(loop):
        began = loop.time()
        await asyncio.sleep(3600)
        return loop.time() - began

    real = time.monotonic()
    assert round(run_virtual(main)) == 3600
    assert time.monotonic() - real < 5


def test_time_stands_still_while_a_thread_works():
    async def main(loop):
        began = loop.time()
        timer = asyncio.ensure_future(asyncio.sleep(10))
        with loop.real_work():
            await asyncio.to_thread(time.sleep, 0.05)
        passed = loop.time() - began
        timer.cancel()
        return passed

    assert run_virtual(main) == 0
