"""One thread writes, in groups: answered after the commit, each operation by itself, nothing after a lost fence."""

import asyncio
import contextlib
import sqlite3
import threading
import time

import pytest
from ledger.makers import ACCOUNT, INBOX, listing, look, opened, page, states, take_one, whole

from listener.errors import FenceLost, LedgerError, Refused
from listener.ledger import writer


class Commits:
    """How often the writer committed."""

    def __init__(self, ledger):
        self.count = 0
        ledger._writer._connection.set_trace_callback(self.see)

    def see(self, statement):
        self.count += statement == "COMMIT"


async def test_what_is_asked_for_together_is_committed_together(ledger):
    commits = Commits(ledger)
    await asyncio.gather(*(ledger.record(ACCOUNT, "account.backoff", {"number": number}) for number in range(40)))
    assert commits.count == 1
    assert len(await ledger.account_events(ACCOUNT)) == 40


async def test_what_arrives_during_a_commit_is_the_next_group(ledger):
    commits = Commits(ledger)
    first = asyncio.ensure_future(ledger.record(ACCOUNT, "first", {}))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    rest = [ledger.record(ACCOUNT, "rest", {}) for _ in range(200)]
    await asyncio.gather(first, *rest)
    assert commits.count < 10
    assert [event["kind"] for event in await ledger.account_events(ACCOUNT, limit=300)] == ["rest"] * 200 + ["first"]


async def test_an_operation_that_raises_takes_nothing_of_the_others(ledger):
    await take_one(ledger, 1, b"one")
    outcomes = await asyncio.gather(
        ledger.set_paused("a", True), ledger.retry(1), ledger.set_paused("b", True), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [type(None), Refused, type(None)]
    assert await ledger.paused() == {"a", "b"}


async def test_half_an_operation_is_never_kept(ledger):
    def half(tx):
        tx.connection.execute("INSERT INTO accounts (id, paused) VALUES ('half', 1)")
        raise Refused("no")

    with pytest.raises(Refused):
        await ledger._writer.submit(half)
    assert await ledger.paused() == set()


async def test_an_answer_comes_only_after_the_commit(ledger, state_dir):
    """Another connection sees it as soon as the caller hears of it."""
    for number in range(50):
        await ledger.set_paused(f"{number}", True)
        assert look(state_dir, "SELECT count(*) FROM accounts") == [(number + 1,)]


async def test_a_cancelled_caller_loses_the_answer_and_not_the_commit(ledger):
    one = page(listing(1), state="1:2")
    plan = await ledger.plan(ACCOUNT, one)
    submitted = asyncio.Event()
    submit = ledger._writer.submit

    async def seen(*args, **more):
        submitted.set()
        return await submit(*args, **more)

    ledger._writer.submit = seen
    task = asyncio.create_task(ledger.accept(ACCOUNT, one, plan, [whole(listing(1), b"one")], owe=True))
    await submitted.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ledger.probe()
    assert await states(ledger) == [("accepted", None)]
    assert await ledger.sync_states(ACCOUNT) == {INBOX: "1:2"}


async def test_a_failure_nobody_waits_for_disturbs_nobody(ledger):
    task = asyncio.create_task(ledger.retry(99))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ledger.probe()


async def test_closing_commits_what_was_asked_for_before(state_dir):
    async with opened(state_dir) as ledger:
        tasks = [asyncio.create_task(ledger.set_paused(f"{number}", True)) for number in range(100)]
        await asyncio.sleep(0)
        await ledger.close()
        await asyncio.gather(*tasks)
    assert look(state_dir, "SELECT count(*) FROM accounts") == [(100,)]


async def test_a_closed_ledger_says_so(state_dir):
    async with opened(state_dir) as ledger:
        pass
    await ledger.close()
    for call in (ledger.probe, ledger.paused, ledger.counts):
        with pytest.raises(LedgerError, match="the ledger is closed"):
            await call()
    with pytest.raises(LedgerError, match="the ledger is closed"):
        ledger.read_raw(1)


async def test_closing_empties_the_write_ahead_log(state_dir):
    async with opened(state_dir) as ledger:
        await take_one(ledger, 1, bytes(100_000))
    assert [item.name for item in state_dir.iterdir() if item.name.endswith("-wal")] == []


async def test_an_owner_that_lost_its_fence_cannot_commit(ledger, state_dir):
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as thief, thief:
        thief.execute("UPDATE fences SET epoch = epoch + 1")
    with pytest.raises(FenceLost, match="has a newer owner"):
        await take_one(ledger, 1, b"one")
    assert look(state_dir, "SELECT count(*) FROM entries") == [(0,)]
    assert not ledger.writable
    with pytest.raises(FenceLost):
        await ledger.probe()


async def test_an_owner_whose_file_was_replaced_cannot_commit(ledger, state_dir):
    """A commit into a deleted file would be acknowledged and lost."""
    (state_dir / "ledger.sqlite3").rename(state_dir / "elsewhere")
    with pytest.raises(FenceLost, match="moved or replaced"):
        await ledger.probe()


async def test_a_group_is_bounded_by_its_octets(ledger, monkeypatch):
    monkeypatch.setattr(writer, "GROUP_OCTETS", 1000)
    commits = Commits(ledger)
    submit = ledger._writer.submit
    begun, go_on = threading.Event(), threading.Event()
    first = asyncio.ensure_future(submit(lambda tx: begun.set() or go_on.wait(10)))
    await asyncio.to_thread(begun.wait, 10)
    later = []
    for _ in range(6):
        later.append(asyncio.ensure_future(submit(lambda tx: None, octets=600)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    go_on.set()
    await asyncio.gather(first, *later)
    assert commits.count == 4


async def test_progress_stands_still_while_the_writer_is_stuck(ledger):
    assert time.monotonic() - ledger.last_progress < 0.5
    release = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stuck(tx):
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()

    task = asyncio.create_task(ledger._writer.submit(stuck))
    await asyncio.sleep(0.02)
    seen = ledger.last_progress
    await asyncio.sleep(0.02)
    assert ledger.last_progress == seen
    release.set()
    await task
    assert ledger.last_progress > seen


async def test_a_long_list_delays_no_commit(ledger):
    """Readers have their own connections and threads."""
    reading, release = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(connection):
        connection.execute("SELECT count(*) FROM entries").fetchone()
        loop.call_soon_threadsafe(reading.set)
        asyncio.run_coroutine_threadsafe(release.wait(), loop).result()
        return connection.execute("SELECT count(*) FROM entries").fetchone()[0]

    task = asyncio.create_task(ledger._read(slow))
    await reading.wait()
    await take_one(ledger, 1, b"one")
    release.set()
    assert await task == 0, "a reader sees one moment"
    assert len(await ledger.messages()) == 1


async def test_raw_is_read_on_any_thread(ledger):
    await take_one(ledger, 1, b"one")
    assert await asyncio.gather(*(asyncio.to_thread(ledger.read_raw, 1) for _ in range(20))) == [b"one"] * 20


async def test_the_write_ahead_log_does_not_grow_without_end(ledger, state_dir, monkeypatch):
    monkeypatch.setattr(writer, "CHECKPOINT_OCTETS", 300_000)
    log = state_dir / "ledger.sqlite3-wal"
    made = log.stat().st_size  # making the tables wrote much at once
    for uid in range(1, 60):
        await take_one(ledger, uid, uid.to_bytes(2, "big") * 25_000)
    assert log.stat().st_size < made + 1_500_000
