"""The statements: all prepared against the schema, none unused, none that reads more than it must, the docs as they are."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from listener.ledger import sql, storage

PACKAGE = Path(sql.__file__).parent
DOCS = PACKAGE.parent.parent / "docs" / "ledger.md"
FILES = sorted(path.stem for path in (PACKAGE / "sql").glob("*.sql"))
STATEMENTS = [(name, statement) for name in FILES for statement in sql.load(name)]
READ_WHOLE = {
    ("queries", "secrets"): "secrets: all of them are sealed anew",
    ("notices", "people"): "notices: what is still to be told",
    ("notices", "alerts"): "alerts: what is wrong at the moment",
    ("retention", "move_horizon"): "horizon: one row",
    ("search", "totals"): "tallies: a row for each account, state and reason",
    ("search", "busy"): "the same",
    ("queries", "counts"): "tallies: a row for each account, state and reason",
    ("queries", "paused"): "accounts: a row for each that was ever paused",
    ("receiving", "last_ids"): "the last row alone",
    ("receiving", "insert_entry"): "the foreign keys to it, and only while one is outstanding: OP_FkIfZero skips it",
    ("receiving", "insert_present"): "the same",
    ("responses", "tallies"): "response_tallies: a row for each purpose, state and rule",
}

SMALL = (
    *("entries_due", "entries_owed", "entries_released", "deliveries_due", "deliveries_head"),
    *("api_tokens_by_name", "responses_due"),
)
"""Partial indexes: what is still to do, and what has a bound."""


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    opened = storage.open_writer(tmp_path_factory.mktemp("sql") / "ledger.sqlite3")
    yield opened
    opened.close()


def explained(connection, statement):
    names = set(re.findall(r":(\w+)", statement))
    values = dict.fromkeys(names, "1") if names else ["1"] * statement.count("?")
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)]


@pytest.mark.parametrize(("file", "name"), STATEMENTS)
def test_no_statement_reads_a_table_from_end_to_end(connection, file, name):
    """With a million old messages every question is still answered from an index (json_each is the question itself)."""
    scans = [step for step in explained(connection, sql.load(file)[name]) if step.startswith("SCAN") and not bounded(step)]
    assert not scans or (file, name) in READ_WHOLE, scans


def bounded(step):
    """What we are asked, what an inner query gave, and the partial indexes, which hold only what is still to do."""
    return re.match(
        r"SCAN (CONSTANT ROW|\w+ VIRTUAL TABLE|wanted|listed|found|\(subquery|entries USING .*PRIMARY KEY)", step
    ) or re.search(rf"INDEX ({'|'.join(SMALL)})\b", step)


@pytest.mark.parametrize(
    ("file", "name", "index"),
    [
        ("filing", "due_entries", "entries_due"),
        ("receiving", "owed", "entries_owed"),
        ("receiving", "released", "entries_released"),
        ("deliveries", "due_of_hook", "deliveries_due"),
        ("deliveries", "next_due_of_hook", "deliveries_due"),
        ("queries", "newest_of_state", "entries_by_state"),
        ("queries", "newest_of_account", "entries_by_account"),
        ("queries", "backlog", "entries_by_account"),
        ("queries", "events", "events_by_entry"),
        ("queries", "case_entries", "messages_by_case"),
        ("receiving", "known", "sqlite_autoindex_entries_1"),
        ("receiving", "contents", "sqlite_autoindex_raw_1"),
        ("cases", "filed", "PRIMARY KEY"),
        ("cases", "sent", "sqlite_autoindex_responses_2"),
        ("cases", "known_ids", "PRIMARY KEY"),
        ("cases", "filed_as", "PRIMARY KEY"),
        ("cases", "standing", "sqlite_autoindex_cases_1"),
        ("cases", "standing", "case_links_by_other"),
        ("cases", "similar", "cases_by_topic"),
        ("cases", "twin", "entries_by_provider_id"),
        ("responses", "due", "responses_due"),
        ("responses", "begun", "responses_by_state"),
        ("responses", "newest_of_state", "responses_by_state"),
        ("responses", "newest_of_account_in_state", "responses_by_account_state"),
        ("responding", "to_sender", "responses_to_sender"),
        ("responding", "in_case", "responses_in_case"),
        ("responding", "of_account", "responses_of_account"),
        ("responding", "to_domain", "responses_to_domain"),
    ],
)
def test_what_is_asked_all_the_time_goes_by_its_index_and_sorts_nothing(connection, file, name, index):
    steps = explained(connection, sql.load(file)[name])
    assert any(index in step for step in steps), steps
    assert not any("TEMP B-TREE" in step for step in steps), steps


def test_every_statement_is_used():
    code = "\n".join(path.read_text() for path in PACKAGE.glob("*.py"))
    used = set(re.findall(r'_SQL\["(\w+)"\]', code)) | set(re.findall(r'"([a-z_]+)"', code))
    assert [name for _, name in STATEMENTS if name not in used] == []


def test_the_documented_transitions_are_the_databases(connection):
    in_sql = defaultdict(list)
    for subject, before, after, cause in connection.execute("SELECT * FROM transitions"):
        in_sql[subject].append((before or "(new)", after, cause))
    in_docs = defaultdict(list)
    for line in DOCS.read_text().splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0] in in_sql:
            in_docs[cells[0]].append(tuple(cells[1:]))
    assert {subject: sorted(rows) for subject, rows in in_docs.items()} == {
        subject: sorted(rows) for subject, rows in in_sql.items()
    }


def test_every_table_is_documented(connection):
    tables = {name for _, name, kind, *_ in connection.execute("PRAGMA main.table_list") if kind != "shadow"}
    named = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", DOCS.read_text(), re.MULTILINE)
    documented = {name for cell in named for name in re.findall(r"\w+", cell)}
    assert tables - {name for name in tables if name.startswith("sqlite_")} <= documented
