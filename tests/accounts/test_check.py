"""`listener check` beside a running daemon: accounts made in the console are tested by the daemon that has their secrets."""

import asyncio
import json

import pytest
from accounts_house import CANARY, USER, settings

from listener.__main__ import main
from listener.testing.imap import ImapServer


@pytest.fixture
def check(capfdbinary, house):
    async def run(*words):
        capfdbinary.readouterr()
        code = await asyncio.to_thread(main, ["check", "--json", "--config", str(house.file), *words])
        out, err = capfdbinary.readouterr()
        assert CANARY.encode() not in out + err
        return code, [json.loads(line) for line in out.splitlines() if b'"name"' in line]

    return run


async def test_each_step_of_a_kept_account_is_told_and_the_next_one_tried_when_it_fails(house, check):
    async with ImapServer(users={USER: CANARY}) as server:
        for id, password in (("broken", "wrong"), ("support", CANARY)):
            await house.verbs.create_account({"settings": settings(server, id, password)})
        code, steps = await check()
    assert code == 1
    (failed,) = (step for step in steps if not step["ok"])
    assert (failed["account"], failed["name"], failed["setting"]) == ("broken", "sign-in", "receiver.password")
    assert {"dns", "tcp", "sign-in", "folder", "idle"} <= {step["name"] for step in steps if step["account"] == "support"}


async def test_a_kept_account_can_be_named_alone(house, check):
    async with ImapServer(users={USER: CANARY}) as server:
        for id in ("broken", "support"):
            await house.verbs.create_account({"settings": settings(server, id)})
        code, steps = await check("support")
    assert (code, {step["account"] for step in steps}) == (0, {"support"})


async def test_a_test_that_the_daemon_refuses_is_a_failed_step(house, check):
    async with ImapServer(users={USER: CANARY}) as server:
        await house.verbs.create_account({"settings": settings(server)})
        house.verbs.desk.trials.at_once = 0
        code, (step,) = await check()
    assert (code, step["ok"], step["account"]) == (1, False, "support")
    assert "tests are running already" in step["said"]
