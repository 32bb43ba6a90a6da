"""A `Pop3Mailbox` on the embedded server, as the POP3 tests use it."""

from contextlib import asynccontextmanager

from listener.mailbox import Folder, Receipt
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.pop3.mailbox import Pop3Mailbox, Pop3Settings
from listener.protocols.pop3.session import Session
from listener.protocols.pop3.sign_in import connect
from listener.testing import Pop3Server
from tests.protocols.imap.dialogue import PASSWORD, TOKEN, USER, password

INBOX = Folder("INBOX")
LIMIT = 1_000_000


def serving(**kwargs) -> Pop3Server:
    return Pop3Server(**{"users": {USER: PASSWORD}, "tokens": {USER: TOKEN}} | kwargs)


@asynccontextmanager
async def server(*messages, **kwargs):
    async with serving(**kwargs) as running:
        for octets in messages:
            running.deliver("INBOX", octets)
        yield running


def endpoint(running, security=Security.NONE, truststore=None) -> Endpoint:
    return Endpoint(running.host, running.port, Security(security), truststore_file=truststore)


@asynccontextmanager
async def signed_in(running, **settings):
    """A mailbox; the one before must be gone."""
    await running.until(lambda: not running.locked)
    box = await Pop3Mailbox.open(endpoint(running), password(), Pop3Settings(**settings))
    try:
        yield box
    finally:
        await box.close()


@asynccontextmanager
async def session(dialogue_server) -> Session:
    """Connected to a dialogue, not signed in."""
    here = await connect(dialogue_server.endpoint())
    try:
        yield here
    finally:
        here.connection.abort()


def mail(number: int, *, size: int = 0, received: str = "") -> bytes:
    head = f"Received: from a by b; {received}\r\n" if received else ""
    text = f"{head}Message-ID: <{number}@example.com>\r\nSubject: message {number}\r\n\r\n".encode()
    return text + b"x" * max(size - len(text) - 2, 0) + b"\r\n"


async def pages(box, since=None):
    return [page async for page in box.pages(since or {})]


async def listings(box, since=None):
    return [listing for page in await pages(box, since) for listing in page.listings]


async def fetched(box, wanted, limit=LIMIT):
    found = {one.listing.unique_id: one async for one in box.fetch(wanted, limit=limit)}
    return [found[listing.unique_id] for listing in wanted]


async def new_octets(box, since=None):
    """The octets of everything, page by page as a receiver reads them."""
    return [one.octets async for page in box.pages(since or {}) for one in await fetched(box, page.listings)]


def receipts(some):
    return [Receipt(listing.folder, listing.unique_id) for listing in some]
