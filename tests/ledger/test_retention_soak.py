"""A ledger under steady mail that is deleted on the server stays as large as its retention asks for, however long it runs."""

import os

import pytest
from ledger.makers import ACCOUNT, listing, look, message, page, take

from listener.hooks import Ignored
from listener.ledger import Keep, Parsed
from listener.ledger.access import Order
from listener.ledger.responding import Outgoing
from listener.ledger.responses import ResponseState
from listener.mailbox import Folder, Receipt
from listener.message.model import Attachment
from listener.responder.policy import Purpose

DAY = 86_400.0
ROUND = 5 * DAY
KEEP = Keep(raw=10 * DAY, attachments=5 * DAY, cases=30 * DAY, keys=90 * DAY, history=90 * DAY)
FULL = 40
"""Rounds after which everything that is kept for a time is old enough to go: 200 days."""
MONTHS = 6
A_MAIL = 30_000
"""Octets; what is kept for ever of one that is pruned may be a hundredth of it."""


async def live_a_round(ledger, clock, number):
    """Some days: customers write, one with a file; each is handed on, deleted on the server and told of; orders; a sweep."""
    names = [f"m{number}-{one}" for one in range(4)]
    octets = {name: name.encode() + os.urandom(A_MAIL) for name in names}
    await take(ledger, page(*map(listing, names), state=f"{number}"), octets)
    file = Attachment("a.pdf", "application/pdf", 1, "0" * 64, None, "attachment")
    parsed = {octets[name]: message(name, attachments=(file,) if name.endswith("0") else ()) for name in names}
    await _file(ledger, parsed)
    for due in await ledger.due_deliveries(9):
        await ledger.begin_delivery(due.id)
        await ledger.settle_delivery(due.id, Ignored("not ours"))
    await ledger.confirm(ACCOUNT, [Receipt(Folder("INBOX"), name) for name in names], gone=True)
    await _tell(ledger, clock, number)
    await _order(ledger)
    while await ledger.search.index():
        pass
    clock.now += ROUND
    await ledger.retention.sweep(KEEP, clock.now)


async def _file(ledger, parsed):
    due = await ledger.due_entries(100, 10**9)
    await ledger.file([Parsed(entry.id, parsed[entry.octets]) for entry in due], {ACCOUNT: ["python:hook"]})


async def _tell(ledger, clock, number):
    key = f"told{number}"
    await ledger.responses.send(Outgoing(key, Purpose.NOTIFICATION, ACCOUNT, "agent@example.com", "News", "Come and see."))
    (due,) = await ledger.responses.due(ACCOUNT, clock.now, 9)
    await ledger.responses.begin(due, f"{key}@example.com", b"octets" * 500)
    await ledger.responses.settle(due, ResponseState.SENT)


async def _order(ledger):
    for paused in (True, False):
        await ledger.access.record(Order("admin", "pause", ACCOUNT, {}))
        await ledger.set_paused(ACCOUNT, paused)


def rows(state_dir):
    """How many each table holds."""
    names = look(state_dir, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '%_text%'")
    return {name: look(state_dir, f"SELECT count(*) FROM {name}")[0][0] for (name,) in names}


def size(state_dir):
    return sum(file.stat().st_size for file in state_dir.glob("ledger.sqlite3*"))


@pytest.mark.long
async def test_rows_and_size_stay_bounded_for_two_years(ledger, clock, state_dir):
    await stays_bounded(ledger, clock, state_dir, 24 * MONTHS)


async def test_rows_and_size_stay_bounded_for_a_year(ledger, clock, state_dir):
    await stays_bounded(ledger, clock, state_dir, 72)


async def stays_bounded(ledger, clock, state_dir, rounds):
    for number in range(FULL):
        await live_a_round(ledger, clock, number)
    before, large = rows(state_dir), size(state_dir)
    for number in range(FULL, rounds):
        await live_a_round(ledger, clock, number)
    after = rows(state_dir)
    grown = {table: (before[table], count) for table, count in after.items() if count > before[table] * 1.1 + 4}
    assert grown == {}
    assert before["entries"] < 4 * FULL, "keys go, too"
    assert size(state_dir) < large * 1.1 + A_MAIL
