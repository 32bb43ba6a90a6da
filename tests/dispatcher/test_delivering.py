"""From filed to done: each message once in effect, in order within a case, and no hook holds up another."""

import asyncio

import pytest
import structlog

from listener.dispatcher import AccountPlan, Dispatcher, Observer
from listener.dispatcher.delivering import RETRY_AFTER
from listener.errors import LedgerFull
from listener.hooks import Deferred, Filed, HookFailed, HookRefused, Ignored
from tests.dispatcher.world import FakeHook, FakeParser, eventually, mail, receive


async def ends(event):
    """None, once the event is set."""
    await event.wait()


async def deliveries(ledger, entry=1):
    return (await ledger.explain(entry))["deliveries"]


async def settled(ledger, entry=1):
    """The entry's row, once it is done or dead."""
    row = await ledger.explain(entry)
    return row if row["state"] in ("done", "dead") else None


async def all_settled(ledger, number):
    counts = await ledger.counts()
    return number == sum(n for (_, state, _), n in counts.items() if state in ("done", "dead"))


async def test_a_hook_is_told_message_case_and_entry_and_its_answer_is_kept(ledger, dispatching):
    hook = FakeHook("python:a:B", lambda call: Filed("CRM-1", note="noted"))
    async with dispatching(ledger, hook):
        await receive(ledger, [mail(1, subject="Printer")])
        row = await eventually(lambda: settled(ledger))
        await receive(ledger, [mail(2, references=1)])
        await eventually(lambda: settled(ledger, 2))
    first, second = hook.calls
    assert (first.message.subject, first.case.subject, first.case.is_new, first.case.reference) == (
        "Printer",
        "Printer",
        True,
        None,
    )
    assert (second.case.id, second.case.is_new, second.case.reference) == (first.case.id, False, "CRM-1")
    assert (first.entry.id, first.entry.account, first.entry.folder, first.entry.attempt) == (1, "support", "INBOX", 1)
    assert first.entry.raw() == mail(1, subject="Printer")
    assert row["state"] == "done"
    assert row["deliveries"][0]["answer"] == {"outcome": "filed", "reference": "CRM-1", "note": "noted"}


async def test_of_a_hundred_messages_one_poisons_its_hook_and_none_waits_for_it(ledger, dispatching, clock, states):
    def answer(call):
        return HookFailed("cannot digest it") if call.message.subject == "Mail 50" else Filed()

    hook = FakeHook("python:a:B", answer)
    async with dispatching(ledger, hook):
        await receive(ledger, [mail(n) for n in range(100)])
        await eventually(lambda: all_settled(ledger, 99))
        assert await states(ledger) == {"done": 99, "filed": 1}  # long before the poison's next attempt
        for _ in range(7):
            calls = len(hook.calls)
            clock.now += max(RETRY_AFTER) + 1
            ledger.work.set()
            await eventually(lambda calls=calls: len(hook.calls) > calls)
        await eventually(lambda: all_settled(ledger, 100))
    assert await states(ledger) == {"done": 99, "dead(hook_failed)": 1}
    [dead] = await ledger.messages(state="dead")
    explained = await ledger.explain(dead["id"])
    assert dead["subject"] == "Mail 50"
    assert explained["deliveries"][0]["attempts"] == 8
    assert explained["deliveries"][0]["reason"] == "cannot digest it"
    assert [call.entry.attempt for call in hook.calls if call.entry.id == dead["id"]] == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_retries_come_later_each_time_and_by_themselves(ledger, dispatching, clock):
    hook = FakeHook("python:a:B", lambda call: HookFailed("down"))
    waits = []
    async with dispatching(ledger, hook, hook_attempts=7):
        await receive(ledger, [mail(1)])
        for attempt in range(1, 7):
            await eventually(lambda attempt=attempt: waiting(ledger, attempt))
            due = await ledger.next_due(hook=hook.name)
            waits.append(due - clock.now)
            clock.now = due
            ledger.work.set()
        await eventually(lambda: settled(ledger))
    assert waits == [60.0, 300.0, 1800.0, 7200.0, 21_600.0, 21_600.0]
    assert len({call.entry.idempotency_key for call in hook.calls}) == 1


async def waiting(ledger, attempts):
    """The delivery, once it failed so many times and waits for the next attempt."""
    due = await ledger.next_due()  # first: once it lies ahead, the failure is on record
    found = await deliveries(ledger)
    return found if found and found[0]["attempts"] == attempts and due is not None and due > ledger._now() else None


async def test_a_retry_needs_nobody_to_wake_it(open_ledger, clock):
    """No event comes: the lane's own timer does it, here within a real tenth of a second."""
    ledger = await open_ledger()
    answers = [HookFailed("once"), Filed()]
    hook = FakeHook("python:a:B", lambda call: answers.pop(0))
    dispatcher = Dispatcher(
        ledger, FakeParser(), {hook.name: hook}, {"support": AccountPlan((hook.name,))}, now=clock, uniform=lambda a, b: 0.1
    )
    running = asyncio.create_task(dispatcher.run())
    await receive(ledger, [mail(1)])
    await eventually(lambda: len(hook.calls) == 1)
    await eventually(lambda: waiting(ledger, 1))
    clock.now += 0.2
    await eventually(lambda: settled(ledger))
    await dispatcher.drain(5)
    await running


async def test_full_jitter_draws_from_nothing_to_the_longest(ledger, dispatching):
    drawn = []

    def uniform(low, high):
        drawn.append((low, high))
        return high

    hook = FakeHook("python:a:B", lambda call: HookFailed("down"))
    async with dispatching(ledger, hook, uniform=uniform):
        await receive(ledger, [mail(1)])
        await eventually(lambda: waiting(ledger, 1))
    assert drawn == [(0.0, 60.0)]


@pytest.mark.parametrize(("asked", "waits"), [(600.0, 600.0), (5.0, 60.0), (10**9, 24 * 3600.0), (None, 60.0)])
async def test_retry_after_is_honoured_within_bounds(ledger, dispatching, clock, asked, waits):
    hook = FakeHook("webhook:crm", lambda call: HookFailed("answered 429", retry_after=asked))
    async with dispatching(ledger, hook):
        await receive(ledger, [mail(1)])
        await eventually(lambda: waiting(ledger, 1))
        assert await ledger.next_due() - clock.now == waits


async def test_deferred_is_asked_again_after_its_time_and_is_not_counted(ledger, dispatching, clock):
    answers = [Deferred(90.0)] * 20 + [Filed()]
    hook = FakeHook("python:a:B", lambda call: answers.pop(0))
    async with dispatching(ledger, hook, hook_attempts=2):
        await receive(ledger, [mail(1)])
        for number in range(1, 21):
            await eventually(lambda number=number: len(hook.calls) == number)
            await eventually(lambda: waiting(ledger, 0))
            assert await ledger.next_due() - clock.now == 90.0
            clock.now += 90.0
            ledger.work.set()
        row = await eventually(lambda: settled(ledger))
    assert row["state"] == "done"
    assert {call.entry.attempt for call in hook.calls} == {1}


async def test_a_refusal_is_dead_at_once_and_a_retry_by_hand_asks_again_with_the_same_key(ledger, dispatching, states):
    answers = [HookRefused("no such queue"), Filed()]
    hook = FakeHook("python:a:B", lambda call: answers.pop(0))
    async with dispatching(ledger, hook):
        await receive(ledger, [mail(1)])
        row = await eventually(lambda: settled(ledger))
        assert (row["state"], row["deliveries"][0]["reason"]) == ("dead", "no such queue")
        await ledger.retry(1)
        await eventually(lambda: states_are(ledger, states, {"done": 1}))
    assert hook.calls[0].entry.idempotency_key == hook.calls[1].entry.idempotency_key
    assert [call.entry.attempt for call in hook.calls] == [1, 1]


async def states_are(ledger, states, wanted):
    return await states(ledger) == wanted


async def test_ignored_and_none_end_a_delivery(ledger, dispatching):
    one, two = FakeHook("python:a:One", lambda call: Ignored("a newsletter")), FakeHook("python:a:Two", lambda call: None)
    async with dispatching(ledger, one, two):
        await receive(ledger, [mail(1)])
        row = await eventually(lambda: settled(ledger))
    assert row["state"] == "done"
    assert [(d["hook"], d["state"], d["reason"]) for d in row["deliveries"]] == [
        ("python:a:One", "ignored", "a newsletter"),
        ("python:a:Two", "done", None),
    ]


async def test_one_dead_delivery_makes_the_message_dead_after_the_others_are_done(ledger, dispatching):
    go = asyncio.Event()
    bad, slow = FakeHook("python:a:Bad", lambda call: HookRefused("no")), FakeHook("python:a:Slow", lambda call: ends(go))
    async with dispatching(ledger, bad, slow):
        await receive(ledger, [mail(1)])
        await eventually(lambda: first_is_dead(ledger))
        assert (await ledger.explain(1))["state"] == "filed"
        go.set()
        row = await eventually(lambda: settled(ledger))
    assert (row["state"], row["reason"]) == ("dead", "hook_failed")


async def first_is_dead(ledger):
    found = await deliveries(ledger)
    return found and found[0]["state"] == "dead"


async def test_a_case_is_told_in_order_and_cases_side_by_side(ledger, dispatching):
    hold = {"1": asyncio.Event(), "2": asyncio.Event()}

    async def answer(call):
        if call.message.subject == "Mail 1":
            await hold["1"].wait()

    hook = FakeHook("python:a:B", answer)
    async with dispatching(ledger, hook):
        await receive(ledger, [mail(1), mail(11, references=1), mail(12, references=1), mail(2), mail(3)])
        await eventually(lambda: all_settled(ledger, 2))
        assert {call.message.subject for call in hook.calls} == {"Mail 1", "Mail 2", "Mail 3"}
        hold["1"].set()
        await eventually(lambda: all_settled(ledger, 5))
    assert [call.message.subject for call in hook.calls][3:] == ["Mail 11", "Mail 12"]


async def test_a_failure_holds_up_its_own_case_only(ledger, dispatching, clock):
    answers = [HookFailed("once")]
    hook = FakeHook("python:a:B", lambda call: answers.pop() if call.message.subject == "Mail 1" and answers else Filed())
    async with dispatching(ledger, hook):
        await receive(ledger, [mail(1), mail(11, references=1), mail(2)])
        await eventually(lambda: all_settled(ledger, 1))
        await eventually(lambda: waiting(ledger, 1))
        assert "Mail 11" not in {call.message.subject for call in hook.calls}
        clock.now += 60.0
        ledger.work.set()
        await eventually(lambda: all_settled(ledger, 3))
    assert [call.message.subject for call in hook.calls if call.message.subject != "Mail 2"] == ["Mail 1", "Mail 1", "Mail 11"]


async def test_calls_of_one_hook_are_bounded_and_a_stuck_hook_holds_up_no_other(ledger, dispatching):
    never = asyncio.Event()
    stuck, other = FakeHook("python:a:Stuck", lambda call: ends(never)), FakeHook("python:a:Other")
    async with dispatching(ledger, stuck, other, hook_concurrency=3):
        await receive(ledger, [mail(n) for n in range(20)])
        await eventually(lambda: len(other.calls) == 20)
        assert stuck.most_at_once == 3
        assert len(stuck.calls) == 3
        assert other.most_at_once <= 3
        stuck.answer = lambda call: None
        never.set()
        await eventually(lambda: all_settled(ledger, 20))


async def test_the_attempt_is_on_disk_before_the_hook_is_called(ledger, dispatching):
    seen = []

    async def answer(call):
        seen.append((await deliveries(ledger))[0]["attempts"])

    async with dispatching(ledger, FakeHook("python:a:B", answer)):
        await receive(ledger, [mail(1)])
        await eventually(lambda: settled(ledger))
    assert seen == [1]


async def test_a_delivery_during_which_the_process_always_ended_is_dead_in_the_end(open_ledger, dispatching):
    ledger = await open_ledger()
    hook = FakeHook("python:a:B")
    await receive(ledger, [mail(1)])
    async with dispatching(ledger, FakeHook("python:a:B", lambda call: Deferred(1.0))):
        await eventually(lambda: waiting(ledger, 0))
    for _ in range(8):
        await ledger.begin_delivery(1)  # and then the lights go out
        await ledger.close()
        ledger = await open_ledger()
    ledger._now.now += 2.0
    async with dispatching(ledger, hook):
        row = await eventually(lambda: settled(ledger))
    assert (row["state"], row["deliveries"][0]["reason"]) == ("dead", "the process ended during each of 8 attempts")
    assert hook.calls == []


async def test_keys_are_the_same_after_a_restart_and_after_a_lost_ledger(open_ledger, dispatching, tmp_path):
    keys = []
    for life in ("first", "second", "lost"):
        ledger = await open_ledger()
        hook = FakeHook("python:a:B", lambda call, life=life: Filed() if life == "lost" else Deferred(1.0))
        async with dispatching(ledger, hook):
            if life != "second":
                await receive(ledger, [mail(1), mail(2)])
            await eventually(lambda hook=hook: len(hook.calls) == 2)
        ledger._now.now += 2.0
        await ledger.close()
        keys.append(sorted(call.entry.idempotency_key for call in hook.calls))
        if life == "second":
            for file in (tmp_path / "state").iterdir():
                file.unlink()
    assert keys[0] == keys[1] == keys[2]
    assert len(set(keys[0])) == 2


async def test_drain_lets_running_hooks_finish_and_begins_no_more(ledger, dispatching):
    go = asyncio.Event()
    hook = FakeHook("python:a:B", lambda call: ends(go))
    async with dispatching(ledger, hook, hook_concurrency=1) as dispatcher:
        await receive(ledger, [mail(1), mail(2)])
        await eventually(lambda: hook.calls)
        hook.answer = lambda call: None
        draining = asyncio.create_task(dispatcher.drain(30))
        await asyncio.sleep(0)
        go.set()
        assert await draining is True
    assert len(hook.calls) == 1
    assert await all_settled(ledger, 1)


async def test_what_the_drain_cuts_short_is_due_again_and_not_counted(open_ledger, dispatching):
    ledger = await open_ledger()
    ended = []

    async def answer(call):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(call.message.subject)

    async with dispatching(ledger, FakeHook("python:a:B", answer)) as dispatcher:
        await receive(ledger, [mail(1), mail(2)])
        await eventually(lambda: deliveries_begun(ledger, 2))
        assert await dispatcher.drain(0.05) is False
    assert sorted(ended) == ["Mail 1", "Mail 2"]
    assert [d["attempts"] for n in (1, 2) for d in await deliveries(ledger, n)] == [0, 0]
    again = FakeHook("python:a:B")
    async with dispatching(ledger, again):
        await eventually(lambda: all_settled(ledger, 2))
    assert len(again.calls) == 2


async def deliveries_begun(ledger, number):
    return number == sum([d["attempts"] for n in range(1, number + 1) for d in await deliveries(ledger, n) or ()])


async def test_an_answer_is_written_down_although_the_dispatcher_is_cancelled_meanwhile(ledger, dispatching, monkeypatch):
    settle, reached, go = ledger.settle_delivery, asyncio.Event(), asyncio.Event()

    async def slow(delivery, outcome):
        reached.set()
        await go.wait()
        await settle(delivery, outcome)

    monkeypatch.setattr(ledger, "settle_delivery", slow)
    hook = FakeHook("python:a:B", lambda call: Filed("CRM-1"))
    dispatcher = Dispatcher(ledger, FakeParser(), {hook.name: hook}, {"support": AccountPlan((hook.name,))}, now=ledger._now)
    running = asyncio.create_task(dispatcher.run())
    await receive(ledger, [mail(1)])
    await asyncio.wait_for(reached.wait(), 10)
    running.cancel()
    await asyncio.sleep(0)
    go.set()
    await asyncio.wait({running})
    assert (await ledger.explain(1))["state"] == "done"
    assert [case["reference"] for case in await ledger.cases()] == ["CRM-1"]


async def test_an_answer_survives_a_full_disk(ledger, dispatching, monkeypatch):
    monkeypatch.setattr("listener.dispatcher.patience.FIRST_LOOK", 0.01)
    settle, tries = ledger.settle_delivery, []

    async def full(delivery, outcome):
        tries.append(outcome)
        if len(tries) < 3:
            raise LedgerFull("no space left on device")
        await settle(delivery, outcome)

    monkeypatch.setattr(ledger, "settle_delivery", full)
    hook = FakeHook("python:a:B", lambda call: Filed("CRM-1"))
    async with dispatching(ledger, hook):
        await receive(ledger, [mail(1)])
        await eventually(lambda: settled(ledger))
    assert (len(hook.calls), tries) == (1, [Filed("CRM-1")] * 3)


async def test_a_fault_of_a_host_is_a_counted_failure(ledger, dispatching):
    def fault(call):
        raise ZeroDivisionError

    with structlog.testing.capture_logs() as logs:
        async with dispatching(ledger, FakeHook("python:a:B", fault)):
            await receive(ledger, [mail(1)])
            [delivery] = await eventually(lambda: waiting(ledger, 1))
    assert "delivery.host_fault" in [log["event"] for log in logs]
    assert delivery["reason"] == "the hook could not be called: ZeroDivisionError"


async def test_a_hook_removed_from_the_configuration_leaves_its_deliveries_dead(ledger, dispatching, states):
    gone, stays = FakeHook("python:a:Gone", lambda call: HookFailed("down")), FakeHook("python:a:Stays")
    async with dispatching(ledger, gone, stays) as dispatcher:
        await receive(ledger, [mail(1)])
        await eventually(lambda: waiting(ledger, 1))
        await dispatcher.update({stays.name: stays}, {"support": AccountPlan((stays.name,))})
        assert await states(ledger) == {"dead(hook_removed)": 1}
        await receive(ledger, [mail(2)])
        await eventually(lambda: settled(ledger, 2))
    assert len(gone.calls) == 1
    assert len(stays.calls) == 2


async def test_a_hook_removed_while_we_were_down_leaves_its_deliveries_dead(open_ledger, dispatching, states):
    ledger = await open_ledger()
    async with dispatching(ledger, FakeHook("python:a:Gone", lambda call: HookFailed("down"))):
        await receive(ledger, [mail(1)])
        await eventually(lambda: waiting(ledger, 1))
    await ledger.close()
    ledger = await open_ledger()
    async with dispatching(ledger, FakeHook("python:a:Stays")):
        await eventually(lambda: states_are(ledger, states, {"dead(hook_removed)": 1}))


async def test_a_reload_adds_hooks_and_waits_for_calls_of_the_replaced_ones(ledger, dispatching):
    go = asyncio.Event()
    old, new, more = FakeHook("webhook:crm", lambda call: ends(go)), FakeHook("webhook:crm"), FakeHook("command:archive")
    async with dispatching(ledger, old) as dispatcher:
        await receive(ledger, [mail(1)])
        await eventually(lambda: old.calls)
        updating = asyncio.create_task(
            dispatcher.update({new.name: new, more.name: more}, {"support": AccountPlan((new.name, more.name))})
        )
        await receive(ledger, [mail(2)])
        await eventually(lambda: more.calls)
        assert not updating.done()
        old.answer = lambda call: None
        go.set()
        await updating
        await eventually(lambda: settled(ledger, 2))
    assert (len(old.calls), len(new.calls), len(more.calls)) == (1, 1, 1)


async def test_how_it_goes_is_told_to_metrics_and_log(ledger, dispatching):
    told = []
    observer = Observer(
        filed=lambda n: told.append(("filed", n)), delivered=lambda kind, how, seconds: told.append((kind, how, seconds >= 0))
    )
    hook = FakeHook("webhook:crm", lambda call: HookRefused("no") if call.message.subject == "Mail 2" else Filed())
    with structlog.testing.capture_logs() as logs:
        async with dispatching(ledger, hook, observer=observer):
            await receive(ledger, [mail(1)])
            await eventually(lambda: settled(ledger))
            await receive(ledger, [mail(2)])
            await eventually(lambda: settled(ledger, 2))
    assert told == [("filed", 1), ("webhook", "done", True), ("filed", 1), ("webhook", "dead", True)]
    said = [log for log in logs if log["event"].startswith("delivery.")]
    assert [log["event"] for log in said] == ["delivery.done", "delivery.dead"]
    assert said[1] | {"error": "no", "attempt": 1, "entry": 2, "hook": "webhook:crm"} == said[1]


async def test_the_time_since_the_server_received_it_is_told_once_a_hook_took_it(ledger, dispatching, clock):
    told = []
    clock.now += 42
    hook = FakeHook("webhook:crm", lambda call: Ignored("not ours") if call.message.subject == "Mail 2" else Filed())
    observer = Observer(latency=lambda account, seconds: told.append((account, round(seconds))))
    async with dispatching(ledger, hook, observer=observer):
        await receive(ledger, [mail(1), mail(2)])
        await eventually(lambda: settled(ledger, 2))
    assert told == [("support", 42)]


async def test_a_drain_ends_although_the_disk_has_been_full_since_the_start(ledger, monkeypatch):
    tried = asyncio.Event()

    async def full(configured):
        tried.set()
        raise LedgerFull("no space left on device")

    monkeypatch.setattr(ledger, "drop_hooks", full)
    hook = FakeHook("python:a:B")
    dispatcher = Dispatcher(ledger, FakeParser(), {hook.name: hook}, {"support": AccountPlan((hook.name,))})
    running = asyncio.create_task(dispatcher.run())
    await tried.wait()
    async with asyncio.timeout(5):
        assert await dispatcher.drain(1.0)
        await running
