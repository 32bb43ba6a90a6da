"""How fast lists and pages are with much in the ledger: `python bench/console.py [--accounts N] [--messages N] [--keep DIR]`.

Fills a ledger with 10,000 accounts and 1,000,000 messages (in bulk, as the ledger itself would have them: states, cases,
history, deliveries, words), serves it by the real admin server on loopback, and asks each list, filter and page of the console
several times. Prints one JSON object a line; `slowest_ms` of a line above the limit (300 ms) makes the exit code 1.
`--keep DIR` leaves the ledger there, and takes the one that is there.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from listener.admin.api import Api
from listener.admin.controls import Ledgerwise
from listener.admin.health import Health
from listener.admin.metrics import Metrics
from listener.admin.server import AdminServer
from listener.admin.verbs import Verbs
from listener.config import Admin
from listener.ledger import LEDGER, Ledger
from listener.ledger.bodies import pack
from listener.message.model import Address, InboundMessage
from listener.status import AccountState, AccountStatus

LIMIT_MS = 300.0
TIMES = 5
BATCH = 20_000
DIFFERENT = 20_000
"""Messages that differ in more than their number."""
TOKEN = "a-token-for-the-benchmark"
BEGUN = 1_700_000_000.0
WORDS = tuple(
    "invoice delivery question order return broken printer login password help urgent meeting tomorrow contract renewal "  # noqa: SIM905
    "shipping address update status report customer portal error screen payment refund account support license server "
    "monday team project plan quote price warranty cancel change booking ticket room lamp door key window paper cable".split()
)
Body = tuple[str, str, str]
"""Subject, sender and what was parsed."""
STATES = ("done",) * 93 + ("ignored",) * 4 + ("quarantined",) * 2 + ("dead",)
KINDS = ("message",) * 80 + ("auto_reply",) * 6 + ("bounce",) * 6 + ("list",) * 4 + ("bulk",) * 3 + ("receipt",)


async def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=10_000)
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--keep", type=Path, default=None, metavar="DIR")
    chosen = options.parse_args()
    root = chosen.keep or Path(tempfile.mkdtemp())
    try:
        if not (root / "state" / LEDGER).exists():
            await fill(root / "state", chosen.accounts, chosen.messages)
        await index(root / "state")
        return await measure(root / "state", chosen.accounts)
    finally:
        if chosen.keep is None:
            shutil.rmtree(root)


# --- filling ----------------------------------------------------------------------------------------------------------------


async def fill(state: Path, accounts: int, messages: int) -> None:
    begun = time.perf_counter()
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
    connection.execute("DELETE FROM transitions WHERE cause = 'benchmark'")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    took = time.perf_counter() - begun
    say(what="fill", messages=messages, accounts=accounts, seconds=round(took, 1))


async def index(state: Path) -> None:
    """The words, as the daemon reads them."""
    ledger = await Ledger.open(state)
    begun = time.perf_counter()
    while await ledger.search.index(20_000):
        pass
    await ledger.close()
    size = sum(item.stat().st_size for item in state.iterdir() if item.is_file())
    say(what="index", seconds=round(time.perf_counter() - begun, 1), ledger_mb=round(size / 1e6))


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
        "INSERT INTO events (entry, account, at, kind, detail) VALUES (?, ?, ?, 'message.accepted', '{}')",
        lambda r: (r["id"], r["account"], r["at"]),
    ),
    (
        "INSERT INTO events (entry, account, at, kind, detail) VALUES (?, ?, ?, 'message.filed', ?)",
        lambda r: _filed(r, r["id"], r["account"], r["at"], json.dumps({"case": r["case"], "rule": "new"})),
    ),
)


# --- measuring --------------------------------------------------------------------------------------------------------------


async def measure(state: Path, accounts: int) -> int:
    async with served(state, accounts) as base:
        jar = aiohttp.CookieJar(unsafe=True)
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html, application/json"}
        async with aiohttp.ClientSession(cookie_jar=jar, headers=headers) as session:
            async with session.post(f"{base}/login", data={"token": TOKEN}, allow_redirects=False) as answer:
                assert answer.status == 303
            slow = [path for path in PATHS if not await timed(session, base, path)]
            slow += [] if await walked(session, base) else ["every page of a filter that finds little"]
        say(what="result", limit_ms=LIMIT_MS, slow=slow)
    return 1 if slow else 0


PATHS = (
    "/healthz",
    "/metrics",
    "/api/v1/accounts",
    "/api/v1/accounts?limit=50",
    "/api/v1/accounts?state=backoff&text=99",
    "/api/v1/counts",
    "/api/v1/messages",
    "/api/v1/messages?limit=1000",
    "/api/v1/messages?before=500000",
    "/api/v1/messages?account=account00000",
    "/api/v1/messages?account=account00042",
    "/api/v1/messages?state=quarantined",
    "/api/v1/messages?state=dead&account=account00042",
    "/api/v1/messages?kind=receipt",
    "/api/v1/messages?kind=bounce&state=dead",
    "/api/v1/messages?since=2024-01-01&until=2024-01-02",
    "/api/v1/messages?since=2024-01-01&until=2024-06-01&account=account00042",
    "/api/v1/messages?since=2024-01-01&until=2024-06-01&account=account00000&state=dead",
    "/api/v1/messages?text=invoice",
    "/api/v1/messages?text=inv",
    "/api/v1/messages?text=p",
    "/api/v1/messages?text=invoice+printer+renewal",
    "/api/v1/messages?text=person4711",
    "/api/v1/messages?text=invoice&account=account00042",
    "/api/v1/messages?text=example&state=dead&kind=receipt",
    "/api/v1/messages?text=nothingofthekind",
    "/api/v1/quarantine",
    "/api/v1/dead",
    "/api/v1/cases",
    "/api/v1/cases?account=account00042",
    "/api/v1/cases?status=open",
    "/api/v1/cases?text=invoice+printer",
    "/api/v1/cases?text=invoice&account=account00042&status=open",
    "/api/v1/cases/CASE000500000",
    "/api/v1/messages/500000",
    "/api/v1/messages/500000/message",
    "/api/v1/messages/500000/raw",
    "/api/v1/audit",
    "/api/v1/tokens",
    "/api/v1/openapi.json",
    "/",
    "/accounts",
    "/messages",
    "/messages?state=dead&account=account00042",
    "/messages?text=invoice",
    "/messages/500000",
    "/quarantine",
    "/dead-letters",
    "/cases",
    "/cases/CASE000500000",
    "/replies",
    "/profiles",
    "/audit",
    "/tokens",
)


@asynccontextmanager
async def served(state: Path, accounts: int) -> AsyncIterator[str]:
    """The real server over it; every tenth account is in trouble."""
    ledger = await Ledger.open(state)
    states = (AccountState.BACKOFF, *(AccountState.IDLE,) * 9)
    statuses = [AccountStatus(f"account{n:05}", "imap", states[n % 10]) for n in range(accounts)]
    controls = Standing(ledger, statuses)
    health = Health(ledger, lambda: iter(statuses))
    server = AdminServer(Api(health, Metrics(), Verbs(ledger, controls), TOKEN.encode()))
    await server.start(Admin(bind="127.0.0.1:0"), state)
    try:
        yield f"http://{server.addresses[0]}"
    finally:
        await server.stop()
        await ledger.close()


class Standing(Ledgerwise):
    """Accounts that stand still in their states."""

    def __init__(self, ledger: Ledger, statuses: list[AccountStatus]) -> None:
        super().__init__(ledger, {status.id: status.protocol for status in statuses})
        self._standing = statuses

    def statuses(self) -> Iterator[AccountStatus]:
        return iter(self._standing)


async def timed(session: aiohttp.ClientSession, base: str, path: str) -> bool:
    """Ask it some times; is each answer quick?"""
    took, octets, status = [], 0, 0
    for _ in range(TIMES):
        begun = time.perf_counter()
        async with session.get(base + path, allow_redirects=False) as answer:
            octets, status = len(await answer.read()), answer.status
        took.append((time.perf_counter() - begun) * 1_000)
    figures = {"median_ms": round(statistics.median(took), 1), "slowest_ms": round(max(took), 1)}
    say(what=path, status=status, octets=octets, **figures)
    return max(took) <= LIMIT_MS


async def walked(session: aiohttp.ClientSession, base: str) -> bool:
    """A filter that keeps almost nothing, page after page to the end: each page is quick, and none of it is missed."""
    path: str | None = "/api/v1/messages?text=example&state=dead&kind=receipt&account=account00000&limit=1000"
    took, found = [], 0
    while path is not None:
        begun = time.perf_counter()
        async with session.get(base + path) as answer:
            found += len(await answer.json())
            path = str(answer.links["next"]["url"].relative()) if "next" in answer.links else None
        took.append((time.perf_counter() - begun) * 1_000)
    say(what="a whole walk", pages=len(took), found=found, slowest_ms=round(max(took), 1), seconds=round(sum(took) / 1_000, 1))
    return max(took) <= LIMIT_MS


def say(**figures: object) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
