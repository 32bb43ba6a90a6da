"""The database itself holds to the legal transitions (R-6): it does not matter which code asks."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.ledger import storage
from listener.ledger.records import DeliveryState, State

UNEXPLAINED = {State.ACCEPTED, State.FILED, State.DONE}
ENTRY = "INSERT INTO entries (account, folder, unique_id, extent, raw, state, reason, epoch, accepted_at) VALUES "
CASE = "INSERT OR IGNORE INTO cases (id, account, subject, requester, opened_by, updated_at) VALUES "
DELIVERY = "INSERT INTO deliveries (entry, case_id, account, hook, idempotency_key, state) VALUES "
RESPONSE = (
    "INSERT INTO responses (key, purpose, account, entry, case_id, recipient, domain, message_id, octets, state, reason,"
    " due_at, created_at) VALUES "
)
RESPONSES = ("ready", "suppressed", "sending", "sent", "deferred", "failed", "unknown")
PATHS = ([], ["sending"], ["sending", "sent"], ["sending", "deferred"], ["failed"], ["sending", "unknown"])


@pytest.fixture(scope="module")
def connection(tmp_path_factory):
    opened = storage.open_writer(tmp_path_factory.mktemp("transitions") / "ledger.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def db(connection):
    connection.execute("SAVEPOINT test")
    yield connection
    connection.execute("ROLLBACK TO test")
    connection.execute("RELEASE test")


def legal(db, subject):
    rows = db.execute("SELECT before, after FROM transitions WHERE subject = ?", (subject,)).fetchall()
    return {(before, after) for before, after in rows if before}, {after for before, after in rows if not before}


def new_entry(db, state, reason, account="a"):
    db.execute("INSERT OR IGNORE INTO raw (id, digest, octets) VALUES (1, zeroblob(32), x'')")
    values = f"{ENTRY} (?, 'INBOX', hex(randomblob(8)), 'whole', 1, ?, ?, 1, 0)"
    return db.execute(values, (account, state, reason)).lastrowid


def new_case(db, entry):
    db.execute(f"{CASE} ('C', 'a', '', '', ?, 0)", (entry,))


def new_delivery(db, entry, state="due"):
    new_case(db, entry)
    return db.execute(f"{DELIVERY} (?, 'C', 'a', 'h', '', ?)", (entry, state)).lastrowid


def new_response(db, entry, state="ready", purpose="automatic"):
    new_case(db, entry)
    values = f"{RESPONSE} (hex(randomblob(8)), ?, 'a', ?, 'C', 'x@y', 'y', hex(randomblob(8)), x'', ?, 'list_field', NULL, 0)"
    return db.execute(values, (purpose, entry, state)).lastrowid


def move(db, table, row, state, reason=""):
    """Whether the database allows it."""
    try:
        db.execute(f"UPDATE {table} SET state = ?, reason = ? WHERE id = ?", (state, reason, row))
    except sqlite3.IntegrityError:
        return False
    return True


def entry_in(db, state):
    """An entry brought there by legal steps."""
    if state in (State.IGNORED, State.QUARANTINED):
        return new_entry(db, state, "vanished")
    entry = new_entry(db, State.ACCEPTED, "")
    if state is State.DEAD:
        assert move(db, "entries", entry, State.DEAD, "parse_failed")
    elif state is not State.ACCEPTED:
        assert move(db, "entries", entry, State.FILED)
        assert state is State.FILED or move(db, "entries", entry, state)
    return entry


@pytest.mark.parametrize("state", State)
def test_an_entry_begins_only_where_it_may(db, state):
    _, beginnings = legal(db, "entries")
    reason = "" if state in UNEXPLAINED else "vanished"
    if state in beginnings:
        assert new_entry(db, state, reason)
    else:
        with pytest.raises(sqlite3.IntegrityError, match="illegal transition of an entry"):
            new_entry(db, state, reason)


@pytest.mark.parametrize("after", State)
@pytest.mark.parametrize("before", State)
def test_an_entry_changes_only_as_it_may(db, before, after):
    steps, _ = legal(db, "entries")
    entry = entry_in(db, before)
    if (before, after) == (State.FILED, State.DEAD):
        delivery = new_delivery(db, entry)
        assert move(db, "deliveries", delivery, DeliveryState.DEAD)
    allowed = before is after or (before, after) in steps
    assert move(db, "entries", entry, after, "" if after in UNEXPLAINED else "vanished") == allowed


@given(st.lists(st.sampled_from(list(State)), max_size=12))
@settings(max_examples=60, deadline=None)
def test_no_walk_leaves_the_legal_transitions(connection, wishes):
    steps, _ = legal(connection, "entries")
    connection.execute("SAVEPOINT walk")
    entry, state = new_entry(connection, State.ACCEPTED, ""), State.ACCEPTED
    for wish in wishes:
        allowed = wish is state or ((state, wish) in steps and (state, wish) != (State.FILED, State.DEAD))
        assert move(connection, "entries", entry, wish, "" if wish in UNEXPLAINED else "vanished") == allowed
        state = wish if allowed else state
        assert connection.execute("SELECT state FROM entries WHERE id = ?", (entry,)).fetchone() == (state,)
    connection.execute("ROLLBACK TO walk")
    connection.execute("RELEASE walk")


@pytest.mark.parametrize("after", DeliveryState)
@pytest.mark.parametrize("before", DeliveryState)
def test_a_delivery_changes_only_as_it_may(db, before, after):
    steps, _ = legal(db, "deliveries")
    delivery = new_delivery(db, entry_in(db, State.FILED))
    assert before is DeliveryState.DUE or move(db, "deliveries", delivery, before)
    assert move(db, "deliveries", delivery, after) == (before is after or (before, after) in steps)


@pytest.mark.parametrize("state", ["done", "ignored", "dead"])
def test_a_delivery_begins_due(db, state):
    entry = entry_in(db, State.FILED)
    with pytest.raises(sqlite3.IntegrityError, match="illegal transition of a delivery"):
        new_delivery(db, entry, state)


def move_response(db, response, state):
    """Whether the database allows it."""
    try:
        db.execute(
            "UPDATE responses SET state = :to, sent_at = CASE WHEN :to = 'sent' THEN 1.0 END WHERE id = :id",
            {"to": state, "id": response},
        )
    except sqlite3.IntegrityError:
        return False
    return True


@pytest.mark.parametrize("after", RESPONSES)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("purpose", ["automatic", "hook"])
def test_a_response_changes_only_as_it_may(db, purpose, path, after):
    steps, _ = legal(db, "responses")
    response = new_response(db, entry_in(db, State.FILED), purpose=purpose)
    assert all(move_response(db, response, state) for state in path)
    before = path[-1] if path else "ready"
    allowed = (before, after) in steps and not (before == "unknown" and purpose == "automatic")
    assert move_response(db, response, after) == (before == after or allowed)


@pytest.mark.parametrize("state", RESPONSES)
def test_a_response_begins_ready_or_suppressed(db, state):
    _, beginnings = legal(db, "responses")
    entry = entry_in(db, State.FILED)
    if state in beginnings:
        assert new_response(db, entry, state)
    else:
        with pytest.raises(sqlite3.IntegrityError):
            new_response(db, entry, state)


def test_nothing_is_sent_that_was_not_kept_first(db):
    response = new_response(db, entry_in(db, State.FILED))
    db.execute("UPDATE responses SET octets = NULL WHERE id = ?", (response,))
    assert not move_response(db, response, "sending")


def test_a_message_has_at_most_one_automatic_reply(db):
    entry = entry_in(db, State.FILED)
    new_response(db, entry, "suppressed")
    new_response(db, entry, purpose="hook")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        new_response(db, entry)


def test_what_was_ignored_for_any_other_reason_stays_ignored(db):
    entry = new_entry(db, State.IGNORED, "before_baseline")
    assert not move(db, "entries", entry, State.ACCEPTED)


@pytest.mark.parametrize("state", ["due", "dead"])
def test_an_entry_is_not_done_while_a_delivery_is_not(db, state):
    entry = entry_in(db, State.FILED)
    delivery = new_delivery(db, entry)
    assert state == "due" or move(db, "deliveries", delivery, state)
    assert not move(db, "entries", entry, State.DONE)


@pytest.mark.parametrize("state", ["due", "done"])
def test_an_entry_is_not_dead_while_a_delivery_is_due_or_none_is_dead(db, state):
    entry = entry_in(db, State.FILED)
    delivery = new_delivery(db, entry)
    assert state == "due" or move(db, "deliveries", delivery, state)
    assert not move(db, "entries", entry, State.DEAD, "hook_failed")


def test_nothing_is_owed_without_the_octets(db):
    entry = db.execute(f"{ENTRY} ('a', 'INBOX', 'x', 'none', NULL, 'ignored', 'vanished', 1, 0)").lastrowid
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        db.execute("UPDATE entries SET owed = 1 WHERE id = ?", (entry,))


def test_one_content_of_an_account_is_filed_once(db):
    new_entry(db, State.ACCEPTED, "")
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        new_entry(db, State.ACCEPTED, "")


def test_two_of_one_line_are_never_due_at_once(db):
    first, second = new_entry(db, State.ACCEPTED, ""), new_entry(db, State.ACCEPTED, "", account="b")
    ids = [new_delivery(db, first), new_delivery(db, second)]
    db.execute("UPDATE deliveries SET due_at = 1 WHERE id = ?", (ids[0],))
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        db.execute("UPDATE deliveries SET due_at = 1 WHERE id = ?", (ids[1],))


@pytest.mark.parametrize("statement", ["UPDATE events SET kind = 'other'", "DELETE FROM events"])
def test_history_is_not_rewritten(db, statement):
    db.execute("INSERT INTO events (account, at, kind, detail) VALUES ('a', 0, 'account.paused', '{}')")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(statement)


EVENT = "INSERT INTO events (account, at, kind, detail) VALUES ('a', ?, 'account.paused', '{}')"
ORDER = "INSERT INTO audit (at, who, action, target, outcome, detail) VALUES (?, 'admin', 'pause', 'a', 'ordered', '{}')"


@pytest.mark.parametrize(("table", "insert"), [("events", EVENT), ("audit", ORDER)])
def test_history_goes_only_from_before_the_horizon(db, table, insert):
    db.executemany(insert, [(1,), (9,)])
    db.execute("UPDATE horizon SET at = 9")
    db.execute(f"DELETE FROM {table} WHERE at = 1")
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute(f"DELETE FROM {table}")


@pytest.mark.parametrize("statement", ["UPDATE horizon SET at = at - 1", "DELETE FROM horizon"])
def test_the_horizon_never_goes_back(db, statement):
    with pytest.raises(sqlite3.IntegrityError, match="never goes back"):
        db.execute(statement)


def test_the_audit_is_not_rewritten(db):
    db.execute(ORDER, (1,))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute("UPDATE audit SET who = 'other'")
