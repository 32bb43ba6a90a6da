"""A hook's work: in line within a case, counted before it begins, settled once; and the entry that ends with it."""

import pytest
from ledger.makers import ACCOUNT, HOOKS, begin_next, events, file_due, filed, listing, look, message, page, states, take

from listener.errors import Refused
from listener.hooks import Deferred, Filed, Ignored


async def thread(ledger, *names, hooks=HOOKS):
    """Messages of one case."""
    replies = {name: message(name, references=(f"{names[0]}@example.com",)) for name in names[1:]}
    return (await filed(ledger, *names, hooks=hooks, **replies))[0]


async def test_a_delivery_bears_all_that_the_hook_needs(ledger):
    case = await thread(ledger, "one")
    delivery = await begin_next(ledger)
    assert (delivery.entry, delivery.account, delivery.folder, delivery.hook) == (1, ACCOUNT, "INBOX", "python:hook")
    assert (delivery.attempt, delivery.message) == (1, message("one"))
    assert (delivery.case_id, delivery.case_subject, delivery.case_requester) == (case, "About one", "customer@example.com")
    assert (delivery.case_status, delivery.case_is_new, delivery.case_reference) == ("open", True, None)


async def test_the_attempt_is_counted_and_committed_before_it_is_handed_out(ledger, state_dir):
    await thread(ledger, "one")
    assert [(await begin_next(ledger)).attempt for _ in range(3)] == [1, 2, 3]
    assert look(state_dir, "SELECT attempts FROM deliveries") == [(3,)]


async def test_an_unfinished_delivery_blocks_the_later_ones_of_its_case(ledger):
    await thread(ledger, "one", "two", "three")
    (first,) = await ledger.due_deliveries(9)
    assert await ledger.due_deliveries(9, excluding=[first.id]) == []
    await ledger.fail_delivery(first.id, "boom", retry_at=2e9)
    assert await ledger.due_deliveries(9) == []
    await ledger.settle_delivery(first.id, None)
    assert [due.entry for due in await ledger.due_deliveries(9)] == [2]


async def test_cases_and_hooks_do_not_wait_for_each_other(ledger):
    await filed(ledger, "one", "two", hooks={ACCOUNT: ["a", "b"]})
    assert sorted((due.entry, due.hook) for due in await ledger.due_deliveries(9)) == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]


async def test_a_message_that_joins_an_unfinished_line_waits_in_it(ledger):
    await thread(ledger, "one")
    await filed(ledger, "two", two=message("two", references=("one@example.com",)))
    (first,) = await ledger.due_deliveries(9)
    assert first.entry == 1
    await ledger.settle_delivery(first.id, None)
    assert [due.entry for due in await ledger.due_deliveries(9)] == [2]


async def test_a_message_that_joins_a_finished_line_is_due_at_once(ledger):
    await thread(ledger, "one")
    await ledger.settle_delivery(1, None)
    await filed(ledger, "two", two=message("two", references=("one@example.com",)))
    assert [due.entry for due in await ledger.due_deliveries(9)] == [2]


@pytest.mark.parametrize("outcome", [None, Filed(), Ignored("not for us")])
async def test_the_entry_is_done_when_every_delivery_is_done_or_ignored(ledger, outcome):
    await filed(ledger, "one", hooks={ACCOUNT: ["a", "b"]})
    await ledger.settle_delivery(1, outcome)
    assert await states(ledger) == [("filed", None)]
    await ledger.settle_delivery(2, None)
    assert await states(ledger) == [("done", None)]


async def test_the_entry_is_dead_only_when_all_are_finished_and_one_is_dead(ledger):
    await filed(ledger, "one", hooks={ACCOUNT: ["a", "b"]})
    await ledger.fail_delivery(1, "said no", retry_at=None)
    assert await states(ledger) == [("filed", None)]
    await ledger.settle_delivery(2, None)
    assert await states(ledger) == [("dead", "hook_failed")]
    assert await events(ledger, 1) == ["message.accepted", "message.filed", "delivery.dead", "delivery.done", "message.dead"]


async def test_a_dead_delivery_frees_the_line(ledger):
    await thread(ledger, "one", "two")
    await ledger.fail_delivery(1, "said no", retry_at=None)
    assert [due.entry for due in await ledger.due_deliveries(9)] == [2]


async def test_a_failure_is_tried_again_at_its_time_and_counted(ledger, clock):
    await thread(ledger, "one")
    delivery = await begin_next(ledger)
    await ledger.fail_delivery(delivery.id, "timed out", retry_at=clock.now + 60)
    assert await ledger.next_due() == clock.now + 60
    assert await ledger.due_deliveries(9) == []
    clock.now += 60
    assert (await begin_next(ledger)).attempt == 2


async def test_a_deferral_is_not_counted(ledger, clock):
    await thread(ledger, "one")
    delivery = await begin_next(ledger)
    await ledger.settle_delivery(delivery.id, Deferred(30))
    assert await ledger.next_due() == clock.now + 30
    clock.now += 30
    assert (await begin_next(ledger)).attempt == 1


async def test_a_deferral_into_the_past_is_due_now(ledger, clock):
    await thread(ledger, "one")
    await ledger.settle_delivery(1, Deferred(-1e12))
    assert await ledger.next_due() == clock.now


async def test_nothing_is_due_when_nothing_waits(ledger):
    assert await ledger.next_due() is None
    assert await ledger.due_deliveries(9) == []


async def test_each_hook_has_its_own_reference_for_the_case(ledger):
    case = await thread(ledger, "one", "two", hooks={ACCOUNT: ["a", "b"]})
    await ledger.settle_delivery(1, Filed(reference="JIRA-1"))
    await ledger.settle_delivery(2, Filed(reference="row 7"))
    following = {due.hook: await ledger.begin_delivery(due.id) for due in await ledger.due_deliveries(9)}
    assert {hook: delivery.case_reference for hook, delivery in following.items()} == {"a": "JIRA-1", "b": "row 7"}
    assert not following["a"].case_is_new
    assert (await ledger.case(case))["references"] == {"a": "JIRA-1", "b": "row 7"}


async def test_no_new_reference_keeps_the_old_one(ledger):
    case = await thread(ledger, "one", "two")
    await ledger.settle_delivery(1, Filed(reference="JIRA-1"))
    await ledger.settle_delivery(2, Filed())
    assert (await ledger.case(case))["reference"] == "JIRA-1"


async def test_notes_are_kept_with_the_case(ledger):
    case = await thread(ledger, "one")
    await ledger.settle_delivery(1, Filed(note="called back"))
    assert (await ledger.case(case))["notes"] == [{"entry": 1, "hook": "python:hook", "note": "called back"}]


async def test_a_closed_case_opens_again_with_the_next_message(ledger):
    case = await thread(ledger, "one")
    await ledger.settle_delivery(1, Filed(close=True))
    assert (await ledger.case(case))["status"] == "closed"
    await filed(ledger, "two", two=message("two", references=("one@example.com",)))
    assert (await ledger.case(case))["status"] == "open"


async def test_settling_twice_is_settling_once(ledger):
    case = await thread(ledger, "one", "two")
    await ledger.settle_delivery(1, Filed(reference="JIRA-1"))
    await ledger.settle_delivery(1, Filed(reference="JIRA-2", close=True))
    assert (await ledger.case(case))["reference"] == "JIRA-1"
    assert (await ledger.case(case))["status"] == "open"
    assert (await events(ledger, 1))[-1] == "delivery.late"


async def test_a_failure_after_the_end_changes_nothing(ledger):
    await thread(ledger, "one")
    await ledger.settle_delivery(1, None)
    await ledger.fail_delivery(1, "too late", retry_at=None)
    assert await states(ledger) == [("done", None)]


async def test_what_is_not_due_cannot_be_begun(ledger):
    await thread(ledger, "one")
    await ledger.settle_delivery(1, None)
    for delivery in (1, 99):
        with pytest.raises(Refused, match=f"delivery {delivery} is not due"):
            await ledger.begin_delivery(delivery)
    with pytest.raises(Refused, match="there is no delivery 99"):
        await ledger.settle_delivery(99, None)


async def test_a_retry_begins_counting_anew(ledger):
    await thread(ledger, "one")
    delivery = await begin_next(ledger)
    await ledger.fail_delivery(delivery.id, "said no", retry_at=None)
    assert await ledger.retry(1) == "filed"
    assert (await begin_next(ledger)).attempt == 1


async def test_a_retry_leaves_alone_what_was_done(ledger):
    await filed(ledger, "one", hooks={ACCOUNT: ["a", "b"]})
    await ledger.settle_delivery(1, None)
    await ledger.fail_delivery(2, "said no", retry_at=None)
    await ledger.retry(1)
    assert [due.hook for due in await ledger.due_deliveries(9)] == ["b"]


async def test_a_retry_waits_for_what_its_line_is_at(ledger):
    """Out of order it is, but never two of one case and hook at once."""
    await thread(ledger, "one", "two", "three")
    await ledger.fail_delivery(1, "said no", retry_at=None)
    running = await begin_next(ledger)
    await ledger.retry(1)
    assert [due.entry for due in await ledger.due_deliveries(9)] == [2]
    await ledger.settle_delivery(running.id, None)
    assert [due.entry for due in await ledger.due_deliveries(9)] == [1]


async def test_a_retry_says_why_it_cannot(ledger):
    await thread(ledger, "one")
    with pytest.raises(Refused, match="entry 1 is filed; only a dead one can be retried"):
        await ledger.retry(1)


async def test_deliveries_of_removed_hooks_die_and_say_so(ledger):
    await filed(ledger, "one", "two", hooks={ACCOUNT: ["a", "b"]})
    assert await ledger.drop_hooks({ACCOUNT: ["a"]}) == 2
    assert [due.hook for due in await ledger.due_deliveries(9)] == ["a", "a"]
    for due in await ledger.due_deliveries(9):
        await ledger.settle_delivery(due.id, None)
    assert await states(ledger) == [("dead", "hook_removed")] * 2


async def test_removing_nothing_changes_nothing(ledger):
    await filed(ledger, "one")
    assert await ledger.drop_hooks(HOOKS) == 0
    assert await states(ledger) == [("filed", None)]


async def test_a_removed_hooks_long_queue_is_dropped_whole(ledger):
    names = [f"{number}" for number in range(1201)]
    listings = [listing(name) for name in names]
    await take(ledger, page(*listings, state="x"), {name: name.encode() for name in names})
    while await file_due(ledger):
        pass
    assert await ledger.drop_hooks({}) == 1201
    assert await ledger.counts() == {(ACCOUNT, "dead", "hook_removed"): 1201}


async def test_work_is_announced_when_a_line_moves_on(ledger):
    await thread(ledger, "one", "two")
    ledger.work.clear()
    await ledger.settle_delivery(1, None)
    assert ledger.work.is_set()
