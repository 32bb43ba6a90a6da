"""A ledger with much in it, for `console.py`: filled in bulk, as the ledger itself would have made its rows.

States, cases, participants, history, deliveries, replies, audit, muted addresses; the words are read by the ledger's own code
afterwards. The same seed gives the same ledger.
"""

from __future__ import annotations

import json
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from listener.ledger import LEDGER, Ledger
from listener.ledger.bodies import pack
from listener.message.model import Address, InboundMessage

BATCH = 20_000
DIFFERENT = 20_000
"""Messages that differ in more than their number."""
BEGUN = 1_700_000_000.0
AUDITED = 200_000
MUTED = 20_000
WORDS = tuple(
    "invoice delivery question order return broken printer login password help urgent meeting tomorrow contract renewal "  # noqa: SIM905
    "shipping address update status report customer portal error screen payment refund account support license server "
    "monday team project plan quote price warranty cancel change booking ticket room lamp door key window paper cable".split()
)
Body = tuple[str, str, str]
"""Subject, sender and what was parsed."""
STATES = ("done",) * 93 + ("ignored",) * 4 + ("quarantined",) * 2 + ("dead",)
KINDS = ("message",) * 80 + ("auto_reply",) * 6 + ("bounce",) * 6 + ("list",) * 4 + ("bulk",) * 3 + ("receipt",)


async def fill(state: Path, accounts: int, messages: int) -> None:
    """Into an empty folder."""
    ledger = await Ledger.open(state)  # the schema
    await ledger.close()
    connection = sqlite3.connect(state / LEDGER, isolation_level=None)
    connection.executescript(
        "PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 20000; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -400000;"
    )
    known = {row[0] for row in connection.execute("SELECT after FROM transitions WHERE subject = 'entries' AND before = ''")}
    other = [("entries", "", state, "benchmark") for state in set(STATES) - known]
    connection.executemany("INSERT INTO transitions (subject, before, after, cause) VALUES (?, ?, ?, ?)", other)
    chance = random.Random(1)
    bodies = list(written(chance))
    for start in range(1, messages + 1, BATCH):
        rows = list(made(chance, range(start, min(start + BATCH, messages + 1)), accounts, bodies))
        connection.execute("BEGIN")
        for statement, pick in STATEMENTS:
            connection.executemany(statement, [values for row in rows if (values := pick(row)) is not None])
        connection.execute("COMMIT")
    connection.execute("BEGIN")
    connection.executemany(
        "INSERT INTO audit (at, who, action, target, outcome, detail) VALUES (?, ?, ?, ?, ?, '{}')", orders()
    )
    muted = ((f"person{n}@gone.example", n, n, "no such user", BEGUN + n) for n in range(MUTED))
    connection.executemany("INSERT INTO muted (address, response, entry, reason, muted_at) VALUES (?, ?, ?, ?, ?)", muted)
    connection.execute("DELETE FROM transitions WHERE cause = 'benchmark'")
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def orders() -> Iterator[tuple[object, ...]]:
    """Lines of the audit: two people order most, and most orders are of two kinds."""
    for number in range(AUDITED):
        who = ("admin", "ticket-system")[number % 2] if number % 1_000 else f"person{number}"
        yield BEGUN + number, who, ("retry", "release", "pause")[number % 3], f"account{number % 10_000:05}", "ordered"


def made(
    chance: random.Random, numbers: range, accounts: int, bodies: list[tuple[str, str, str]]
) -> Iterator[dict[str, object]]:
    """One row each. One account has a tenth of the mail, the others share the rest."""
    for number in numbers:
        account = "account00000" if number % 10 == 0 else f"account{chance.randrange(accounts):05}"
        state = STATES[chance.randrange(len(STATES))]
        subject, sender, body = bodies[chance.randrange(len(bodies))]
        yield {
            "id": number,
            "account": account,
            "state": state,
            "reason": "" if state == "done" else "rule",
            "at": BEGUN + number * 30.0 + chance.random() * 3_600,
            "case": f"CASE{number:09}" if state == "done" else None,
            "kind": KINDS[chance.randrange(len(KINDS))],
            "subject": f"{subject} {number}",
            "sender": sender,
            "octets": b"Subject: " + subject.encode() + b"\r\n\r\n" + bytes(600),
            "body": body,
        }


def written(chance: random.Random) -> Iterator[Body]:
    """What different messages hold."""
    for number in range(DIFFERENT):
        subject = " ".join(chance.choices(WORDS, k=5)).capitalize()
        sender = f"person{number}@customer{chance.randrange(2_000)}.example"
        text = f"Hello,\n\n{' '.join(chance.choices(WORDS, k=40))}\n"
        message = InboundMessage(message_id=f"{number}@x.example", subject=subject, from_=(Address("A", sender),), text=text)
        yield subject, sender, pack(message)


def _entry(r):
    return (r["id"], r["account"], f"1:{r['id']}", r["at"], r["id"], r["state"], r["reason"], r["at"] + 2)


def _filed(r, *values):
    return None if r["case"] is None else values


STATEMENTS = (
    ("INSERT INTO raw (id, digest, octets) VALUES (?, ?, ?)", lambda r: (r["id"], r["id"].to_bytes(32, "big"), r["octets"])),
    (
        "INSERT INTO entries (id, account, folder, unique_id, size, received_at, extent, raw, state, reason, epoch, "
        "accepted_at) VALUES (?, ?, 'INBOX', ?, 700, ?, 'whole', ?, ?, ?, 1, ?)",
        _entry,
    ),
    (
        "INSERT INTO cases (number, id, account, subject, requester, status, opened_by, messages, updated_at) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 1, ?)",
        lambda r: _filed(
            r,
            r["id"],
            *(r["case"], r["account"], r["subject"], r["sender"]),
            *("closed" if r["id"] % 3 else "open", r["id"], r["at"]),
        ),
    ),
    (
        "INSERT INTO messages (entry, case_id, message_id, kind, subject, sender, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
        lambda r: (r["id"], r["case"], f"{r['id']}@customer.example", r["kind"], r["subject"], r["sender"], r["body"]),
    ),
    (
        "INSERT INTO message_ids (account, message_id, entry, case_id) VALUES (?, ?, ?, ?)",
        lambda r: _filed(r, r["account"], f"{r['id']}@customer.example", r["id"], r["case"]),
    ),
    (
        "INSERT INTO participants (case_id, address, name) VALUES (?, ?, 'A Person')",
        lambda r: _filed(r, r["case"], r["sender"]),
    ),
    (
        "INSERT INTO deliveries (entry, case_id, account, hook, idempotency_key, state, attempts) "
        "VALUES (?, ?, ?, 'python:hook', ?, 'due', 1)",
        lambda r: _filed(r, r["id"], r["case"], r["account"], f"{r['id']:064x}"),
    ),
    (
        "INSERT INTO responses (key, purpose, account, entry, case_id, recipient, domain, state, reason, created_at) "
        "VALUES (?, 'automatic', ?, ?, ?, ?, ?, 'suppressed', ?, ?)",
        lambda r: _filed(
            r,
            *(f"{r['id']:x}", r["account"], r["id"], r["case"], r["sender"], r["sender"].partition("@")[2]),
            *("sender_unverified" if r["id"] % 1_000 else "muted", r["at"]),
        ),
    ),
    (
        "INSERT INTO events (entry, account, at, kind, detail) VALUES (?, ?, ?, 'message.accepted', '{}')",
        lambda r: (r["id"], r["account"], r["at"]),
    ),
    (
        "INSERT INTO events (entry, account, at, kind, detail) VALUES (?, ?, ?, 'message.filed', ?)",
        lambda r: _filed(r, r["id"], r["account"], r["at"], json.dumps({"case": r["case"], "rule": "new"})),
    ),
)
