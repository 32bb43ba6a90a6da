"""A ledger of the first release goes on under the present one: nothing of it is lost, and what was due is still due.

releases/1.sql is what that release's own code had written: one message done, one with a delivery due, one dead, one in
quarantine and one that waits to be parsed.
"""

import contextlib
import hashlib
import sqlite3
from pathlib import Path

import pytest
from ledger.makers import ACCOUNT, Clock, file_due, filed, look, message

from listener.errors import LedgerError
from listener.ledger import Ledger, sql, storage
from listener.ledger.search import CaseFilter, MessageFilter
from listener.mailbox import Folder, Receipt

FIRST_RELEASE = Path(__file__).parent / "releases" / "1.sql"
RELEASED = {1: "be5b2f03bd759a6a5c796e3a47d3b3edd7c90fbe421927f6ef632260388b97c7"}
"""What each released migration was: ledgers in the field have run exactly that."""


@pytest.fixture
def old(state_dir):
    """The state directory of a first release."""
    state_dir.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as connection:
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute(f"PRAGMA application_id = {storage.APPLICATION_ID}")
        connection.executescript(FIRST_RELEASE.read_text())
        connection.execute("PRAGMA user_version = 1")
    return state_dir


@contextlib.asynccontextmanager
async def upgraded(state_dir):
    ledger = await Ledger.open(state_dir, now=Clock())
    try:
        yield ledger
    finally:
        await ledger.close()


@pytest.mark.parametrize("number", RELEASED)
def test_a_released_migration_is_never_edited(number):
    text = sql.migrations()[number - 1]
    assert hashlib.sha256(text.encode()).hexdigest() == RELEASED[number]


async def test_it_is_of_the_present_version_afterwards_and_sound(old):
    async with upgraded(old):
        pass
    assert look(old, "PRAGMA user_version") == [(len(sql.migrations()),)]
    assert look(old, "PRAGMA integrity_check") == [("ok",)]
    assert look(old, "PRAGMA foreign_key_check") == []


async def test_it_has_the_schema_of_a_new_one(old, tmp_path):
    async with upgraded(old), upgraded(tmp_path / "new"):
        pass
    schema = "SELECT type, name, tbl_name FROM sqlite_schema ORDER BY type, name"
    assert look(old, schema) == look(tmp_path / "new", schema)


async def test_every_message_is_where_it_was(old):
    async with upgraded(old) as ledger:
        rows = {row["id"]: (row["state"], row["subject"]) for row in await ledger.messages(limit=100)}
        octets = [ledger.read_raw(entry) for entry in (1, 2, 3, 4, 5)]
    assert rows[1] == ("done", "About done")
    assert [rows[entry][0] for entry in (1, 2, 3, 4, 5)] == ["done", "filed", "dead", "quarantined", "accepted"]
    assert octets == [b"done", b"due", b"dead", b"held", b"waiting"]


async def test_what_was_due_is_still_due_under_the_same_key(old):
    ((key,),) = look(old, "SELECT idempotency_key FROM deliveries WHERE state = 'due'")
    async with upgraded(old) as ledger:
        (due,) = await ledger.due_deliveries(9)
        delivery = await ledger.begin_delivery(due.id)
        await ledger.settle_delivery(due.id, None)
        (row,) = [row for row in await ledger.messages(limit=100) if row["id"] == delivery.entry]
    assert delivery.idempotency_key == key
    assert row["state"] == "done"


async def test_a_message_that_waited_is_filed(old):
    async with upgraded(old) as ledger:
        assert len(await file_due(ledger)) == 1


async def test_a_dead_one_is_retried_and_a_held_one_released(old):
    async with upgraded(old) as ledger:
        assert await ledger.retry(3) == "filed"
        assert await ledger.release(4) == "accepted"


async def test_an_answer_joins_the_case_of_then(old):
    ((before,),) = look(old, "SELECT case_id FROM messages WHERE entry = 1")
    async with upgraded(old) as ledger:
        await file_due(ledger)
        answer = message("answer", references=("done@example.com",))
        assert await filed(ledger, "answer", answer=answer) == [before]


async def test_receipts_baselines_secrets_and_pauses_are_kept(old):
    async with upgraded(old) as ledger:
        assert Receipt(Folder("INBOX"), "done") in await ledger.owed(ACCOUNT)
        assert (await ledger.baselines(ACCOUNT))[Folder("INBOX")].sync_state == "1:1"
        assert await ledger.secret("oauth/entra") == b"sealed octets"
        assert await ledger.paused() == {"sales"}


async def test_what_is_searched_for_finds_old_messages_and_cases(old):
    async with upgraded(old) as ledger:
        while await ledger.search.index():
            pass
        messages = await ledger.search.messages(MessageFilter(text="dead"))
        cases = await ledger.search.cases(CaseFilter(text="dead"))
    assert [row["subject"] for row in (*messages.rows, *cases.rows)] == ["About dead", "About dead"]


@pytest.mark.parametrize("number", range(2, len(sql.migrations()) + 1))
async def test_an_upgrade_that_is_cut_short_begins_again_where_it_was(old, number, monkeypatch):
    """Each step and its number are one transaction, so a death or a full disk in the middle of one leaves the step before."""
    whole = sql.migrations()
    cut = (*whole[: number - 1], whole[number - 1] + "\nSELECT no_such_column;")
    monkeypatch.setattr(storage, "migrations", lambda: cut)
    with pytest.raises((LedgerError, sqlite3.OperationalError)):
        await Ledger.open(old)
    assert look(old, "PRAGMA user_version") == [(number - 1,)]
    monkeypatch.setattr(storage, "migrations", lambda: whole)
    async with upgraded(old) as ledger:
        assert len(await ledger.messages(limit=100)) == 5
