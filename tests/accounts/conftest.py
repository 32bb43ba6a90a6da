"""What the tests of accounts share."""

import pytest
from accounts_house import CANARY, USER, lived_in

from listener.testing.imap import ImapServer


@pytest.fixture
async def house(tmp_path):
    async with lived_in(tmp_path) as one:
        yield one


@pytest.fixture
async def server():
    async with ImapServer(users={USER: CANARY}) as one:
        yield one
