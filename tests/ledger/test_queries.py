"""Lists in the contract's shape, newest first; histories; counts that never need counting."""

import json

import pytest
from ledger.makers import ACCOUNT, HOOKS, INBOX, filed, listing, look, message, page, take, take_one

from listener.ledger import Parsed, State
from listener.mailbox import Baseline


async def test_a_message_is_listed_as_the_contract_says(ledger):
    (case,) = await filed(ledger, "one", hooks={})
    assert await ledger.messages() == [
        {
            "id": 1,
            "account": "support",
            "state": "done",
            "kind": "message",
            "message_id": "one@example.com",
            "subject": "About one",
            "from": "customer@example.com",
            "received_at": None,
            "case": case,
            "reason": None,
        }
    ]


async def test_what_was_never_parsed_is_listed_too(ledger):
    await take_one(ledger, 1, b"one", received_at=1_700_000_000.5)
    (row,) = await ledger.messages()
    assert (row["kind"], row["subject"], row["case"]) == (None, None, None)
    assert row["received_at"] == "2023-11-14T22:13:20.500000+00:00"


async def test_a_date_no_calendar_has_is_none(ledger):
    await take_one(ledger, 1, b"one", received_at=1e300)
    assert (await ledger.messages())[0]["received_at"] is None


async def mixed(ledger):
    """Ids 1 and 4 filed, 2 dead, 3 sales'."""
    await filed(ledger, "one")
    await take(ledger, page(listing("two"), state="2"), {"two": b"two"})
    await ledger.file([Parsed(2, None, State.DEAD, "parse_failed")], HOOKS)
    await take(ledger, page(listing("three"), state="3"), {"three": b"three"}, account="sales")
    await filed(ledger, "four")


@pytest.mark.parametrize(
    ("choice", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"limit": 2}, [4, 3]),
        ({"before": 3}, [2, 1]),
        ({"state": "dead"}, [2]),
        ({"account": ACCOUNT}, [4, 2, 1]),
        ({"account": ACCOUNT, "limit": 2, "before": 4}, [2, 1]),
        ({"account": ACCOUNT, "state": "filed"}, [4, 1]),
        ({"account": "sales", "state": "dead"}, []),
        ({"state": "no such state"}, []),
    ],
)
async def test_messages_are_chosen_by_state_account_and_page(ledger, choice, found):
    await mixed(ledger)
    assert [row["id"] for row in await ledger.messages(**choice)] == found


async def test_a_case_is_listed_as_the_contract_says(ledger, clock):
    (case,) = await filed(ledger, "one")
    row = {
        "id": case,
        "account": "support",
        "subject": "About one",
        "requester": "customer@example.com",
        "status": "open",
        "messages": 1,
        "reference": None,
        "updated_at": "2023-11-14T22:13:20+00:00",
    }
    assert await ledger.cases() == [row]
    more = await ledger.case(case)
    assert more.items() >= row.items()
    assert [entry["id"] for entry in more["entries"]] == [1]
    assert await ledger.case("NONE") is None


async def test_cases_are_paged_newest_first(ledger):
    first, second, third = await filed(ledger, "one", "two", "three")
    assert [row["id"] for row in await ledger.cases(limit=2)] == [third, second]
    assert [row["id"] for row in await ledger.cases(limit=2, before=second)] == [first]
    assert await ledger.cases(before="NONE") == []
    assert await ledger.cases(account="sales") == []
    assert len(await ledger.cases(account=ACCOUNT)) == 3


async def test_a_cases_messages_are_in_order(ledger):
    reply = message("two", references=("one@example.com",))
    case, _ = await filed(ledger, "one", "two", two=reply)
    assert [entry["subject"] for entry in (await ledger.case(case))["entries"]] == ["About one", "About two"]


async def test_explain_tells_the_whole_history(ledger):
    await filed(ledger, "one")
    story = await ledger.explain(1)
    assert (story["folder"], story["unique_id"], story["owed"], story["raw"]) == ("INBOX", "one", True, True)
    assert [event["kind"] for event in story["events"]] == ["message.accepted", "message.filed"]
    assert story["events"][0]["sync_state"] == "one"
    assert story["events"][1]["rule"] == "new"
    assert [delivery["hook"] for delivery in story["deliveries"]] == ["python:hook"]
    json.dumps(story)
    assert await ledger.explain(2) is None


async def test_raw_of_nothing_is_none(ledger):
    assert ledger.read_raw(1) is None


async def test_the_backlog_counts_what_waits_and_its_age(ledger):
    assert (await ledger.backlog(ACCOUNT)).unprocessed == 0
    await take_one(ledger, 1, b"one", received_at=500.0)
    await filed(ledger, "two")
    await filed(ledger, "three", hooks={})
    backlog = await ledger.backlog(ACCOUNT)
    assert (backlog.unprocessed, backlog.oldest_unprocessed) == (2, 500.0)


async def test_counts_agree_with_counting(ledger, state_dir):
    await mixed(ledger)
    await ledger.retry(2)
    await ledger.set_baseline("sales", INBOX, Baseline(None, 5.0, ("a", "b")))
    counted = look(state_dir, "SELECT account, state, reason, count(*) FROM entries GROUP BY account, state, reason")
    assert await ledger.counts() == {(account, state, reason): number for account, state, reason, number in counted}


async def test_accounts_are_paused_and_resumed_and_it_is_told(ledger):
    await ledger.set_paused(ACCOUNT, True)
    await ledger.set_paused("sales", True)
    await ledger.set_paused("sales", False)
    assert await ledger.paused() == {ACCOUNT}
    assert [event["kind"] for event in await ledger.account_events("sales")] == ["account.resumed", "account.paused"]


async def test_an_accounts_events_are_kept_with_their_detail(ledger):
    for number in range(3):
        await ledger.record(ACCOUNT, "account.backoff", {"seconds": number})
    newest, older = await ledger.account_events(ACCOUNT, limit=2)
    assert (newest["kind"], newest["seconds"], older["seconds"]) == ("account.backoff", 2, 1)
    assert [event["seconds"] for event in await ledger.account_events(ACCOUNT, before=older["id"])] == [0]


async def test_secrets_are_kept_replaced_and_removed(ledger):
    assert await ledger.secret("support/refresh_token") is None
    await ledger.set_secret("support/refresh_token", b"sealed 1")
    await ledger.set_secret("support/refresh_token", b"sealed 2")
    assert await ledger.secret("support/refresh_token") == b"sealed 2"
    await ledger.set_secret("support/refresh_token", None)
    assert await ledger.secret("support/refresh_token") is None
