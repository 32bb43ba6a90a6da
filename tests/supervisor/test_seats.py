"""No more connections to one mailbox than its provider allows; whoever waits says so, and gets its turn."""

import asyncio

import pytest
from supervised import configured, mail, supervised

from listener.config import Account
from listener.config.presets import providers
from listener.status import AccountState
from listener.supervisor.seats import seats_of


def account(provider="custom", **receiver):
    return Account.model_validate({"id": "a", "provider": provider, "receiver": {"host": "imap.example.com", **receiver}})


@pytest.mark.parametrize("provider", sorted(providers()))
def test_every_preset_has_its_number(provider):
    assert seats_of(account(provider)) == providers()[provider].max_connections >= 1


def test_a_pop3_mailbox_takes_one():
    assert seats_of(account("gmail", protocol="pop3")) == 1


def test_accounts_beyond_the_number_wait_visibly_and_come_when_a_seat_is_free(tmp_path):
    ids = [f"a{number}" for number in range(6)]

    async def scenario(rig):
        await rig.eventually(lambda: len(rig.logins) == 5)
        await asyncio.sleep(60)
        assert len(rig.logins) == 5
        (waiting,) = [s for s in rig.supervisor.health.statuses() if s.state is AccountState.BACKOFF]
        assert "5 sessions use this mailbox already" in waiting.last_error
        rig.store(waiting.id).deliver("INBOX", mail(1))
        served = next(id for id in ids if id != waiting.id)
        await rig.supervisor._fleet.pause(served)
        await rig.eventually(lambda: waiting.state is AccountState.IDLE)
        await asyncio.sleep(5)
        assert len(await rig.ledger.messages(account=waiting.id)) == 1

    assert supervised(configured(tmp_path, *ids, receiver={"user": "shared"}), scenario) == 0


def test_other_mailboxes_do_not_wait(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: len(rig.logins) == 12)

    assert supervised(configured(tmp_path, *(f"a{number}" for number in range(12))), scenario) == 0
