"""A ledger in a directory of its own, with a clock that stands still."""

import pytest
import pytest_asyncio
from ledger.makers import Clock

from listener.ledger import Ledger


@pytest.fixture
def state_dir(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def clock():
    return Clock()


@pytest_asyncio.fixture
async def ledger(state_dir, clock):
    opened = await Ledger.open(state_dir, now=clock)
    yield opened
    await opened.close()
