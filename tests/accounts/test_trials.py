"""Testing and previewing an account before it is saved: step by step, bounded, and nothing is written anywhere."""

from contextlib import aclosing

import pytest
from accounts_house import CANARY, USER, mail, settings

from listener.accounts.trials import AT_ONCE
from listener.errors import ConfigurationError, Refused


async def tried(house, draft, account=None):
    body = {"settings": draft, "account": account}
    async with aclosing(house.verbs.test_account(body)) as rows:
        return [row async for row in rows]


async def test_a_draft_that_is_not_saved_is_tested_step_by_step_with_the_secret_in_memory_only(house, server):
    rows = await tried(house, settings(server))
    assert [row["name"] for row in rows if "name" in row and row["name"] != "settings"] == [
        *("dns", "tcp", "greeting", "capabilities", "password", "sign-in", "folder", "idle")
    ]
    assert rows[-1]["done"]
    assert rows[-1]["ok"]
    assert house.book.ids("account") == []
    assert CANARY not in str(rows)


async def test_a_wrong_password_is_shown_at_its_field_with_what_the_server_said(house, server):
    rows = await tried(house, settings(server, password="wrong"))
    (failed,) = [row for row in rows if not row["ok"] and "name" in row]
    assert (failed["name"], failed["field"]) == ("sign-in", "receiver.password")
    assert failed["hint"]
    assert not rows[-1]["ok"]


async def test_a_wrong_folder_is_shown_at_its_field_with_the_folders_that_there_are(house, server):
    rows = await tried(house, settings(server, receiver={"folders": ["Inbx"]}))
    (failed,) = [row for row in rows if not row["ok"] and "name" in row]
    assert failed["field"] == "receiver.folders"
    assert "INBOX" in failed["hint"]


async def test_a_server_that_is_not_there_is_shown_at_the_host(house, server):
    draft = settings(server, receiver={"port": 1})
    rows = await tried(house, draft)
    (failed,) = [row for row in rows if not row["ok"] and "name" in row]
    assert (failed["name"], failed["field"]) == ("tcp", "receiver.port") or failed["field"] == "receiver.host"


async def test_a_draft_with_faults_is_not_tried_at_all(house, server):
    with pytest.raises(ConfigurationError):
        await tried(house, settings(server, after="never"))
    assert server.counters.connections == 0


async def test_a_saved_account_is_tested_with_its_kept_password_and_a_draft_of_it_too(house, server):
    await house.made(server, on=False)
    assert (await tried(house, None, "support"))[-1]["ok"]
    draft = settings(server, password={"set": True}, name="Another name")
    assert (await tried(house, draft, "support"))[-1]["ok"]
    with pytest.raises(ConfigurationError):  # of no account: there is no kept password to leave as it is
        await tried(house, draft)


async def test_each_step_comes_as_it_completes_and_who_stops_listening_ends_the_test(house, server):
    server.freeze()
    body = {"settings": settings(server)}
    rows = house.verbs.test_account(body)
    first = [await anext(rows)]
    while first[-1]["name"] != "tcp":
        first.append(await anext(rows))
    await rows.aclose()
    assert house.verbs.desk.trials._running == 0
    server.thaw()


async def test_a_server_that_never_answers_is_given_up_in_time(house, server):
    house.verbs.desk.trials.test_seconds = 0.3
    server.freeze()
    rows = await tried(house, settings(server))
    assert rows[-2]["name"] == "time"
    assert not rows[-1]["ok"]
    server.thaw()


async def test_only_a_few_tests_run_at_once(house, server):
    server.freeze()
    running = [house.verbs.test_account({"settings": settings(server)}) for _ in range(AT_ONCE)]
    for rows in running:
        await anext(rows)
    with pytest.raises(Refused, match="wait a moment"):
        await tried(house, settings(server))
    for rows in running:
        await rows.aclose()
    server.thaw()
    assert (await tried(house, settings(server)))[-1]["ok"]


async def test_a_preview_of_a_draft_says_what_would_happen_and_changes_nothing(house, server):
    server.deliver("INBOX", mail(1))
    rows = await house.verbs.preview_draft({"settings": settings(server), "limit": 5})
    assert [(row["outcome"], row["subject"]) for row in rows] == [("filed", "number 1")]
    assert await house.ledger.messages() == []
    assert server.commands("STORE") == []
    assert not server.store()["INBOX"].messages[1].flags


async def test_a_preview_of_a_paused_account_is_the_same(house, server):
    server.deliver("INBOX", mail(1))
    await house.made(server, on=False)
    rows = await house.verbs.preview_draft({"account": "support", "limit": 5})
    assert [row["subject"] for row in rows] == ["number 1"]


async def test_a_profile_is_tested_and_its_token_never_shown(house):
    from listener.testing.oauth import TokenServer

    async with TokenServer() as tokens:
        draft = {"id": "p", "grant": "client_credentials", "issuer": "custom", "client_id": "me", "token_url": tokens.url}
        found = await house.verbs.test_profile({"settings": draft | {"client_secret": CANARY}})
        assert found["ok"]
        assert 3500 < found["lifetime"] <= 3600
        assert "access-1" not in str(found)
        tokens.answer(status=401, json={"error": "invalid_client"})
        refused = await house.verbs.test_profile({"settings": draft | {"client_secret": "wrong"}})
        assert (refused["ok"], refused["field"]) == (False, "client_secret")
        assert USER not in str(refused)


async def test_the_steps_are_served_line_by_line_to_a_full_token_only(house, server):
    import json

    import aiohttp

    url = f"http://{house.daemon.admin.addresses[0]}/api/v1/accounts/test"
    token = (house.folder / "state" / "admin-token").read_text().strip()
    async with aiohttp.ClientSession() as session:
        async with session.post(url, json={"settings": settings(server)}) as answer:
            assert answer.status == 401
        headers = {"Authorization": f"Bearer {token}"}
        async with session.post(url, json={"settings": settings(server)}, headers=headers) as answer:
            assert (answer.status, answer.content_type) == (200, "application/x-ndjson")
            rows = [json.loads(line) async for line in answer.content]
        assert rows[-1]["done"]
        async with session.post(url, json={"settings": settings(server, after="never")}, headers=headers) as answer:
            assert answer.status == 422
            assert [one["field"] for one in (await answer.json())["errors"]] == ["after"]
