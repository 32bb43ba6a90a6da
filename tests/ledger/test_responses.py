"""Outgoing mail on its way: kept before it leaves, settled once, never an automatic one twice; and the lists."""

import pytest
from ledger.makers import ACCOUNT

from listener.errors import Refused
from listener.ledger.responding import Outgoing
from listener.ledger.responses import ResponseState
from listener.responder.policy import Purpose


def alert(key="k", account=ACCOUNT, purpose=Purpose.ALERT, **more):
    return Outgoing(key, purpose, account, "ops@example.com", subject="Alarm", text="Look.", **more)


async def begun(ledger, key="k"):
    number = await ledger.responses.send(alert(key))
    await ledger.responses.begin(number, f"{key}@example.com", b"octets")
    return number


async def test_of_one_key_there_is_never_a_second(ledger):
    assert await ledger.responses.send(alert()) == 1
    assert await ledger.responses.send(alert()) is None
    assert len(await ledger.responses.rows()) == 1
    assert ledger.responses.work.is_set()


async def test_what_is_begun_is_kept_and_what_was_kept_stays(ledger, clock):
    number = await begun(ledger)
    await ledger.responses.settle(number, ResponseState.DEFERRED, "later", again_at=clock.now + 60)
    assert await ledger.responses.begin(number, "other@example.com", b"other") == 2
    response = await ledger.responses.get(number)
    assert (response.message_id, response.octets, response.state) == ("k@example.com", b"octets", ResponseState.SENDING)


async def test_what_is_due_is_due_by_its_account_and_time(ledger, clock):
    first = await begun(ledger, "a")
    await ledger.responses.settle(first, ResponseState.DEFERRED, "later", again_at=clock.now + 60)
    second = await ledger.responses.send(alert("b"))
    other = await ledger.responses.send(alert("c", "sales"))
    assert await ledger.responses.waiting() == {ACCOUNT: clock.now, "sales": clock.now}
    assert await ledger.responses.due(ACCOUNT, clock.now, 10) == [second]
    assert await ledger.responses.due(ACCOUNT, clock.now + 60, 10) == [second, first]
    assert await ledger.responses.due("sales", clock.now, 10) == [other]


async def test_what_was_being_sent_is_found_by_the_next_life(ledger):
    number = await begun(ledger)
    assert [response.id for response in await ledger.responses.begun()] == [number]
    await ledger.responses.settle(number, ResponseState.SENT)
    assert await ledger.responses.begun() == []


async def test_what_is_sent_or_failed_is_not_begun_again(ledger):
    sent, failed = await begun(ledger, "a"), await begun(ledger, "b")
    await ledger.responses.settle(sent, ResponseState.SENT)
    await ledger.responses.settle(failed, ResponseState.FAILED, "550 no")
    for number in (sent, failed):
        with pytest.raises(Refused):
            await ledger.responses.begin(number, "x@example.com", b"x")
    assert await ledger.responses.waiting() == {}


async def test_settling_twice_is_settling_once(ledger):
    number = await begun(ledger)
    await ledger.responses.settle(number, ResponseState.SENT)
    await ledger.responses.settle(number, ResponseState.FAILED, "late")
    assert (await ledger.responses.row(number))["state"] == "sent"


async def test_what_nobody_knows_of_is_sent_again_flagged(ledger, clock):
    number = await begun(ledger)
    await ledger.responses.settle(number, ResponseState.UNKNOWN, "broke", again_at=clock.now)
    await ledger.responses.begin(number, "x@example.com", b"x")
    row = await ledger.responses.row(number)
    assert (row["state"], row["repeated"], row["message_id"]) == ("sending", True, "k@example.com")


async def test_the_list_by_state_and_account_page_by_page(ledger):
    for key in "abc":
        await ledger.responses.send(alert(key))
    await ledger.responses.send(alert("d", "sales"))
    await ledger.responses.begin(1, "x@example.com", b"x")
    ids = lambda rows: [row["id"] for row in rows]  # noqa: E731
    assert ids(await ledger.responses.rows(limit=2)) == [4, 3]
    assert ids(await ledger.responses.rows(limit=2, before=3)) == [2, 1]
    assert ids(await ledger.responses.rows(state="ready", account=ACCOUNT)) == [3, 2]
    assert ids(await ledger.responses.rows(account="sales")) == [4]
    assert ids(await ledger.responses.rows(state="sending")) == [1]


async def test_the_tallies_follow_every_step(ledger):
    number = await begun(ledger)
    assert await ledger.responses.tallies() == {("alert", "sending", ""): 1}
    await ledger.responses.settle(number, ResponseState.SENT)
    assert await ledger.responses.tallies() == {("alert", "sent", ""): 1}


async def test_only_answers_are_counted_by_the_breaker(ledger, clock):
    await ledger.responses.send(alert())
    assert await ledger.responses.answered(clock.now) == (0, 0)


async def test_there_is_nothing_to_unmute(ledger):
    with pytest.raises(Refused, match="not muted"):
        await ledger.responses.unmute("x@y.example")
    with pytest.raises(Refused, match="no reply 7"):
        await ledger.responses.get(7)
