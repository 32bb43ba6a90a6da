"""What the ledger's tests are made of: listings, pages, parsed messages, and a ledger that is taken through them."""

import contextlib
import sqlite3

from listener.ledger import Ledger, Parsed
from listener.mailbox import Extent, Fetched, Folder, Listing, Page, SyncState
from listener.message.model import Address, InboundMessage

ACCOUNT = "support"
INBOX = Folder("INBOX")
HOOKS = {ACCOUNT: ["python:hook"]}


class Clock:
    """POSIX seconds that stand still until told."""

    def __init__(self, now=1_700_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


def listing(uid, **more):
    return Listing(INBOX, uid if isinstance(uid, str) else f"1:{uid}", **more)


def whole(one, octets):
    return Fetched(one, Extent.WHOLE, octets)


def page(*listings, state=None, folder=INBOX, **more):
    return Page(folder, tuple(listings), None if state is None else SyncState(state), **more)


async def take(ledger, one_page, octets, *, owe=True, account=ACCOUNT):
    """As a receiver does: plan, fetch what the plan wants (`octets` by unique id, or a Fetched), accept."""
    plan = await ledger.plan(account, one_page)
    fetched = [fetch(wanted, octets[wanted.unique_id]) for wanted in plan.fetch]
    return await ledger.accept(account, one_page, plan, fetched, owe=owe)


def fetch(wanted, octets):
    return octets if isinstance(octets, Fetched) else whole(wanted, octets)


async def take_one(ledger, uid, octets, **more):
    one = listing(uid, **more)
    return await take(ledger, page(one, state=f"{one.unique_id}+"), {one.unique_id: octets})


def message(name, **more):
    more.setdefault("from_", (Address("A Customer", "customer@example.com"),))
    more.setdefault("subject", f"About {name}")
    return InboundMessage(message_id=f"{name}@example.com", **more)


async def file_due(ledger, hooks=HOOKS, rules=(), **messages):
    """File every due entry; `messages` by the name that the octets are. Their cases, in order."""
    due = await ledger.due_entries(100, 10**9)
    batch = [Parsed(entry.id, messages.get(entry.octets.decode(), message(entry.octets.decode()))) for entry in due]
    return [case for _, case in await ledger.file(batch, hooks, dict(rules))]


async def filed(ledger, *names, hooks=HOOKS, account=ACCOUNT, rules=(), **messages):
    """Take in and file one message of each name."""
    listings = [listing(name) for name in names]
    await take(ledger, page(*listings, state=names[-1]), {name: name.encode() for name in names}, account=account)
    return await file_due(ledger, hooks, rules, **messages)


async def begin_next(ledger):
    (due,) = await ledger.due_deliveries(1)
    return await ledger.begin_delivery(due.id)


async def states(ledger):
    """State and reason of every message, oldest first."""
    return [(row["state"], row["reason"]) for row in reversed(await ledger.messages(limit=1000))]


async def events(ledger, entry):
    return [event["kind"] for event in (await ledger.explain(entry))["events"]]


def look(state_dir, statement, *values):
    """Ask the file itself."""
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as connection:
        return connection.execute(statement, values).fetchall()


def dump(state_dir, *, without=("fences",)):
    """Everything the ledger holds but the fence, which every opening moves."""
    with contextlib.closing(sqlite3.connect(state_dir / "ledger.sqlite3")) as connection:
        return [line for line in connection.iterdump() if not any(f'INTO "{name}"' in line for name in without)]


@contextlib.asynccontextmanager
async def opened(state_dir, **more):
    ledger = await Ledger.open(state_dir, **more)
    try:
        yield ledger
    finally:
        await ledger.close()
