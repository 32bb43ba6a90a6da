"""Disk full, read-only, failing: nothing half-committed, mail stays on its server, and either it passes or we end."""

import sqlite3
import subprocess
import sys

import pytest
from conftest import unavailable
from ledger import strace
from ledger.makers import ACCOUNT, INBOX, dump, listing, look, opened, page, states, take, take_one
from ledger.workload import octets

from listener.errors import LedgerFailed, LedgerFull
from listener.ledger import faults

MESSAGES = 24


async def allow_pages(ledger, more):
    """Let the file grow by so many pages and no further."""

    def limit(tx):
        (pages,) = tx.connection.execute("PRAGMA page_count").fetchone()
        tx.connection.execute(f"PRAGMA max_page_count = {pages + more}").fetchall()

    await ledger._writer.submit(limit)


async def lift(ledger):
    await ledger._writer.submit(lambda tx: tx.connection.execute("PRAGMA max_page_count = 1073741823").fetchall())


def mail(pages):
    return {f"1:{uid}": uid.to_bytes(2, "big") * 20_000 for uid in range(1, pages + 1)}


async def test_a_full_disk_leaves_nothing_half_committed_wherever_it_strikes(ledger, state_dir):
    """R-4: one more page allowed each time, until the whole page of mail goes in."""
    letters = mail(4)
    one = page(*(listing(key) for key in letters), state="1:5")
    before, refused = dump(state_dir), 0
    for more in range(100):
        await allow_pages(ledger, more)
        try:
            await take(ledger, one, letters)
            break
        except LedgerFull:
            refused += 1
            assert not ledger.writable
            assert dump(state_dir) == before
            assert await ledger.sync_states(ACCOUNT) == {}
            await lift(ledger)
    assert refused >= 10
    assert [state for state, _ in await states(ledger)] == ["accepted"] * 4
    assert await ledger.sync_states(ACCOUNT) == {INBOX: "1:5"}


async def test_room_again_is_found_without_a_restart(ledger):
    await allow_pages(ledger, 0)
    with pytest.raises(LedgerFull, match="make room; mail stays on its server"):
        await take_one(ledger, 1, bytes(100_000))
    assert not ledger.writable
    await lift(ledger)
    await ledger.probe()
    assert ledger.writable
    await take_one(ledger, 1, bytes(100_000))


async def test_reading_goes_on_while_the_disk_is_full(ledger):
    await take_one(ledger, 1, b"one")
    await allow_pages(ledger, 0)
    with pytest.raises(LedgerFull):
        await take_one(ledger, 2, bytes(100_000))
    assert ledger.read_raw(1) == b"one"
    assert await states(ledger) == [("accepted", None)]


async def test_one_page_too_many_does_not_stop_the_small_ones(ledger):
    """They are tried one by one when the group as a whole had no room."""
    import asyncio

    await ledger.set_paused("before", True)
    await allow_pages(ledger, 1)
    outcomes = await asyncio.gather(
        take_one(ledger, 1, bytes(200_000)),
        ledger.set_paused(ACCOUNT, True),
        ledger.record(ACCOUNT, "small", {}),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [LedgerFull, type(None), type(None)]
    assert await ledger.paused() == {"before", ACCOUNT}


async def test_a_read_only_ledger_is_waited_for_too(ledger):
    await ledger._writer.submit(lambda tx: None)
    ledger._writer._connection.execute("PRAGMA query_only = 1")
    with pytest.raises(LedgerFull, match="make it writable"):
        await take_one(ledger, 1, b"one")
    assert not ledger.writable
    ledger._writer._connection.execute("PRAGMA query_only = 0")
    await take_one(ledger, 1, b"one")
    assert ledger.writable


async def test_a_ledger_that_another_program_writes_to_is_waited_for(ledger, state_dir):
    ledger._writer._connection.execute("PRAGMA busy_timeout = 10")
    with sqlite3.connect(state_dir / "ledger.sqlite3", isolation_level=None) as intruder:
        intruder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerFull, match="another program is writing"):
            await ledger.probe()
        intruder.execute("ROLLBACK")
    intruder.close()
    await ledger.probe()
    assert ledger.writable


async def test_after_a_failure_nothing_is_written_any_more(ledger):
    """R-5: not even what would succeed."""

    def fails(tx):
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode, error.sqlite_errorname = sqlite3.SQLITE_IOERR_FSYNC, "SQLITE_IOERR_FSYNC"
        raise error

    with pytest.raises(LedgerFailed, match=r"SQLITE_IOERR_FSYNC.* check the disk, then start again"):
        await ledger._writer.submit(fails)
    assert not ledger.writable
    for call in (ledger.probe, ledger.paused):
        with pytest.raises(LedgerFailed):
            await call()


async def test_a_damaged_file_is_a_failure(state_dir):
    async with opened(state_dir) as ledger:
        await take_one(ledger, 1, bytes(300_000))
    path = state_dir / "ledger.sqlite3"
    content = bytearray(path.read_bytes())
    content[3 * 16384 :] = b"\xff" * (len(content) - 3 * 16384)
    path.write_bytes(content)
    with pytest.raises(LedgerFailed):  # at its opening, where the damage reaches into the schema, else when it writes
        async with opened(state_dir) as ledger:
            await take_one(ledger, 2, b"two")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("SQLITE_FULL", LedgerFull),
        ("SQLITE_READONLY", LedgerFull),
        ("SQLITE_BUSY", LedgerFull),
        ("SQLITE_CANTOPEN", LedgerFull),
        ("SQLITE_IOERR_WRITE", LedgerFailed),
        ("SQLITE_IOERR_FSYNC", LedgerFailed),
        ("SQLITE_IOERR_READ", LedgerFailed),
        ("SQLITE_CORRUPT", LedgerFailed),
        ("SQLITE_READONLY_DBMOVED", LedgerFailed),
    ],
)
def test_what_may_pass_and_what_may_not(tmp_path, code, kind):
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode, error.sqlite_errorname = getattr(sqlite3, code), code
    assert type(faults.explain(error, tmp_path / "ledger.sqlite3")) is kind


def survivors(state_dir, output):
    """Every acknowledged message is there, unharmed, once; the file is sound. The number of acknowledged ones."""
    acknowledged = [int(line.split()[1]) for line in output.splitlines() if line.startswith("ack ")]
    if not (state_dir / "ledger.sqlite3").exists():
        assert acknowledged == []
        return 0
    assert look(state_dir, "PRAGMA integrity_check") == [("ok",)]
    if look(state_dir, "PRAGMA user_version") == [(0,)]:
        assert acknowledged == []
        return 0
    kept = look(state_dir, "SELECT e.unique_id, r.octets FROM entries e JOIN raw r ON r.id = e.raw ORDER BY e.id")
    assert kept == [(f"1:{number}", octets(number)) for number in range(1, len(kept) + 1)]
    assert len(kept) >= len(acknowledged)
    return len(acknowledged)


def test_a_file_size_limit_is_a_full_disk_and_passes(state_dir):
    """EFBIG comes as a mere I/O error from SQLite; it is no reason to end."""
    command = [sys.executable, str(strace.WORKLOAD), str(state_dir), "40", "--file-limit", "700000"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "full" in ended.stdout
    assert survivors(state_dir, ended.stdout) == 40


def injected(call, error, when, state_dir):
    if reason := strace.missing():
        unavailable(reason)
    ended = strace.fail(call, error, when, state_dir, MESSAGES)
    assert ended.returncode in (0, 75), ended.stderr
    acknowledged = survivors(state_dir, ended.stdout)
    return ended, acknowledged


def restarted(state_dir):
    """What the failure left is a ledger that the next start takes on from."""
    subprocess.run([sys.executable, str(strace.WORKLOAD), str(state_dir), str(MESSAGES)], check=True, capture_output=True)
    assert len(look(state_dir, "SELECT id FROM entries")) == MESSAGES


EVERY = range(1, 640, 3)
"""strace counts for each thread by itself; a commit has about 26 writes."""


def made(state_dir):
    """A ledger that is there already, so that opening it writes little and a commit's calls are the first to be counted."""
    subprocess.run([sys.executable, str(strace.WORKLOAD), str(state_dir), "0"], check=True, capture_output=True)


def no_room(when, state_dir):
    """ENOSPC for the N-th write: nothing is lost, and once it passed everything goes on without a restart."""
    ended, acknowledged = injected("pwrite64", "ENOSPC", when, state_dir)
    assert "failed" not in ended.stdout
    if "ready" in ended.stdout:
        assert (ended.returncode, acknowledged) == (0, MESSAGES)
    restarted(state_dir)
    return ended.stdout


def broken(call, when, state_dir):
    """EIO for the N-th call: either no commit needed it, or this process ends and the next one goes on."""
    ended, acknowledged = injected(call, "EIO", when, state_dir)
    assert acknowledged == MESSAGES or ended.returncode == 75
    restarted(state_dir)
    return ended.stdout


@pytest.mark.parametrize("when", [120, 500])
def test_a_write_of_a_commit_finds_no_room(when, state_dir):
    made(state_dir)
    assert "full" in no_room(when, state_dir)


@pytest.mark.parametrize("when", [1, 60])
def test_a_write_of_opening_finds_no_room(when, state_dir):
    no_room(when, state_dir)


@pytest.mark.parametrize(("call", "when"), [("pwrite64", 300), ("fdatasync", 20)])
def test_a_write_or_sync_of_a_commit_fails(call, when, state_dir):
    made(state_dir)
    said = broken(call, when, state_dir)
    assert "ack 1\n" in said
    assert "failed" in said


@pytest.mark.parametrize(("call", "when"), [("pwrite64", 30), ("fdatasync", 3)])
def test_a_write_or_sync_of_opening_fails(call, when, state_dir):
    broken(call, when, state_dir)


@pytest.mark.long
@pytest.mark.parametrize("when", EVERY)
def test_any_write_may_find_no_room(when, state_dir):
    no_room(when, state_dir)


@pytest.mark.long
@pytest.mark.parametrize("when", EVERY)
def test_any_write_may_fail(when, state_dir):
    broken("pwrite64", when, state_dir)


@pytest.mark.long
@pytest.mark.parametrize("when", range(1, 30))
def test_any_sync_may_fail(when, state_dir):
    broken("fdatasync", when, state_dir)
