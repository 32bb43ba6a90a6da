"""From accepted to filed: in order, in batches, and no message stops another."""

import asyncio

import pytest
import structlog

from listener.dispatcher import AccountPlan, Dispatcher, Observer
from listener.errors import LedgerFailed, LedgerFull
from listener.hooks import Filed
from tests.dispatcher.world import CRASH, SLOW, FakeHook, FakeParser, eventually, mail, receive


async def test_mail_becomes_cases_and_answers_join_them(ledger, dispatching, states):
    async with dispatching(ledger):
        await receive(ledger, [mail(1), mail(2), mail(3, references=1)])
        await eventually(lambda: in_state(ledger, "support", "done", 3))
        await receive(ledger, [mail(4, references=3), mail(5, references=99)])
        await eventually(lambda: no_longer(ledger, "accepted"))
    assert await states(ledger) == {"done": 5}
    cases = await ledger.cases()
    assert sorted(case["messages"] for case in cases) == [1, 1, 3]
    assert [entry["message_id"] for entry in (await ledger.case(cases[-1]["id"]))["entries"]] == [
        "1@example.com",
        "3@example.com",
        "4@example.com",
    ]


async def no_longer(ledger, state):
    return not any(number for (_, of, _), number in (await ledger.counts()).items() if of == state)


async def test_the_real_parser_reads_attachments_that_a_hook_can_open(ledger, dispatching, parser, states):
    letter = (
        b"From: ann@example.com\r\nSubject: Invoice\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
        b"--x\r\n\r\nSee there.\r\n--x\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n"
        b"Content-Disposition: attachment; filename=a.pdf\r\n\r\nJVBERg==\r\n--x--\r\n"
    )
    hook = FakeHook("python:a:B", lambda call: Filed(call.message.attachments[0].open().read().decode()))
    async with dispatching(ledger, hook, parser=parser):
        await receive(ledger, [letter])
        await eventually(lambda: no_longer(ledger, "accepted"))
        await eventually(lambda: no_longer(ledger, "filed"))
    assert hook.calls[0].entry.raw() == letter
    assert [case["reference"] for case in await ledger.cases()] == ["%PDF"]


async def test_messages_of_an_account_are_filed_in_order_even_if_the_first_takes_longest_to_parse(ledger, dispatching, states):
    go = asyncio.Event()
    parser = FakeParser(dawdle=go.wait)
    async with dispatching(ledger, parser=parser, accounts=("support", "sales")):
        await receive(ledger, [mail(1, body="dawdle"), mail(2, references=1), mail(3)])
        await receive(ledger, [mail(11), mail(12)], "sales")
        await eventually(lambda: len(parser.asked) == 5)
        await eventually(lambda: in_state(ledger, "sales", "done", 2))  # another account does not wait
        assert await in_state(ledger, "support", "accepted", 3)
        go.set()
        await eventually(lambda: in_state(ledger, "support", "done", 3))
    [two, one] = await ledger.cases(account="support")
    assert (one["messages"], two["messages"]) == (2, 1)


async def in_state(ledger, account, state, number):
    return (await ledger.counts()).get((account, state, ""), 0) == number


async def test_a_burst_is_filed_in_few_commits(ledger, dispatching, states, monkeypatch):
    sizes = []
    file = ledger.file

    async def counted(batch, hooks, *more):
        sizes.append(len(batch))
        return await file(batch, hooks, *more)

    monkeypatch.setattr(ledger, "file", counted)
    await receive(ledger, [mail(n) for n in range(400)])
    async with dispatching(ledger):
        await eventually(lambda: in_state(ledger, "support", "done", 400))
    assert sum(sizes) == 400
    assert max(sizes) <= 100
    assert len(sizes) <= 40


async def test_no_more_is_taken_ahead_than_allowed(ledger, dispatching, states):
    go = asyncio.Event()
    parser = FakeParser(dawdle=go.wait)
    await receive(ledger, [mail(n, body="dawdle") for n in range(30)])
    async with dispatching(ledger, parser=parser, ahead=10):
        await eventually(lambda: len(parser.asked) == 10)
        go.set()
        await eventually(lambda: in_state(ledger, "support", "done", 30))


async def test_octets_taken_ahead_are_bounded_and_a_larger_message_still_passes(ledger, dispatching, states):
    go = asyncio.Event()
    parser = FakeParser(dawdle=go.wait)
    await receive(ledger, [mail(n, body=f"dawdle{'x' * 5000}") for n in range(9)])
    async with dispatching(ledger, parser=parser, ahead_octets=12_000):
        await eventually(lambda: len(parser.asked) == 2)
        await receive(ledger, [mail(10, body="y" * 50_000)])
        go.set()
        await eventually(lambda: in_state(ledger, "support", "done", 10))
    assert len(parser.asked) == 10


@pytest.mark.parametrize(
    ("error", "reason"), [(CRASH, "parse_crash"), (SLOW, "parse_timeout"), (ValueError("x"), "parse_crash")]
)
async def test_what_cannot_be_parsed_is_quarantined_with_its_octets_and_the_others_go_on(
    ledger, dispatching, states, error, reason
):
    aside = []
    bad = mail(2, body="poison")
    with structlog.testing.capture_logs():
        observer = Observer(set_aside=lambda state, why: aside.append((state, why)))
        async with dispatching(ledger, parser=FakeParser(poison=lambda: error), observer=observer):
            await receive(ledger, [mail(1), bad, mail(3)])
            await eventually(lambda: no_longer(ledger, "accepted"))
    assert await states(ledger) == {"done": 2, f"quarantined({reason})": 1}
    [row] = await ledger.messages(state="quarantined")
    assert ledger.read_raw(row["id"]) == bad
    assert aside == [("quarantined", reason)]


async def test_a_released_message_is_parsed_again(ledger, dispatching, states):
    answers = [CRASH, None]
    async with dispatching(ledger, parser=FakeParser(poison=lambda: answers.pop(0))):
        await receive(ledger, [mail(1, body="poison")])
        [row] = await eventually(lambda: ledger.messages(state="quarantined"))
        await ledger.release(row["id"])
        await eventually(lambda: in_state(ledger, "support", "done", 1))


async def test_entries_of_an_earlier_life_are_parsed_alone_in_a_worker_and_counted_first(open_ledger, dispatching, states):
    ledger = await open_ledger()
    await receive(ledger, [mail(1), mail(2)])
    await ledger.close()
    ledger = await open_ledger()
    await receive(ledger, [mail(3)])
    at_once = []

    async def watch():
        at_once.append((await ledger.explain(len(at_once) + 1))["attempts"])

    parser = FakeParser(**{"<1@": watch, "<2@": watch})
    async with dispatching(ledger, parser=parser):
        await eventually(lambda: in_state(ledger, "support", "done", 3))
    assert {mail(1): True, mail(2): True, mail(3): False} == dict(parser.asked)
    assert at_once == [1, 1]


class Endless:
    """What parsing a message does that takes for ever; `reached` once it has begun."""

    def __init__(self):
        self.reached = asyncio.Event()

    async def __call__(self):
        self.reached.set()
        await asyncio.Event().wait()


async def test_an_entry_that_keeps_killing_the_process_is_quarantined_at_the_third_death(open_ledger, dispatching, states):
    ledger = await open_ledger()
    await receive(ledger, [mail(1, body="killer"), mail(2)])
    for _ in range(3):
        await ledger.close()
        ledger, killer = await open_ledger(), Endless()
        living = asyncio.create_task(Dispatcher(ledger, FakeParser(killer=killer), {}, {"support": AccountPlan()}).run())
        await asyncio.wait_for(killer.reached.wait(), 10)
        living.cancel()
        await asyncio.wait({living})
    await ledger.close()
    ledger, killer = await open_ledger(), Endless()
    async with dispatching(ledger, parser=FakeParser(killer=killer)):
        await eventually(lambda: no_longer(ledger, "accepted"))
    assert not killer.reached.is_set()
    assert await states(ledger) == {"done": 1, "quarantined(parse_crash)": 1}


async def test_an_entry_is_not_suspected_of_the_ends_that_we_were_told_to_make(open_ledger, dispatching, states):
    ledger = await open_ledger()
    await receive(ledger, [mail(1, body="slow")])
    for _ in range(5):
        await ledger.close()
        ledger, slow = await open_ledger(), Endless()
        async with dispatching(ledger, parser=FakeParser(slow=slow)):
            await asyncio.wait_for(slow.reached.wait(), 10)
        assert (await ledger.explain(1))["attempts"] == 0
    await ledger.close()
    ledger = await open_ledger()
    async with dispatching(ledger):
        await eventually(lambda: in_state(ledger, "support", "done", 1))


async def test_a_suspicious_entry_gets_three_tries_in_its_worker(open_ledger, dispatching, states):
    ledger = await open_ledger()
    await receive(ledger, [mail(1, body="killer"), mail(2, body="recovers")])
    await ledger.close()
    ledger = await open_ledger()
    answers = [SLOW, CRASH, None]
    parser = FakeParser(killer=lambda: SLOW, recovers=lambda: answers.pop(0))
    async with dispatching(ledger, parser=parser):
        await eventually(lambda: no_longer(ledger, "accepted"))
    assert await states(ledger) == {"done": 1, "quarantined(parse_timeout)": 1}
    assert [isolated for _, isolated in parser.asked] == [True] * 6


async def test_a_row_that_cannot_be_filed_is_dead_and_the_rest_of_its_batch_is_filed(ledger, dispatching, states, monkeypatch):
    file = ledger.file

    async def picky(batch, hooks, *more):
        if any(one.message is not None and one.message.subject == "Mail 3" for one in batch):
            raise OverflowError("too large for a column")
        return await file(batch, hooks, *more)

    monkeypatch.setattr(ledger, "file", picky)
    await receive(ledger, [mail(n) for n in range(6)])
    with structlog.testing.capture_logs() as logs:
        async with dispatching(ledger):
            await eventually(lambda: no_longer(ledger, "accepted"))
    assert await states(ledger) == {"done": 5, "dead(unfilable)": 1}
    assert [log["entry"] for log in logs if log["event"] == "message.unfilable"] == [4]


async def test_a_row_that_cannot_even_be_buried_is_left_alone(ledger, dispatching, states, monkeypatch):
    file = ledger.file

    async def stubborn(batch, hooks, *more):
        if any(one.entry == 2 for one in batch):
            raise OverflowError("no")
        return await file(batch, hooks, *more)

    monkeypatch.setattr(ledger, "file", stubborn)
    await receive(ledger, [mail(1), mail(2), mail(3)])
    with structlog.testing.capture_logs() as logs:
        async with dispatching(ledger):
            await eventually(lambda: in_state(ledger, "support", "done", 2))
            await receive(ledger, [mail(4)])
            await eventually(lambda: in_state(ledger, "support", "done", 3))
    assert [log["entry"] for log in logs if log["event"] == "message.given_up"] == [2]
    assert await states(ledger) == {"done": 3, "accepted": 1}


async def test_a_full_disk_is_waited_out_and_nothing_is_lost(ledger, dispatching, states, monkeypatch):
    monkeypatch.setattr("listener.dispatcher.patience.FIRST_LOOK", 0.01)
    file = ledger.file
    tries = []

    async def full(batch, hooks, *more):
        tries.append(len(batch))
        if len(tries) < 4:
            raise LedgerFull("no space left on device")
        return await file(batch, hooks, *more)

    monkeypatch.setattr(ledger, "file", full)
    async with dispatching(ledger):
        await receive(ledger, [mail(1)])
        await eventually(lambda: in_state(ledger, "support", "done", 1))
    assert tries == [1, 1, 1, 1]


async def test_a_drain_waits_for_no_room_on_the_disk_and_the_next_life_files_what_was_left(ledger, dispatching, monkeypatch):
    file, tried = ledger.file, asyncio.Event()

    async def full(batch, hooks, *more):
        tried.set()
        raise LedgerFull("no space left on device")

    monkeypatch.setattr(ledger, "file", full)
    await receive(ledger, [mail(1)])
    dispatcher = Dispatcher(ledger, FakeParser(), {}, {"support": AccountPlan()})
    running = asyncio.create_task(dispatcher.run())
    await tried.wait()
    async with asyncio.timeout(5):
        assert await dispatcher.drain(60) is True
        await running
    monkeypatch.setattr(ledger, "file", file)
    async with dispatching(ledger):
        await eventually(lambda: in_state(ledger, "support", "done", 1))


async def test_a_failed_ledger_ends_the_dispatcher_and_the_next_run_goes_on(ledger, dispatching, states, monkeypatch):
    file = ledger.file

    async def broken(batch, hooks, *more):
        raise LedgerFailed("input/output error")

    monkeypatch.setattr(ledger, "file", broken)
    await receive(ledger, [mail(1), mail(2)])
    dispatcher = Dispatcher(ledger, FakeParser(), {}, {"support": AccountPlan()})
    with pytest.raises(LedgerFailed):
        await dispatcher.run()
    monkeypatch.setattr(ledger, "file", file)
    again = asyncio.create_task(dispatcher.run())
    await eventually(lambda: in_state(ledger, "support", "done", 2))
    await dispatcher.drain(5)
    await again


async def test_mail_of_an_account_that_is_not_configured_waits_until_it_is(ledger, dispatching, states):
    await receive(ledger, [mail(1), mail(2, references=1)], "sales")
    async with dispatching(ledger) as dispatcher:
        await receive(ledger, [mail(3)])
        await eventually(lambda: in_state(ledger, "support", "done", 1))
        assert await states(ledger) == {"done": 1, "accepted": 2}
        await dispatcher.update({}, {"support": AccountPlan(), "sales": AccountPlan()})
        await eventually(lambda: in_state(ledger, "sales", "done", 2))
    [case] = await ledger.cases(account="sales")
    assert case["messages"] == 2


async def test_what_was_taken_and_not_filed_is_due_again_after_a_drain(ledger, dispatching, states):
    parser = FakeParser(dawdle=asyncio.Event().wait)
    async with dispatching(ledger, parser=parser):
        await receive(ledger, [mail(1, body="dawdle"), mail(2)])
        await eventually(lambda: len(parser.asked) == 2)
    assert await states(ledger) == {"accepted": 2}
    async with dispatching(ledger):
        await eventually(lambda: in_state(ledger, "support", "done", 2))
