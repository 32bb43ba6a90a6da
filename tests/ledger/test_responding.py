"""The verdict on an answer and its count, in the transaction that files the message: exact in a batch, and after a restart."""

import contextlib
import sqlite3

import pytest
from ledger.makers import (
    ACCOUNT,
    HOOKS,
    INBOX,
    begin_next,
    events,
    file_due,
    filed,
    listing,
    message,
    opened,
    page,
    take,
    whole,
)

from listener.hooks import Filed
from listener.ledger import Parsed, State
from listener.ledger.responses import ResponseState
from listener.mailbox import Baseline
from listener.message.model import Address, Authentication, Automatic, Bounce, BounceRecipient, Kind, Verdict
from listener.responder.policy import Budgets, Purpose, ReplyPolicy

PASS = Authentication(Verdict.PASS, "mx")
MANY = Budgets(per_sender=1000, per_minute=1000, per_case=1000, breaker_floor=10_000)


def policy(**more):
    return {ACCOUNT: ReplyPolicy(ACCOUNT, **({"on": "every_message", "can_send": True} | more))}


def person(name, address=None, **more):
    address = address or f"{name}@customer.example"
    return message(name, from_=(Address("A", address),), return_path=address, authentication=PASS, **more)


async def receive(ledger, *names, **messages):
    given = {name: messages.get(name) or person(name) for name in names}
    return await filed(ledger, *names, hooks={}, **given)


async def answers(ledger):
    """Recipient, state and rule, oldest first."""
    rows = await ledger.responses.rows(limit=1000)
    return [(row["recipient"], row["state"], row["reason"]) for row in reversed(rows)]


async def test_a_filed_message_is_owed_an_answer_in_the_same_commit(ledger):
    ledger.responses.answer_by(policy())
    await receive(ledger, "a")
    (row,) = await ledger.responses.rows()
    assert (row["recipient"], row["state"], row["purpose"], row["entry"]) == ("a@customer.example", "ready", "automatic", 1)
    assert ledger.responses.work.is_set()
    assert "reply.ready" in await events(ledger, 1)


async def test_without_a_policy_nothing_is_written(ledger):
    await receive(ledger, "a")
    assert await answers(ledger) == []


async def test_only_the_message_that_opens_a_case_is_acknowledged_by_default(ledger):
    ledger.responses.answer_by(policy(on="new_case"))
    question = person("a")
    answer = person("b", "a@customer.example", references=("a@example.com",), in_reply_to=("a@example.com",))
    await receive(ledger, "a", "b", a=question, b=answer)
    assert len(await answers(ledger)) == 1


async def test_what_must_not_be_answered_is_listed_with_its_rule(ledger):
    ledger.responses.answer_by(policy())
    listed = person("a", automatic=Automatic(suppress_reply=True, rules=("list_field",)))
    await receive(ledger, "a", "b", a=listed, b=message("b"))
    assert [(state, rule) for _, state, rule in await answers(ledger)] == [
        ("suppressed", "list_field"),
        ("suppressed", "sender_unverified"),
    ]
    assert "reply.suppressed" in await events(ledger, 1)


async def test_one_acknowledgement_a_sender_within_a_day_in_one_batch_and_over_a_restart(state_dir, clock):
    async with opened(state_dir, now=clock) as ledger:
        ledger.responses.answer_by(policy())
        await receive(ledger, "a", "b", a=person("a", "x@y.example"), b=person("b", "X@y.example"))
    clock.now += 86_399
    async with opened(state_dir, now=clock) as ledger:
        ledger.responses.answer_by(policy())
        await receive(ledger, "c", c=person("c", "x@y.example"))
        clock.now += 2
        await receive(ledger, "d", d=person("d", "x@y.example"))
        assert [rule for _, _, rule in await answers(ledger)] == [None, "budget_sender", "budget_sender", None]


async def test_three_in_a_case_and_never_a_fourth(ledger):
    ledger.responses.answer_by(policy(budgets=Budgets(per_sender=100)))
    names = [f"m{number}" for number in range(5)]
    same = {n: person(n, "x@y.example", references=("m0@example.com",), in_reply_to=("m0@example.com",)) for n in names[1:]}
    await receive(ledger, *names, m0=person("m0", "x@y.example"), **same)
    assert [rule for _, _, rule in await answers(ledger)] == [None, None, None, "budget_case", "budget_case"]


async def test_twenty_a_minute_in_one_batch(ledger, clock):
    ledger.responses.answer_by(policy())
    await receive(ledger, *[f"m{number}" for number in range(22)])
    clock.now += 61
    await receive(ledger, "later")
    rules = [rule for _, _, rule in await answers(ledger)]
    assert rules == [None] * 20 + ["budget_minute"] * 2 + [None]


async def test_five_an_hour_to_a_domain_that_vouches_for_nobody(ledger):
    ledger.responses.answer_by(policy(anyone=True))
    names = [f"m{number}" for number in range(7)]
    await receive(
        ledger, *names, **{n: message(n, from_=(Address("", f"{n}@x.example"),), return_path=f"{n}@x.example") for n in names}
    )
    assert [rule for _, _, rule in await answers(ledger)] == [None] * 5 + ["budget_domain"] * 2


async def test_the_breaker_compares_the_day_with_the_week_before(ledger, clock):
    ledger.responses.answer_by(policy(budgets=Budgets(per_sender=9, per_minute=99, breaker=2, breaker_floor=2)))
    for day in range(7):
        await receive(ledger, f"{day}a", f"{day}b")
        clock.now += 86_400
    await receive(ledger, *[f"now{number}" for number in range(6)])
    assert [rule for _, _, rule in await answers(ledger)][14:] == [None] * 4 + ["breaker"] * 2
    clock.now += 2 * 86_400
    await receive(ledger, "well")
    assert (await answers(ledger))[-1][1] == "ready"


async def test_mail_from_before_the_accounts_start_is_not_answered(ledger, clock):
    ledger.responses.answer_by(policy())
    await ledger.set_baseline(ACCOUNT, INBOX, Baseline(None, 0.0))
    old, new = listing("old", received_at=clock.now - 1), listing("new", received_at=clock.now)
    await take(ledger, page(old, new, state="1"), {"old": whole(old, b"old"), "new": whole(new, b"new")})
    await file_due(ledger, {}, old=person("old"), new=person("new"))
    assert [rule for _, _, rule in await answers(ledger)] == ["before_start", None]


async def test_where_a_server_tells_no_time_the_date_counts(ledger):
    ledger.responses.answer_by(policy())
    await ledger.set_baseline(ACCOUNT, INBOX, Baseline(None, 0.0))
    await receive(ledger, "a", "b", a=person("a", date="2001-01-01T00:00:00+00:00"), b=person("b", date="rubbish"))
    assert [rule for _, _, rule in await answers(ledger)] == ["before_start", None]


async def test_what_was_held_as_a_flood_and_released_is_not_answered(ledger):
    ledger.responses.answer_by(policy())
    await take(ledger, page(listing("a"), state="1"), {"a": b"a"})

    await ledger.file([Parsed(1, person("a"), State.QUARANTINED, "flood")], {})
    await ledger.release(1)
    await file_due(ledger, {}, a=person("a"))
    assert [rule for _, _, rule in await answers(ledger)] == ["held_flood"]


# --- what hooks reply -------------------------------------------------------------------------------------------------


async def hook_replies(ledger, text="Thank you.", **more):
    await filed(ledger, "a", hooks=HOOKS, a=more.pop("a", person("a")), **more)
    delivery = await begin_next(ledger)
    await ledger.settle_delivery(delivery.id, Filed(reply=text))
    return delivery


async def test_a_hooks_reply_is_owed_once_for_its_key(ledger):
    ledger.responses.answer_by(policy(on="never"))
    delivery = await hook_replies(ledger)
    await ledger.settle_delivery(delivery.id, Filed(reply="Thank you."))
    (row,) = await ledger.responses.rows()
    response = await ledger.responses.get(row["id"])
    assert (response.purpose, response.key, response.text) == (Purpose.HOOK, delivery.idempotency_key, "Thank you.")
    assert (response.recipient, response.hook) == ("a@customer.example", HOOKS[ACCOUNT][0])


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"automatic": Automatic(is_machine=True, suppress_reply=True, rules=("auto_replied",))}, "auto_replied"),
        ({"authentication": Authentication()}, "sender_unverified"),
    ],
)
async def test_a_hooks_reply_is_held_to_the_same_rules(ledger, more, rule):
    ledger.responses.answer_by(policy(on="never"))
    sender = (Address("", "a@customer.example"),)
    given = {"from_": sender, "return_path": "a@customer.example", "authentication": PASS} | more
    await hook_replies(ledger, a=message("a", **given))
    assert await answers(ledger) == [("a@customer.example", "suppressed", rule)]


async def test_a_hook_does_not_reply_to_a_stranger_who_knows_the_token(ledger, state_dir):
    ledger.responses.answer_by(policy(on="never"))
    await filed(ledger, "a", hooks=HOOKS, a=person("a"))
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3", isolation_level=None)) as beside:
        beside.execute("UPDATE messages SET standing = 'unverified'")
    await ledger.settle_delivery((await begin_next(ledger)).id, Filed(reply="Hello."))
    assert [rule for _, _, rule in await answers(ledger)] == ["unverified_comment"]


async def test_a_reply_goes_to_the_requester_whoever_wrote_last(ledger, state_dir):
    ledger.responses.answer_by(policy(on="never"))
    (case,) = await filed(ledger, "a", hooks={}, a=person("a", "requester@y.example"))
    await filed(ledger, "b", hooks=HOOKS, b=person("b", "colleague@z.example"))
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3", isolation_level=None)) as beside:
        beside.execute("UPDATE deliveries SET case_id = ?", (case,))
    await ledger.settle_delivery((await begin_next(ledger)).id, Filed(reply="Hello."))
    (row,) = await ledger.responses.rows()
    assert (row["recipient"], row["state"], row["entry"]) == ("requester@y.example", "ready", 2)


async def test_an_account_that_left_the_configuration_replies_to_nobody(ledger):
    await hook_replies(ledger)
    assert [rule for _, _, rule in await answers(ledger)] == ["no_sender"]


async def test_a_hook_that_replies_nothing_but_white_space_replies_nothing(ledger):
    ledger.responses.answer_by(policy())
    await hook_replies(ledger, " \n", a=message("a", from_=()))
    assert [row["purpose"] for row in await ledger.responses.rows()] == ["automatic"]


async def test_hooks_may_reply_more_than_once_a_day_but_not_for_ever(ledger):
    ledger.responses.answer_by(policy(on="never", budgets=Budgets(hook_per_sender=2)))
    for name in ("a", "b", "c"):
        await filed(ledger, name, hooks=HOOKS, **{name: person(name, "x@y.example")})
        await ledger.settle_delivery((await begin_next(ledger)).id, Filed(reply="Hello."))
    assert [rule for _, _, rule in await answers(ledger)] == [None, None, "budget_hook"]


# --- what comes back --------------------------------------------------------------------------------------------------


def bounce(name, of, permanent=True):
    kind = Kind.BOUNCE if permanent else Kind.DELAYED
    one = BounceRecipient("other@forged.example", "failed", "5.1.1", permanent, "user_unknown", "")
    automatic = Automatic(is_machine=True, suppress_reply=True, rules=("delivery_failed",))
    return message(name, from_=(), kind=kind, automatic=automatic, bounce=Bounce((one,), of))


async def sent(ledger):
    (number,) = await ledger.responses.due(ACCOUNT, 2e9, 1)
    await ledger.responses.begin(number, "ours.1@example.com", b"octets")
    await ledger.responses.settle(number, ResponseState.SENT)


async def test_a_bounce_of_our_own_mail_mutes_the_address_it_went_to_and_no_other(ledger):
    ledger.responses.answer_by(policy(budgets=MANY))
    await receive(ledger, "a", a=person("a", "x@y.example"))
    await sent(ledger)
    await receive(ledger, "back", back=bounce("back", "ours.1@example.com"))
    assert [(row["address"], row["reason"]) for row in await ledger.responses.muted()] == [
        ("x@y.example", "5.1.1 user_unknown")
    ]
    assert "reply.bounced" in await events(ledger, 2)
    await receive(ledger, "b", b=person("b", "X@Y.example"))
    assert (await answers(ledger))[-1][2] == "muted"
    await ledger.responses.unmute("x@y.example")
    await receive(ledger, "c", c=person("c", "x@y.example"))
    assert (await answers(ledger))[-1][1] == "ready"


@pytest.mark.parametrize(("of", "permanent"), [("theirs@example.net", True), ("ours.1@example.com", False), ("", True)])
async def test_nobody_is_muted_by_other_bounces_or_a_delay(ledger, of, permanent):
    ledger.responses.answer_by(policy(budgets=MANY))
    await receive(ledger, "a", a=person("a", "x@y.example"))
    await sent(ledger)
    await receive(ledger, "back", back=bounce("back", of, permanent))
    assert await ledger.responses.muted() == []
