"""`world`: one far side after the other; a test that needs a trait marks itself `@needs("trait")` (worlds.py)."""

from contextlib import AsyncExitStack

import pytest

from tests.contract.worlds import WORLDS


def pytest_generate_tests(metafunc):
    if "world" in metafunc.fixturenames:
        needed = {trait for mark in metafunc.definition.iter_markers("needs") for trait in mark.args}
        able = [world for world in WORLDS if needed <= world.traits]
        metafunc.parametrize("world", able, ids=lambda world: world.name, indirect=True)


def pytest_configure(config):
    config.addinivalue_line("markers", "needs(*traits): only for mailboxes that have these (tests/contract/worlds.py)")


@pytest.fixture
async def world(request):
    async with AsyncExitStack() as stack:
        here = request.param()
        await here.start(stack)
        yield here
