"""Letting go: only what is settled and old enough, octets before cases before keys, and nothing that is still needed."""

import math
import re

import pytest
from ledger.makers import ACCOUNT, HOOKS, begin_next, file_due, filed, listing, look, message, page, take

from listener.hooks import Ignored
from listener.ledger import Keep, Parsed, Pruned, State, storage
from listener.ledger.access import Order
from listener.ledger.responding import Outgoing
from listener.ledger.responses import ResponseState
from listener.mailbox import Folder, Receipt
from listener.message.model import Attachment
from listener.responder.policy import Purpose

DAY = 86_400.0
FOREVER = Keep()


def attached(name):
    return message(name, attachments=(Attachment("a.pdf", "application/pdf", 1, "0" * 64, None, "attachment"),))


async def aged(ledger, clock, keep, days=100):
    """A sweep, so many days later."""
    clock.now += days * DAY
    return await ledger.retention.sweep(keep, clock.now)


def kept_octets(state_dir):
    return [octets for (octets,) in look(state_dir, "SELECT octets FROM raw WHERE octets IS NOT NULL ORDER BY id")]


async def arrive_later(ledger):
    """Another message, so that what came before is not the newest."""
    await filed(ledger, "later", hooks={})


async def confirmed(ledger, *names):
    await ledger.confirm(ACCOUNT, [Receipt(Folder("INBOX"), name) for name in names], gone=True)


# --- octets ------------------------------------------------------------------------------------------------------------


async def test_without_a_time_everything_is_kept(ledger, clock, state_dir):
    await filed(ledger, "one", hooks={})
    assert await aged(ledger, clock, FOREVER, 100_000) == Pruned()
    assert kept_octets(state_dir) == [b"one"]


async def test_octets_of_a_settled_message_go_when_they_are_old_and_no_sooner(ledger, clock, state_dir):
    await filed(ledger, "one", hooks={})
    assert await aged(ledger, clock, Keep(raw=30 * DAY), 29) == Pruned()
    assert await aged(ledger, clock, Keep(raw=30 * DAY), 2) == Pruned(raw=1)
    assert kept_octets(state_dir) == []
    assert ledger.read_raw(1) is None


async def test_the_text_and_the_history_outlive_the_octets(ledger, clock):
    (case,) = await filed(ledger, "one", hooks={})
    await aged(ledger, clock, Keep(raw=DAY, attachments=DAY))
    assert (await ledger.message(1)).subject == "About one"
    assert (await ledger.case(case))["entries"]
    assert (await ledger.explain(1))["events"]


async def test_unfinished_quarantined_and_dead_mail_keeps_its_octets(ledger, clock, state_dir):
    names = ["accepted", "filed", "dead", "quarantined"]
    await take(ledger, page(*map(listing, names), state="4"), {name: name.encode() for name in names})
    held = Parsed(4, message("quarantined"), State.QUARANTINED, "rule")
    await ledger.file([Parsed(2, message("filed")), Parsed(3, message("dead")), held], HOOKS)
    dead = next(due.id for due in await ledger.due_deliveries(9) if due.entry == 3)
    await ledger.fail_delivery(dead, "boom", retry_at=None)
    assert await aged(ledger, clock, Keep(raw=DAY, attachments=DAY)) == Pruned()
    assert len(kept_octets(state_dir)) == 4


async def test_messages_with_attachments_may_go_earlier_or_later(ledger, clock, state_dir):
    await filed(ledger, "plain", "with", hooks={}, **{"with": attached("with")})
    assert await aged(ledger, clock, Keep(raw=90 * DAY, attachments=30 * DAY), 60) == Pruned(raw=1)
    assert kept_octets(state_dir) == [b"plain"]
    assert await aged(ledger, clock, Keep(raw=90 * DAY, attachments=math.inf), 60) == Pruned(raw=1)


async def test_octets_shared_by_two_accounts_wait_for_both(ledger, clock, state_dir):
    await filed(ledger, "one", hooks={})
    clock.now += 50 * DAY
    await take(ledger, page(listing("one"), state="1"), {"one": b"one"}, account="sales")
    assert await aged(ledger, clock, Keep(raw=30 * DAY, attachments=30 * DAY), 40) == Pruned()
    await file_due(ledger, {})
    assert await aged(ledger, clock, Keep(raw=30 * DAY, attachments=30 * DAY), 1) == Pruned(raw=1)


async def test_a_pruned_message_that_is_listed_anew_is_no_new_message(ledger, clock):
    await filed(ledger, "one", hooks={})
    await aged(ledger, clock, Keep(raw=DAY, attachments=DAY))
    await take(ledger, page(listing("anew"), state="anew", reset=True), {"anew": b"one"})
    assert [row["case"] is not None for row in await ledger.messages() if row["state"] == "done"] == [True]
    assert len(await ledger.cases()) == 1


async def test_a_sweep_of_many_windows_reaches_the_last(ledger, clock, monkeypatch, state_dir):
    monkeypatch.setattr("listener.ledger.retention.WINDOW", 3)
    monkeypatch.setattr("listener.ledger.retention.RAW_AT_ONCE", 2)
    names = [f"m{number}" for number in range(10)]
    await filed(ledger, *names, hooks={})
    assert await aged(ledger, clock, Keep(raw=DAY, attachments=DAY)) == Pruned(raw=10)
    assert kept_octets(state_dir) == []


async def test_old_mail_that_stays_does_not_hide_what_may_go_behind_it(ledger, clock, monkeypatch):
    monkeypatch.setattr("listener.ledger.retention.WINDOW", 2)
    await filed(ledger, *[f"due{number}" for number in range(5)])
    await filed(ledger, "settled", hooks={})
    assert await aged(ledger, clock, Keep(raw=DAY, attachments=DAY)) == Pruned(raw=1)


# --- cases -------------------------------------------------------------------------------------------------------------


async def test_an_old_case_goes_with_its_texts_and_its_messages_stay_as_keys(ledger, clock, state_dir):
    await filed(ledger, "one")
    await begin_next(ledger)
    await ledger.settle_delivery(1, Ignored("not ours"))
    assert await aged(ledger, clock, Keep(cases=60 * DAY)) == Pruned(cases=1)
    assert await ledger.cases() == []
    assert await ledger.message(1) is None
    assert look(state_dir, "SELECT unique_id, state FROM entries") == [("one", "done")]


async def test_a_case_in_which_something_is_unfinished_or_recent_stays(ledger, clock):
    (unfinished,) = await filed(ledger, "unfinished")
    clock.now += 99 * DAY
    (recent,) = await filed(ledger, "recent", hooks={})
    assert await aged(ledger, clock, Keep(cases=60 * DAY), 1) == Pruned()
    assert {row["id"] for row in await ledger.cases()} == {unfinished, recent}


async def test_an_answer_to_a_case_that_is_gone_makes_a_new_one(ledger, clock):
    (before,) = await filed(ledger, "one", hooks={})
    await aged(ledger, clock, Keep(cases=60 * DAY))
    (after,) = await filed(ledger, "two", hooks={}, two=message("two", references=("one@example.com",)))
    assert after != before


# --- keys --------------------------------------------------------------------------------------------------------------


async def test_the_key_of_a_deleted_message_goes_last_and_leaves_nothing(ledger, clock, state_dir):
    await filed(ledger, "one", hooks={})
    await confirmed(ledger, "one")
    keep = Keep(raw=DAY, attachments=DAY, cases=60 * DAY, keys=90 * DAY)
    assert await aged(ledger, clock, keep, 89) == Pruned(raw=1, cases=1)
    await arrive_later(ledger)
    assert await aged(ledger, clock, keep, 2) == Pruned(raw=1, keys=1)
    for table in ("entries", "raw"):
        assert look(state_dir, f"SELECT id FROM {table}") == [(2,)], table
    for table in ("messages", "message_ids", "attachments", "removals", "deliveries", "events"):
        assert look(state_dir, f"SELECT count(*) FROM {table} WHERE entry = 1") == [(0,)], table
    assert await ledger.counts() == {(ACCOUNT, "done", ""): 1}


async def test_the_newest_ids_stay_so_that_none_is_given_twice(ledger, clock, state_dir):
    await filed(ledger, "one", hooks={})
    await confirmed(ledger, "one")
    keep = Keep(cases=60 * DAY, keys=90 * DAY)
    assert (await aged(ledger, clock, keep)).keys == 0
    (event,) = look(state_dir, "SELECT max(id) FROM events")[0]
    await arrive_later(ledger)
    assert (await ledger.explain(2))["events"]
    assert look(state_dir, "SELECT min(id) FROM events WHERE entry = 2")[0][0] > event
    assert (await ledger.retention.sweep(keep, clock.now)).keys == 1


async def test_keys_that_the_server_may_still_list_stay(ledger, clock, state_dir):
    await filed(ledger, "one", hooks={})
    await ledger.confirm(ACCOUNT, [Receipt(Folder("INBOX"), "one")])
    assert (await aged(ledger, clock, Keep(cases=60 * DAY, keys=90 * DAY))).keys == 0
    assert look(state_dir, "SELECT unique_id FROM entries") == [("one",)]


async def test_a_key_that_the_server_lists_although_it_said_gone_stays(ledger, clock):
    await filed(ledger, "one", hooks={})
    await confirmed(ledger, "one")
    await ledger.plan(ACCOUNT, page(listing("one"), state="1"))
    assert (await aged(ledger, clock, Keep(cases=60 * DAY, keys=90 * DAY))).keys == 0


async def test_a_key_in_a_case_stays_as_long_as_the_case(ledger, clock):
    await filed(ledger, "one", hooks={})
    await confirmed(ledger, "one")
    assert await aged(ledger, clock, Keep(keys=90 * DAY)) == Pruned()


async def test_a_copy_goes_before_the_message_that_it_is_a_copy_of(ledger, clock, state_dir):
    await filed(ledger, "one", hooks={})
    await take(ledger, page(listing("copy"), state="2"), {"copy": b"one"})
    await file_due(ledger, {})
    await confirmed(ledger, "one", "copy")
    await arrive_later(ledger)
    keep = Keep(cases=60 * DAY, keys=90 * DAY)
    assert (await aged(ledger, clock, keep)).keys == 1
    assert look(state_dir, "SELECT unique_id FROM entries ORDER BY 1") == [("later",), ("one",)]
    assert (await aged(ledger, clock, keep, 0)).keys == 1


async def test_a_key_of_which_the_server_keeps_the_message_marked_stays(ledger, clock):
    await filed(ledger, "one", hooks={})
    await ledger.confirm(ACCOUNT, [Receipt(Folder("INBOX"), "one", stays=True)], gone=True)
    await arrive_later(ledger)
    assert (await aged(ledger, clock, Keep(cases=60 * DAY, keys=90 * DAY))).keys == 0


async def test_a_gone_message_that_is_listed_under_another_id_is_there_again(ledger, clock):
    await filed(ledger, "one", hooks={})
    await confirmed(ledger, "one")
    await take(ledger, page(listing("anew"), state="anew", reset=True), {"anew": b"one"}, owe=False)
    await arrive_later(ledger)
    assert (await aged(ledger, clock, Keep(cases=60 * DAY, keys=90 * DAY))).keys == 0


async def test_a_message_whose_case_is_gone_makes_no_second_case_when_the_server_lists_it_anew(ledger, clock):
    await filed(ledger, "one", hooks={})
    await aged(ledger, clock, Keep(raw=DAY, attachments=DAY, cases=60 * DAY, keys=90 * DAY))
    await take(ledger, page(listing("anew"), state="anew", reset=True), {"anew": b"one"})
    assert await file_due(ledger, {}) == []
    assert await ledger.cases() == []


# --- mail to people of ours --------------------------------------------------------------------------------------------


async def test_a_notification_goes_once_it_is_sent_and_old(ledger, clock, state_dir):
    for key in ("sent", "waiting"):
        await ledger.responses.send(Outgoing(key, Purpose.NOTIFICATION, ACCOUNT, "agent@example.com", "News", "Come and see."))
    (sent, _) = await ledger.responses.due(ACCOUNT, clock.now, 9)
    await ledger.responses.begin(sent, "ours@example.com", b"octets")
    await ledger.responses.settle(sent, ResponseState.SENT)
    assert await aged(ledger, clock, Keep(cases=60 * DAY), 59) == Pruned()
    assert await aged(ledger, clock, Keep(cases=60 * DAY), 2) == Pruned(mails=1)
    assert look(state_dir, "SELECT key FROM responses") == [("waiting",)]


# --- history of accounts, and the audit --------------------------------------------------------------------------------


async def order(ledger, target):
    await ledger.access.record(Order("admin", "pause", target, {}))


async def test_history_of_accounts_and_the_audit_go_when_they_are_old_and_no_sooner(ledger, clock):
    await ledger.set_paused(ACCOUNT, True)
    await order(ledger, "old")
    clock.now += 50 * DAY
    await ledger.set_paused(ACCOUNT, False)
    await order(ledger, "young")
    await arrive_later(ledger)
    await order(ledger, "newest")
    keep = Keep(history=90 * DAY)
    assert await aged(ledger, clock, keep, 39) == Pruned()
    assert await aged(ledger, clock, keep, 2) == Pruned(history=2)
    assert [event["kind"] for event in await ledger.account_events(ACCOUNT)] == ["account.resumed"]
    assert [row["target"] for row in await ledger.access.audit()] == ["newest", "young"]


async def test_the_newest_lines_stay_so_that_no_id_is_given_twice(ledger, clock):
    await ledger.set_paused(ACCOUNT, True)
    await order(ledger, "only")
    assert await aged(ledger, clock, Keep(history=90 * DAY)) == Pruned()


async def test_history_of_a_message_stays_with_it(ledger, clock):
    await filed(ledger, "one", hooks={})
    before = (await ledger.explain(1))["events"]
    await aged(ledger, clock, Keep(history=90 * DAY))
    assert (await ledger.explain(1))["events"] == before


async def test_a_long_history_goes_window_after_window(ledger, clock, monkeypatch):
    monkeypatch.setattr("listener.ledger.retention.WINDOW", 3)
    monkeypatch.setattr("listener.ledger.retention.KEYS_AT_ONCE", 2)
    for number in range(10):
        await order(ledger, f"{number}")
    assert await aged(ledger, clock, Keep(history=90 * DAY)) == Pruned(history=9)


async def test_a_clock_that_goes_back_or_a_longer_time_stops_no_sweep(ledger, clock):
    await order(ledger, "old")
    await order(ledger, "newest")
    assert await aged(ledger, clock, Keep(history=90 * DAY)) == Pruned(history=1)
    clock.now -= 200 * DAY
    await order(ledger, "before")
    await order(ledger, "newest")
    assert await aged(ledger, clock, Keep(history=120 * DAY), 140) == Pruned(history=1)


# --- the whole ---------------------------------------------------------------------------------------------------------


async def test_a_second_sweep_finds_nothing_more(ledger, clock):
    await filed(ledger, "one", "two", hooks={})
    await confirmed(ledger, "one")
    keep = Keep(raw=DAY, attachments=DAY, cases=60 * DAY, keys=90 * DAY)
    await aged(ledger, clock, keep)
    assert await ledger.retention.sweep(keep, clock.now) == Pruned()


async def test_room_is_given_back_to_the_disk(ledger, clock, state_dir):
    names = [f"m{number}" for number in range(40)]
    await take(ledger, page(*map(listing, names), state="1"), {name: name.encode() * 30_000 for name in names})
    batch = [Parsed(entry.id, message(str(entry.id))) for entry in await ledger.due_entries(100, 10**9)]
    await ledger.file(batch, {})
    (before,) = look(state_dir, "PRAGMA page_count")[0]
    while (await aged(ledger, clock, Keep(raw=DAY, attachments=DAY))) != Pruned():
        pass
    await ledger.retention.sweep(Keep(raw=DAY, attachments=DAY), clock.now)
    assert look(state_dir, "PRAGMA page_count")[0][0] < before


@pytest.mark.parametrize(
    ("parent", "statements", "elsewhere"),
    [
        ("cases", "case_part_", set()),
        ("entries", "key_part_", {"cases", "held", "message_ids", "muted", "deliveries", "responses"}),
    ],
)
def test_every_table_that_names_a_removed_row_is_thought_of(tmp_path, parent, statements, elsewhere):
    """What names a case or a key goes with it, or is asked for before (`prunable_…`), or belongs to the case."""
    from listener.ledger.sql import load

    connection = storage.open_writer(tmp_path / "ledger.sqlite3")
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    keys = {table: connection.execute(f"PRAGMA foreign_key_list({table})").fetchall() for table in tables}
    naming = {table for table, rows in keys.items() if any(row[2] == parent and row[6] == "NO ACTION" for row in rows)}
    connection.close()
    handled = {
        found
        for name, text in load("retention").items()
        if name.startswith(statements)
        for found in re.findall(r"^DELETE FROM (\w+)", text)
    }
    assert naming - elsewhere <= handled
