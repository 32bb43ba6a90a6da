"""From accepted to filed: cases, deliveries and what was parsed, in one transaction and in order of arrival."""

import hashlib

import pytest
from ledger.makers import (
    ACCOUNT,
    HOOKS,
    begin_next,
    events,
    file_due,
    filed,
    listing,
    look,
    message,
    opened,
    page,
    states,
    take,
    take_one,
)

from listener.errors import Refused
from listener.ledger import Parsed, State
from listener.message.model import Address, Attachment

PLENTY = 10**9


async def test_entries_are_due_in_order_of_arrival_and_handed_out_once(ledger):
    await take(ledger, page(listing(1), listing(2), state="1:3"), {"1:1": b"one", "1:2": b"two"})
    due = await ledger.due_entries(10, PLENTY)
    assert [(entry.id, entry.octets, entry.suspicious) for entry in due] == [(1, b"one", False), (2, b"two", False)]
    assert await ledger.due_entries(10, PLENTY) == []


async def test_entries_handed_back_are_due_again(ledger):
    await take_one(ledger, 1, b"one")
    await ledger.due_entries(10, PLENTY)
    ledger.work.clear()
    ledger.hand_back([1])
    assert ledger.work.is_set()
    assert [entry.id for entry in await ledger.due_entries(10, PLENTY)] == [1]


async def test_entries_whose_filing_failed_are_due_again(ledger):
    await take_one(ledger, 1, b"one")
    await ledger.due_entries(10, PLENTY)
    with pytest.raises(Refused, match="cannot be filed without its parsed message"):
        await ledger.file([Parsed(1, None)], HOOKS)
    assert [entry.id for entry in await ledger.due_entries(10, PLENTY)] == [1]


async def test_a_batch_is_bounded_by_count_and_by_octets_but_never_empty(ledger):
    octets = {"1:1": bytes(100), "1:2": b"x" * 100, "1:3": b"y" * 100}
    await take(ledger, page(*(listing(key) for key in octets), state="1:4"), octets)
    assert [entry.id for entry in await ledger.due_entries(10, 10)] == [1]
    assert [entry.id for entry in await ledger.due_entries(1, PLENTY)] == [2]
    assert [entry.id for entry in await ledger.due_entries(10, 199)] == [3]


async def test_what_an_earlier_life_left_comes_first_and_is_suspicious(ledger, state_dir, clock):
    await take_one(ledger, 1, b"one")
    await ledger.close()
    async with opened(state_dir, now=clock) as second:
        await take_one(second, 2, b"two")
        due = await second.due_entries(10, PLENTY)
        assert [(entry.octets, entry.suspicious, entry.attempts) for entry in due] == [(b"one", True, 0), (b"two", False, 0)]


async def test_parse_attempts_are_counted_before_the_attempt(ledger):
    await take_one(ledger, 1, b"one")
    assert [await ledger.parse_attempted(1) for _ in range(2)] == [1, 2]
    (due,) = await ledger.due_entries(10, PLENTY)
    assert (due.attempts, due.suspicious) == (2, True)


async def test_attempts_are_not_counted_for_what_does_not_wait(ledger):
    await filed(ledger, "one")
    with pytest.raises(Refused, match="entry 1 does not wait to be parsed"):
        await ledger.parse_attempted(1)


async def test_a_message_opens_a_case_and_has_a_delivery_for_each_hook(ledger):
    (case,) = await filed(ledger, "one", hooks={ACCOUNT: ["a", "b"]})
    assert await states(ledger) == [("filed", None)]
    assert [row["id"] for row in await ledger.cases()] == [case]
    assert [(due.entry, due.case, due.hook) for due in await ledger.due_deliveries(9, hook="b")] == [(1, case, "b")]
    assert len(await ledger.due_deliveries(9)) == 2
    assert ledger.work.is_set()


async def test_an_account_without_hooks_is_done_at_once(ledger):
    await filed(ledger, "one", hooks={})
    assert await states(ledger) == [("done", None)]


async def test_messages_of_one_batch_see_each_other(ledger):
    question, answer = message("one"), message("two", in_reply_to=("one@example.com",))
    cases = await filed(ledger, "one", "two", one=question, two=answer)
    assert cases[0] == cases[1]
    filed_event = (await ledger.explain(2))["events"][-1]
    assert (filed_event["rule"], filed_event["matched"]) == ("in_reply_to", "one@example.com")


async def test_a_later_batch_finds_the_case_by_references(ledger):
    (first,) = await filed(ledger, "one")
    (second,) = await filed(ledger, "two", two=message("two", references=("nobody@example.com", "one@example.com")))
    assert second == first
    assert (await ledger.case(first))["messages"] == 2


async def test_another_accounts_messages_are_not_joined(ledger):
    await filed(ledger, "one")
    await take(ledger, page(listing("two"), state="x"), {"two": b"two"}, account="sales")
    (case,) = await file_due(ledger, two=message("two", references=("one@example.com",)))
    assert len(await ledger.cases()) == 2
    assert (await ledger.case(case))["account"] == "sales"


async def test_a_message_id_used_again_belongs_to_the_first_case_that_had_it(ledger):
    first, second = await filed(ledger, "one", "two", two=message("one"))
    assert first != second
    (third,) = await filed(ledger, "three", three=message("three", references=("one@example.com",)))
    assert third == first


async def test_the_case_and_the_keys_are_the_same_after_a_lost_ledger(ledger, tmp_path):
    (case,) = await filed(ledger, "one")
    key = (await begin_next(ledger)).idempotency_key
    async with opened(tmp_path / "another") as other:
        await filed(other, "noise")
        (again,) = await filed(other, "one")
        delivery = await other.begin_delivery(2)
    assert (again, delivery.idempotency_key) == (case, key)
    digest = hashlib.sha256(b"one").hexdigest()
    assert key == hashlib.sha256(f"support\0{digest}\x001\0python:hook".encode()).hexdigest()


async def test_filing_twice_changes_nothing_and_says_the_same(ledger):
    (case,) = await filed(ledger, "one")
    assert await ledger.file([Parsed(1, message("one"))], HOOKS) == [(1, case)]
    assert (await ledger.case(case))["messages"] == 1


async def test_what_was_parsed_is_kept_whole(ledger):
    attachment = Attachment("a.pdf", "application/pdf", 3, "ab" * 32, "cid@example.com", "attachment")
    rich = message("one", text="Grüße", attachments=(attachment,), references=("x@example.com",), defects=("odd",))
    await filed(ledger, "one", one=rich)
    assert await ledger.message(1) == rich
    assert await ledger.message(2) is None


async def test_attachments_are_listed_with_their_entry(ledger, state_dir):
    attachment = Attachment("a.pdf", "application/pdf", 3, "ab" * 32, None, "attachment")
    await filed(ledger, "one", one=message("one", attachments=(attachment, attachment)))
    assert look(state_dir, "SELECT entry, position, filename, size FROM attachments") == [
        (1, 0, "a.pdf", 3),
        (1, 1, "a.pdf", 3),
    ]


async def test_whoever_is_merely_addressed_is_no_participant(ledger):
    people = message("one", to=(Address("", "support@example.com"),), cc=(Address("", "colleague@example.com"),))
    (case,) = await filed(ledger, "one", one=people)
    assert [one["address"] for one in (await ledger.case(case))["participants"]] == ["customer@example.com"]


@pytest.mark.parametrize("state", [State.IGNORED, State.QUARANTINED, State.DEAD])
async def test_a_message_may_end_before_a_case(ledger, state):
    await take_one(ledger, 1, b"one")
    assert await ledger.file([Parsed(1, None, state, "parse_crash", {"attempts": 3})], HOOKS) == [(1, None)]
    assert await states(ledger) == [(state.value, "parse_crash")]
    assert (await ledger.explain(1))["events"][-1]["attempts"] == 3
    assert await ledger.cases() == []


async def test_a_message_ended_by_a_rule_keeps_what_was_parsed_but_no_thread(ledger):
    await take_one(ledger, 1, b"one")
    await ledger.file([Parsed(1, message("one"), State.IGNORED, "rule:spam")], HOOKS)
    assert (await ledger.messages())[0]["subject"] == "About one"
    await filed(ledger, "two", two=message("two", references=("one@example.com",)))
    assert (await ledger.explain(2))["events"][-1]["rule"] == "new"


async def test_a_released_message_is_parsed_again_from_the_start(ledger):
    await take_one(ledger, 1, b"one")
    await ledger.parse_attempted(1)
    await ledger.file([Parsed(1, None, State.QUARANTINED, "parse_crash")], HOOKS)
    assert await ledger.release(1) == "accepted"
    (due,) = await ledger.due_entries(10, PLENTY)
    assert due.attempts == 0
    await file_due(ledger)
    assert await ledger.file([Parsed(1, message("one"))], HOOKS) != [(1, None)]


async def test_a_message_that_could_never_be_filed_is_retried_from_accepted(ledger):
    await take_one(ledger, 1, b"one")
    await ledger.file([Parsed(1, None, State.DEAD, "parse_failed")], HOOKS)
    assert await ledger.retry(1) == "accepted"
    assert await events(ledger, 1) == ["message.accepted", "message.dead", "message.retried"]


async def test_hostile_text_is_kept_as_far_as_it_can_be(ledger):
    """Lone surrogates and NUL come from raw 8-bit headers and broken charsets; neither may stop the ledger."""
    odd = "\ud800 and \x00"
    hostile = message(
        "one",
        subject=odd,
        text=odd,
        from_=(Address(odd, f"a{odd}@example.com"),),
        references=(odd,),
        in_reply_to=("one\udfff",),
    )
    (case,) = await filed(ledger, "one", one=hostile)
    assert (await ledger.case(case))["subject"] == "? and \x00"
    assert (await ledger.message(1)).text == odd


async def test_no_message_id_makes_no_thread(ledger):
    nameless = message("one")
    nameless = type(nameless)(message_id="", references=("",))
    cases = await filed(ledger, "one", "two", one=nameless, two=nameless)
    assert cases[0] != cases[1]


async def test_nothing_of_a_batch_is_filed_when_one_of_it_cannot_be(ledger):
    await take(ledger, page(listing(1), listing(2), state="1:3"), {"1:1": b"one", "1:2": b"two"})
    with pytest.raises(Refused, match="there is no entry 99"):
        await ledger.file([Parsed(1, message("one")), Parsed(99, message("none"))], HOOKS)
    assert [state for state, _ in await states(ledger)] == ["accepted", "accepted"]
    assert await ledger.cases() == []
