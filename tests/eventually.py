"""Waiting for something that another task, thread or process will do, with a deadline: the only polling in the tests."""

import asyncio

INTERVAL = 0.002


async def eventually(condition, *, within: float = 10.0):
    """Wait until `condition()` holds, and return its value. Raises TimeoutError after `within` seconds."""
    async with asyncio.timeout(within):
        while not (value := condition()):
            await asyncio.sleep(INTERVAL)
    return value
