"""Writes, as SQL, what this release's own code leaves in a ledger: `PYTHONPATH=tests python tests/ledger/releases/make.py`.

Run it when a release is made, into N.sql, before the next migration is begun; N is the number of its last one. One message is
done, one has a delivery due, one is dead, one is in quarantine and one waits to be parsed; an account is paused, a secret is
kept, an order written down.
"""

import asyncio
import contextlib
import sqlite3
import sys
import tempfile
from pathlib import Path

from ledger.makers import ACCOUNT, HOOKS, INBOX, Clock, begin_next, filed, listing, page, take

from listener.hooks import Filed
from listener.ledger import Ledger, Parsed, State
from listener.ledger.access import Order
from listener.mailbox import Baseline, SyncState


def main():
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder)))
        with contextlib.closing(sqlite3.connect(Path(folder) / "ledger.sqlite3")) as connection:
            sys.stdout.writelines(f"{line}\n" for line in written(connection))


async def live(state_dir):
    ledger = await Ledger.open(state_dir, now=Clock())
    await ledger.set_baseline(ACCOUNT, INBOX, Baseline(SyncState("1:1"), 1_699_999_990.0))
    await filed(ledger, "done", "due", "dead")
    await begin_next(ledger)
    await ledger.settle_delivery(1, Filed("T-1", "seen"))
    await ledger.fail_delivery(3, "boom", retry_at=None)
    await take(ledger, page(listing("held"), state="held+"), {"held": b"held"})
    (held,) = await ledger.due_entries(9, 10**9)
    await ledger.file([Parsed(held.id, None, State.QUARANTINED, "parse_crash")], HOOKS)
    await take(ledger, page(listing("waiting"), state="waiting+"), {"waiting": b"waiting"})
    await ledger.set_secret("oauth/entra", b"sealed octets")
    await ledger.set_paused("sales", True)
    await ledger.access.record(Order("admin", "pause", "sales", {}))
    while await ledger.search.index():
        pass
    await ledger.close()


def written(connection):
    """Tables and rows, then virtual tables with what their own tables hold, then indexes and triggers."""
    schema = connection.execute("SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
    virtual = {name: sql for kind, name, sql in schema if sql.startswith("CREATE VIRTUAL")}
    shadows = [name for kind, name, _ in schema if kind == "table" and name not in virtual and name.startswith(tuple(virtual))]
    plain = {name: sql for kind, name, sql in schema if kind == "table" and name not in virtual and name not in shadows}
    yield "BEGIN;"
    for name, sql in plain.items():
        yield f"{sql};"
        yield from rows(connection, name)
    for sql in virtual.values():
        yield f"{sql};"
    for name in shadows:
        yield f"DELETE FROM {name};"
        yield from rows(connection, name)
    for kind, _, sql in schema:
        if kind != "table":
            yield f"{sql};"
    yield "COMMIT;"


def rows(connection, table):
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    values = " || ',' || ".join(f"quote({column})" for column in columns)
    for (row,) in connection.execute(f"SELECT {values} FROM {table}"):
        yield f"INSERT INTO {table} VALUES({row});"


if __name__ == "__main__":
    main()
