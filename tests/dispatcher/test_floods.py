"""Rules and floods through a real ledger and dispatcher: held, released in order once it is quiet, each message one case."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from listener.config import Rule
from listener.dispatcher import AccountPlan, Dispatcher, Observer
from listener.ledger import ReleasedSome, flood
from listener.mailbox import Extent, Fetched, Listing, Page, SyncState
from listener.rules import FloodLimit, compiled
from tests.dispatcher.world import INBOX, UIDS, FakeHook, FakeParser, eventually, mail, receive

LIMIT = FloodLimit()


@pytest.fixture
def limited(clock):
    """`async with limited(ledger, …)`: a dispatcher with the limit on floods, and these rules."""

    @asynccontextmanager
    async def run(ledger, *rules, hooks=(), limit=LIMIT, observer=None, answers=lambda message: False):
        plan = AccountPlan(tuple(hook.name for hook in hooks), rules=compiled(rules), flood=limit, answers=answers)
        dispatcher = Dispatcher(
            ledger,
            FakeParser(),
            {hook.name: hook for hook in hooks},
            {"support": plan},
            now=clock,
            uniform=lambda a, b: a,
            observer=observer or Observer(),
        )
        running = asyncio.create_task(dispatcher.run())
        try:
            yield dispatcher
            await asyncio.wait_for(dispatcher.drain(5), 10)
            await asyncio.wait_for(running, 10)
        finally:
            running.cancel()
            await asyncio.wait({running})

    return run


async def receive_at(ledger, moments, sender="ann@example.com", first=1):
    """One message of the sender for each moment, received then; in one page."""
    octets = [mail(first + n).replace(b"ann@example.com", sender.encode()) for n in range(len(moments))]
    fetched = [
        Fetched(Listing(INBOX, f"1:{next(UIDS)}", len(one), at), Extent.WHOLE, one)
        for one, at in zip(octets, moments, strict=True)
    ]
    page = Page(INBOX, tuple(item.listing for item in fetched), SyncState(f"1:{next(UIDS)}"))
    return await ledger.accept("support", page, await ledger.plan("support", page), fetched, owe=False)


async def settled(ledger, states, wanted):
    await eventually(lambda: is_so(ledger, states, wanted))


async def is_so(ledger, states, wanted):
    return await states(ledger) == wanted


async def pass_time(dispatcher, clock, seconds):
    """Set the clock and let the releasing stage look at it."""
    clock.now += seconds
    dispatcher._running[2].wake()


async def test_a_hundred_of_one_sender_become_fifteen_cases_the_rest_is_held_and_none_is_lost(ledger, limited, clock, states):
    hook, aside = FakeHook("python:a:B"), []
    async with limited(ledger, hooks=[hook], observer=Observer(set_aside=lambda *said: aside.append(said))) as dispatcher:
        await receive_at(ledger, [clock.now] * 100)
        await settled(ledger, states, {"done": 15, "quarantined(flood)": 85})
        assert aside == [("quarantined", "flood")] * 85
        await pass_time(dispatcher, clock, LIMIT.release_after - 1)
        await asyncio.sleep(0.05)
        assert await states(ledger) == {"done": 15, "quarantined(flood)": 85}
        await pass_time(dispatcher, clock, 1)
        for left in (70, 55, 40, 25, 10):
            await settled(ledger, states, {"done": 100 - left, "quarantined(flood)": left})
            await pass_time(dispatcher, clock, flood.STEP)
        await settled(ledger, states, {"done": 100})
    assert [call.message.message_id for call in hook.calls] == [f"{n}@example.com" for n in range(1, 101)]
    cases = await ledger.cases(limit=1000)
    assert [case["messages"] for case in cases] == [1] * 100
    assert (await ledger.release_held()).next_at is None


async def test_the_history_says_why_it_was_held_and_that_it_was_released(ledger, limited, clock, states):
    async with limited(ledger, limit=FloodLimit(1, 60.0, 60.0)) as dispatcher:
        await receive_at(ledger, [clock.now] * 2)
        await settled(ledger, states, {"done": 1, "quarantined(flood)": 1})
        await pass_time(dispatcher, clock, 60)
        await settled(ledger, states, {"done": 2})
    events = [(event["kind"], event.get("rule")) for event in (await ledger.explain(2))["events"]]
    assert events[1:3] == [("message.quarantined", "flood"), ("message.released", "flood")]
    held = (await ledger.explain(2))["events"][1]
    assert held["limit"] == "1 in 60 s"


async def test_the_count_survives_a_restart(open_ledger, limited, clock, states):
    ledger = await open_ledger()
    async with limited(ledger):
        await receive_at(ledger, [clock.now] * 14)
        await settled(ledger, states, {"done": 14})
    await ledger.close()
    ledger = await open_ledger()
    async with limited(ledger):
        await receive_at(ledger, [clock.now] * 3, first=15)
        await settled(ledger, states, {"done": 15, "quarantined(flood)": 2})
    await ledger.close()
    ledger = await open_ledger()
    clock.now += LIMIT.release_after
    async with limited(ledger):
        await settled(ledger, states, {"done": 17})


async def test_what_was_released_and_not_yet_filed_when_the_process_died_is_filed_once(open_ledger, limited, clock, states):
    ledger = await open_ledger()
    async with limited(ledger):
        await receive_at(ledger, [clock.now] * 40)
        await settled(ledger, states, {"done": 15, "quarantined(flood)": 25})
    clock.now += LIMIT.release_after
    await ledger.release_held()  # and nobody lives to file them
    assert await states(ledger) == {"done": 15, "accepted": 15, "quarantined(flood)": 10}
    await ledger.close()
    ledger = await open_ledger()
    hook = FakeHook("python:a:B")
    async with limited(ledger, hooks=[hook]) as dispatcher:
        await settled(ledger, states, {"done": 30, "quarantined(flood)": 10})
        await pass_time(dispatcher, clock, flood.STEP)
        await settled(ledger, states, {"done": 40})
    assert [call.message.message_id for call in hook.calls] == [f"{n}@example.com" for n in range(16, 41)]


async def test_whoever_writes_slowly_enough_is_never_held(ledger, limited, clock, states):
    async with limited(ledger):
        await receive_at(ledger, [clock.now - 41.0 * n for n in range(50, 0, -1)])
        await settled(ledger, states, {"done": 50})


async def test_each_sender_is_counted_for_itself_in_whatever_spelling(ledger, limited, clock, states):
    async with limited(ledger, limit=FloodLimit(1, 60.0, 60.0)):
        await receive_at(ledger, [clock.now], "ann@example.com")
        await receive_at(ledger, [clock.now], "bob@example.com", first=2)
        await settled(ledger, states, {"done": 2})
        await receive_at(ledger, [clock.now], "ANN@Example.COM", first=3)
        await settled(ledger, states, {"done": 2, "quarantined(flood)": 1})


async def test_what_follows_while_something_is_held_waits_behind_it(ledger, limited, clock, states):
    hook = FakeHook("python:a:B")
    async with limited(ledger, hooks=[hook], limit=FloodLimit(1, 10.0, 60.0)) as dispatcher:
        await receive_at(ledger, [clock.now] * 2)
        await settled(ledger, states, {"done": 1, "quarantined(flood)": 1})
        clock.now += 30  # by now it would pass, were nothing held
        await receive_at(ledger, [clock.now], first=3)
        await settled(ledger, states, {"done": 1, "quarantined(flood)": 2})
        await pass_time(dispatcher, clock, 59)
        await asyncio.sleep(0.05)
        assert await states(ledger) == {"done": 1, "quarantined(flood)": 2}
        await pass_time(dispatcher, clock, 1)
        await settled(ledger, states, {"done": 3})
    assert [call.message.message_id for call in hook.calls] == ["1@example.com", "2@example.com", "3@example.com"]


async def test_a_sender_who_is_never_quiet_does_not_starve(ledger, limited, clock, states):
    hours = 3600.0
    async with limited(ledger, limit=FloodLimit(1, 60.0, 20 * hours)) as dispatcher:
        began = clock.now
        await receive_at(ledger, [clock.now] * 2)
        await settled(ledger, states, {"done": 1, "quarantined(flood)": 1})
        for number, passed in ((3, 15), (4, 23)):  # each begins the quiet anew
            clock.now = began + passed * hours
            await receive_at(ledger, [clock.now], first=number)
            await settled(ledger, states, {"done": 1, "quarantined(flood)": number - 1})
        assert (await ledger.release_held()).next_at == began + flood.LONGEST
        await pass_time(dispatcher, clock, began + flood.LONGEST - clock.now)
        await settled(ledger, states, {"done": 4})


async def test_a_sender_that_a_rule_accepts_is_never_held(ledger, limited, clock, states):
    monitoring = Rule(name="monitoring", when={"sender": ["*@monitor.example.com"]}, then="accept")
    async with limited(ledger, monitoring):
        await receive_at(ledger, [clock.now] * 50, "disk@monitor.example.com")
        await settled(ledger, states, {"done": 50})
    assert (await ledger.explain(50))["events"][-1]["let_through"] == "monitoring"


async def test_answers_to_our_own_mail_are_held_only_above_ten_times_the_limit(ledger, limited, clock, states):
    async with limited(ledger, limit=FloodLimit(2, 600.0, 600.0), answers=lambda message: True):
        await receive_at(ledger, [clock.now] * 25)
        await settled(ledger, states, {"done": 20, "quarantined(flood)": 5})


async def test_without_a_limit_nothing_is_held_or_counted(ledger, limited, clock, states):
    async with limited(ledger, limit=None):
        await receive_at(ledger, [clock.now] * 50)
        await settled(ledger, states, {"done": 50})
    assert await ledger._read(lambda c: c.execute("SELECT count(*) FROM arrivals").fetchone()[0]) == 0


async def test_a_server_whose_clock_is_ahead_holds_nobody_for_ever(ledger, limited, clock, states):
    async with limited(ledger, limit=FloodLimit(1, 60.0, 60.0)) as dispatcher:
        await receive_at(ledger, [clock.now + 1e9] * 2)
        await settled(ledger, states, {"done": 1, "quarantined(flood)": 1})
        await pass_time(dispatcher, clock, 60)
        await settled(ledger, states, {"done": 2})


async def test_old_arrivals_are_forgotten(ledger, limited, clock, states):
    async with limited(ledger):
        for number in range(5):
            await receive_at(ledger, [clock.now] * 10, f"s{number}@example.com", first=1 + 10 * number)
            await settled(ledger, states, {"done": 10 * (number + 1)})
            clock.now += 601
    assert await ledger._read(lambda c: c.execute("SELECT count(*) FROM arrivals").fetchone()[0]) == 10


async def test_one_message_released_by_hand_goes_before_the_others(ledger, limited, clock, states):
    async with limited(ledger, limit=FloodLimit(1, 60.0, 600.0)) as dispatcher:
        await receive_at(ledger, [clock.now] * 4)
        await settled(ledger, states, {"done": 1, "quarantined(flood)": 3})
        await ledger.release(3)
        await settled(ledger, states, {"done": 2, "quarantined(flood)": 2})
        await pass_time(dispatcher, clock, 600)
        await settled(ledger, states, {"done": 4})
    assert [row["messages"] for row in await ledger.cases()] == [1] * 4


async def test_a_release_by_hand_of_all_of_a_sender_leaves_the_others(ledger, limited, clock, states):
    async with limited(ledger, limit=FloodLimit(1, 60.0, 600.0)):
        await receive_at(ledger, [clock.now] * 4)
        await receive_at(ledger, [clock.now] * 4, "bob@example.org", first=5)
        await settled(ledger, states, {"done": 2, "quarantined(flood)": 6})
        assert await ledger.release_some(reason="rule") == ReleasedSome(0, None)
        assert await ledger.release_some(reason="flood", account="elsewhere") == ReleasedSome(0, None)
        assert await ledger.release_some(reason="flood", account="support", sender="example.org") == ReleasedSome(3, None)
        await settled(ledger, states, {"done": 5, "quarantined(flood)": 3})
        assert await ledger.release_some() == ReleasedSome(3, None)
        await settled(ledger, states, {"done": 8})


async def test_a_large_quarantine_is_released_bit_by_bit(ledger, limited, clock, states, monkeypatch):
    monkeypatch.setattr(flood, "LOOKED_AT_ONCE", 10)
    async with limited(ledger):
        await receive_at(ledger, [clock.now] * 40)
        await settled(ledger, states, {"done": 15, "quarantined(flood)": 25})
        steps, after = [], 0
        while after is not None:
            step = await ledger.release_some(reason="flood", after=after)
            steps.append(step.messages)
            after = step.after
        assert steps == [10, 10, 5]
        await settled(ledger, states, {"done": 40})


# --- rules --------------------------------------------------------------------------------------------------------------

NO_LISTS = Rule(name="no-lists", when={"subject_contains": ["newsletter"]}, then="ignore", reason="read elsewhere")
LARGE = Rule(name="large", when={"size_over": "1KB"}, then="quarantine")


async def test_what_a_rule_sets_aside_is_kept_counted_and_explained(ledger, limited, states):
    aside = []
    async with limited(ledger, NO_LISTS, LARGE, observer=Observer(set_aside=lambda *said: aside.append(said))):
        await receive(ledger, [mail(1, subject="Our Newsletter"), mail(2, body="x" * 2000), mail(3)])
        await settled(ledger, states, {"ignored(rule: read elsewhere)": 1, "quarantined(rule: large)": 1, "done": 1})
    assert sorted(aside) == [("ignored", "rule: read elsewhere"), ("quarantined", "rule: large")]
    assert (await ledger.explain(1))["events"][-1]["rule"] == "no-lists"
    assert (await ledger.explain(2))["subject"] == "Mail 2"
    assert ledger.read_raw(1) == mail(1, subject="Our Newsletter")


async def test_what_a_person_released_is_not_judged_again(ledger, limited, states):
    async with limited(ledger, LARGE):
        await receive(ledger, [mail(1, body="x" * 2000)])
        await settled(ledger, states, {"quarantined(rule: large)": 1})
        await ledger.release(1)
        await settled(ledger, states, {"done": 1})


async def test_new_rules_apply_to_later_mail_only(ledger, limited, states):
    async with limited(ledger) as dispatcher:
        await receive(ledger, [mail(1, subject="Newsletter 1")])
        await settled(ledger, states, {"done": 1})
        await dispatcher.update({}, {"support": AccountPlan(rules=compiled([NO_LISTS]))})
        await receive(ledger, [mail(2, subject="Newsletter 2")])
        await settled(ledger, states, {"done": 1, "ignored(rule: read elsewhere)": 1})


async def test_a_rule_may_ask_for_a_field_of_the_real_header(ledger, limited, states):
    spam = Rule(name="spam", when={"header": ["X-Spam-Flag: yes"]}, then="quarantine")
    async with limited(ledger, spam):
        await receive(ledger, [b"X-Spam-Flag: YES\r\n" + mail(1), mail(2, body="X-Spam-Flag: YES\r\n")])
        await settled(ledger, states, {"done": 1, "quarantined(rule: spam)": 1})
