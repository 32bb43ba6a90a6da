"""Searching: every walk goes by its index and sorts nothing; words follow what is filed, changed and removed."""

import re

import pytest
from ledger.makers import filed as file_them

from listener.ledger import sql, storage
from listener.ledger.search import MAX_WORD, MAX_WORDS, CaseFilter, MessageFilter, words

WALKS = [
    ("messages_by_id", "e USING INTEGER PRIMARY KEY"),
    ("messages_by_state", "entries_by_state (state=? AND id<?)"),
    ("messages_by_account", "entries_by_account (account=? AND state=? AND id<?)"),
    ("messages_by_kind", "messages_by_kind (kind=? AND entry<?)"),
    ("messages_by_time", "entries_by_time"),
    ("messages_by_text", "t VIRTUAL TABLE INDEX"),
    ("cases_by_number", "c USING INTEGER PRIMARY KEY"),
    ("cases_by_account", "cases_by_account (account=? AND number<?)"),
    ("cases_by_status", "cases_by_status (status=? AND number<?)"),
    ("cases_by_text", "t VIRTUAL TABLE INDEX"),
    ("oldest_unprocessed", "entries_by_account (account=? AND state=?)"),
    ("events_after", "events USING INTEGER PRIMARY KEY"),
]


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    opened = storage.open_writer(tmp_path_factory.mktemp("search") / "ledger.sqlite3")
    yield opened
    opened.close()


@pytest.mark.parametrize(("name", "index"), WALKS)
def test_every_walk_goes_by_its_index_and_sorts_nothing(connection, name, index):
    statement = sql.load("search")[name]
    names = set(re.findall(r":(\w+)", statement))
    values = dict.fromkeys(names, "1") if names else ["1"] * statement.count("?")
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]
    assert any(index in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("lamp", '"lamp"*'),
        ("The  lamp!", '"The"* "lamp"*'),
        ("ann@example.com", '"ann"* "example"* "com"*'),
        ('"a" OR b*', '"a" "OR"* "b"'),
        ("x_y", '"x" "y"'),
        ("!?*", None),
        ("", None),
        ("\x00\udcff", None),
        ("日本語", '"日本語"*'),
    ],
)
def test_what_people_type_is_words_and_never_syntax(text, asked):
    assert words(text) == asked


def test_a_question_is_bounded():
    asked = words(" ".join(["w" * 500] * 50))
    assert asked.count("*") == MAX_WORDS
    assert max(len(word) for word in re.findall(r"\w+", asked)) == MAX_WORD


@pytest.fixture
async def filed(ledger):
    """One message, about a lamp, in a case."""
    await file_them(ledger, "lamp")
    return ledger


async def read_all(ledger):
    while await ledger.search.index():
        pass


async def found(ledger, text):
    return [row["id"] for row in (await ledger.search.messages(MessageFilter(text=text))).rows]


async def test_words_are_read_once_and_stay(filed):
    await read_all(filed)
    assert await found(filed, "lamp") == [1]
    assert await filed.search.index() == 0
    assert (await filed.search.cases(CaseFilter(text="lamp"))).rows


async def test_a_message_that_is_read_again_is_found_by_its_new_words_only(filed):
    await read_all(filed)

    def change(tx):
        tx.connection.execute("UPDATE messages SET subject = 'The chair' WHERE entry = 1")
        tx.connection.execute("INSERT INTO events (entry, account, at, kind, detail) VALUES (1, 'a', 0, 'message.filed', '{}')")

    await filed._write(change)
    await read_all(filed)
    assert await found(filed, "lamp") == []
    assert await found(filed, "chair") == [1]


async def test_what_is_gone_is_not_found_and_its_words_are_forgotten(filed):
    await read_all(filed)

    def remove(tx):
        tx.connection.execute("DELETE FROM message_ids WHERE entry = 1")
        tx.connection.execute("DELETE FROM messages WHERE entry = 1")

    await filed._write(remove)
    assert await filed.search.index() == 1
    assert await found(filed, "lamp") == []
    kept = await filed._read(lambda c: c.execute("SELECT count(*) FROM messages_text").fetchone()[0])
    assert kept == 0


async def test_a_case_with_another_subject_is_found_by_it(filed):
    await read_all(filed)
    await filed._write(lambda tx: tx.connection.execute("UPDATE cases SET subject = 'Tables'"))
    await read_all(filed)
    assert not (await filed.search.cases(CaseFilter(text="lamp"))).rows
    assert (await filed.search.cases(CaseFilter(text="table"))).rows


async def test_words_of_long_ago_are_read_a_bounded_piece_at_a_time(filed):
    pieces = 0
    while await filed.search.index(1):
        pieces += 1
    assert pieces >= 2
    assert await found(filed, "lamp") == [1]
