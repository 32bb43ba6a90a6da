"""A ledger of an earlier release goes on under the present one: nothing of it is lost, and what was due is still due.

releases/N.sql is what that release's own code had written, with N migrations: one message done, one with a delivery due, one
dead, one in quarantine and one that waits to be parsed (releases/make.py).
"""

import contextlib
import hashlib
import sqlite3
from pathlib import Path

import pytest
from ledger.makers import ACCOUNT, Clock, file_due, filed, look, message

from listener.errors import LedgerError
from listener.ledger import Keep, Ledger, sql, storage
from listener.ledger.search import CaseFilter, MessageFilter
from listener.mailbox import Folder, Receipt

RELEASES = Path(__file__).parent / "releases"
LEDGERS = sorted(int(path.stem) for path in RELEASES.glob("*.sql"))
RELEASED = {
    1: "be5b2f03bd759a6a5c796e3a47d3b3edd7c90fbe421927f6ef632260388b97c7",
    2: "7a94b6620fd3578533062f325e693c9c1ce31467b93ee582f5b2e07add0c68cb",
    3: "399e713aed48cb5a4c713cf6e9a71cd38be96b747c748b429bea9105473f36fa",
    4: "b14c72047fd881066d1b6fe7ff7a36ed8268358c24f83e72d2e247291202a5d1",
    5: "231f6a7e298472b2eae20f9a5883383e1e632e9d94474c616d1e10cd55c26d96",
    6: "983f86f71c145a823da239e952b6355ca54e3c1b4047028e2150e8c73832fa68",
    7: "232478588686db45116aa348d71b15c55669bdb04de847590943cb3afad185a0",
    8: "1943d64cedc3c1d897447692072d10ca57c7b6d885d7bf0a2af7410ad42d6bbb",
}
"""What each released migration was: ledgers in the field have run exactly that."""


@pytest.fixture(params=LEDGERS, ids="release {}".format)
def old(state_dir, request):
    """The state directory of an earlier release."""
    return left_by(request.param, state_dir)


@pytest.fixture
def first(state_dir):
    return left_by(1, state_dir)


def left_by(release, state_dir):
    state_dir.mkdir(mode=0o700)
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as connection:
        connection.execute("PRAGMA page_size = 16384")
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute(f"PRAGMA application_id = {storage.APPLICATION_ID}")
        connection.executescript((RELEASES / f"{release}.sql").read_text())
        connection.execute(f"PRAGMA user_version = {release}")
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
async def test_an_upgrade_that_is_cut_short_begins_again_where_it_was(first, number, monkeypatch):
    """Each step and its number are one transaction, so a death or a full disk in the middle of one leaves the step before."""
    whole = sql.migrations()
    cut = (*whole[: number - 1], whole[number - 1] + "\nSELECT no_such_column;")
    monkeypatch.setattr(storage, "migrations", lambda: cut)
    with pytest.raises((LedgerError, sqlite3.OperationalError)):
        await Ledger.open(first)
    assert look(first, "PRAGMA user_version") == [(number - 1,)]
    monkeypatch.setattr(storage, "migrations", lambda: whole)
    async with upgraded(first) as ledger:
        assert len(await ledger.messages(limit=100)) == 5


async def test_what_accounts_did_before_the_upgrade_may_be_let_go_after_it(old):
    async with upgraded(old) as ledger:
        await ledger.set_paused("sales", False)
        assert (await ledger.retention.sweep(Keep(history=90 * 86_400.0), 1_800_000_000.0)).history == 2
        assert [event["kind"] for event in await ledger.account_events("sales")] == ["account.resumed"]
