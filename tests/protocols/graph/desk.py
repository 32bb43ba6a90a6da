"""A `GraphMailbox` on the embedded server, and a receiver with a real ledger above it, as the Graph tests use them."""

import asyncio
import time
from contextlib import asynccontextmanager

from listener.budget import ByteBudget
from listener.ledger import Ledger
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.graph.client import GraphClient
from listener.protocols.graph.listing import Bounds
from listener.protocols.graph.mailbox import GraphMailbox, GraphSettings
from listener.protocols.imap.acknowledging import After
from listener.receiver import Receiver
from listener.status import AccountStatus
from listener.testing.graph import GraphServer

USER, TOKEN = "support@example.com", "a.good.token"
LIMIT = 1_000_000


def mail(n, text="text"):
    return f"From: ann@example.com\r\nSubject: number {n}\r\nMessage-ID: <{n}@example.com>\r\n\r\n{text}\r\n".encode()


def endpoint(server):
    return Endpoint(server.host, server.port, Security.NONE)


async def token():
    return TOKEN


@asynccontextmanager
async def graph(**kwargs):
    async with GraphServer(**{"users": [USER], "tokens": [TOKEN]} | kwargs) as server:
        yield server


@asynccontextmanager
async def client(server, user=USER, give=token, **how):
    opened = await GraphClient.open(endpoint(server), user, give, **how)
    try:
        yield opened
    finally:
        await opened.close()


@asynccontextmanager
async def mailbox(server, *folders, after="seen", user=USER, bounds=None, **how):
    settings = GraphSettings(folders or ("INBOX",), After.parse(after), poll_interval=60.0, bounds=bounds or Bounds())
    opened = await GraphMailbox.open(endpoint(server), user, token, settings, **how)
    try:
        yield opened
    finally:
        await opened.close()


async def pages_of(box, since=None):
    return [page async for page in box.pages(since or {})]


async def ids_of(box, since=None):
    return [one.unique_id for page in await pages_of(box, since) for one in page.listings]


def kept(pages, before=None):
    return dict(before or {}) | {page.folder: page.sync_state for page in pages if page.sync_state is not None}


class OneSweep(GraphMailbox):
    """Says after the first sweep that nothing more can come."""

    async def wait(self):
        return False


class Desk:
    """One account: a server, a ledger, and sessions of a receiver that end after one sweep. `now` is everybody's clock."""

    def __init__(self, server, folder, *, since=0.0, after="seen", bounds=None, user=USER):
        self.server, self.folder, self.user = server, folder, user
        self.since, self.after, self.bounds = since, after, bounds or Bounds(delta_count=2, page_count=2)
        self.offset = 0.0
        self.ledger = None
        self.status = AccountStatus("a", "graph")

    def now(self):
        return time.time() + self.offset

    async def __aenter__(self):
        self.ledger = await Ledger.open(self.folder / "state")
        return self

    async def __aexit__(self, *_):
        await self.ledger.close()

    async def restart(self):
        """The process ended, and another one began."""
        await self.ledger.close()
        self.ledger = await Ledger.open(self.folder / "state")

    async def open(self):
        settings = GraphSettings(("INBOX",), After.parse(self.after), bounds=self.bounds)
        return await OneSweep.open(endpoint(self.server), self.user, token, settings, now=self.now)

    async def sweep(self):
        """One session."""
        receiver = Receiver(
            "a", self.ledger, self.open, ByteBudget(1 << 24), self.status,
            since=self.since, owe=self.after != "keep", limit=LIMIT,
        )  # fmt: skip
        await receiver.run_session()

    async def subjects(self, state="accepted"):
        """The numbers of the messages in this state, in the order they came in."""
        rows = await self.ledger.messages(account="a", state=state, limit=1000)
        found = [self.ledger.read_raw(row["id"]) for row in reversed(rows)]
        return [int(raw.split(b"Subject: number ")[1].split(b"\r\n")[0]) for raw in found]

    async def states(self):
        rows = await self.ledger.messages(account="a", limit=1000)
        return sorted((row["state"], row["reason"] or "") for row in rows)


async def settled(steps=20):
    """Let everything that is ready run."""
    for _ in range(steps):
        await asyncio.sleep(0)
