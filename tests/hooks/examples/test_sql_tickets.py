"""docs/hooks.md: a row a message, with its key in the same transaction: one effect whatever happens in between."""

import asyncio
import sqlite3
from contextlib import closing

import pytest

from listener.hooks import Case, Filed
from listener.testing import deliver, make_message


@pytest.fixture
def hook(example, monkeypatch, tmp_path):
    monkeypatch.setenv("TICKETS_DATABASE", str(tmp_path / "tickets.sqlite3"))
    return example("sql_tickets").SqlHook


@pytest.fixture
def rows(tmp_path):
    def count(table):
        with closing(sqlite3.connect(tmp_path / "tickets.sqlite3")) as db:
            return db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]

    return count


def known(reference):
    return Case("C1", "support", "Lamp", "ann@example.com", "open", is_new=False, reference=reference)


LETTER = make_message("My lamp is broken.\n", subject="Lamp")


async def test_a_case_is_a_ticket_and_each_message_a_row(hook, rows):
    assert await deliver(hook, LETTER) == Filed(reference="1")
    assert await deliver(hook, make_message("Still broken.\n"), case=known("1")) == Filed(reference="1")
    assert (rows("tickets"), rows("ticket_messages"), rows("listener_keys")) == (1, 2, 2)


async def test_called_again_after_the_commit_it_gives_the_same_ticket(hook, rows, monkeypatch):
    handle = hook.handle

    async def dies_afterwards(self, message, case, entry):
        await handle(self, message, case, entry)
        raise ConnectionError("the answer never arrived")

    monkeypatch.setattr(hook, "handle", dies_afterwards)
    with pytest.raises(ConnectionError):
        await deliver(hook, LETTER)
    monkeypatch.setattr(hook, "handle", handle)
    assert await deliver(hook, LETTER, attempt=2) == Filed(reference="1")
    assert (rows("tickets"), rows("ticket_messages")) == (1, 1)


async def test_called_again_after_a_failure_in_between_nothing_is_there_twice(hook, rows, monkeypatch):
    open_ticket = hook.open_ticket

    def fails(self, db, message, case):
        open_ticket(self, db, message, case)
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(hook, "open_ticket", fails)
    with pytest.raises(sqlite3.OperationalError):
        await deliver(hook, LETTER)
    assert (rows("tickets"), rows("listener_keys")) == (0, 0)
    monkeypatch.setattr(hook, "open_ticket", open_ticket)
    assert await deliver(hook, LETTER, attempt=2) == Filed(reference="1")


async def test_the_same_message_twice_at_once_is_one_ticket(hook, rows):
    await deliver(hook, make_message("first"))  # makes the tables
    outcomes = await asyncio.gather(*(deliver(hook, LETTER) for _ in range(8)))
    assert set(outcomes) == {Filed(reference="2")}
    assert rows("tickets") == 2
