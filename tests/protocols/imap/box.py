"""An `ImapMailbox` on the embedded server, as the IMAP tests use it."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager

from listener.mailbox import Fetched, Folder, Listing, Page, Receipt, SyncState
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.imap.acknowledging import After
from listener.protocols.imap.mailbox import ImapMailbox, ImapSettings
from listener.testing.imap import ImapServer
from tests.protocols.imap.dialogue import PASSWORD, USER, password

INBOX = Folder("INBOX")
LIMIT = 1_000_000


@asynccontextmanager
async def server(**kwargs: object) -> AsyncIterator[ImapServer]:
    async with ImapServer(**{"users": {USER: PASSWORD}} | kwargs) as running:
        yield running


def endpoint(running: ImapServer) -> Endpoint:
    return Endpoint(running.host, running.port, Security.NONE)


async def open_mailbox(running: ImapServer, *folders: str, after: str = "seen", **kwargs: object) -> ImapMailbox:
    settings = ImapSettings(folders or ("INBOX",), After.parse(after), **kwargs)
    return await ImapMailbox.open(endpoint(running), password(), settings)


@asynccontextmanager
async def mailbox(running: ImapServer, *folders: str, after: str = "seen", **kwargs: object) -> AsyncIterator[ImapMailbox]:
    box = await open_mailbox(running, *folders, after=after, **kwargs)
    try:
        yield box
    finally:
        await box.close()


def mail(number: int, *, size: int = 0) -> bytes:
    head = f"Message-ID: <{number}@example.com>\r\nSubject: message {number}\r\n\r\n".encode()
    return head + b"x" * max(size - len(head), 0)


async def pages(box: ImapMailbox, since: Mapping[Folder, SyncState] | None = None) -> list[Page]:
    return [page async for page in box.pages(since or {})]


def states(found: Iterable[Page]) -> dict[Folder, SyncState]:
    return {page.folder: page.sync_state for page in found}


def listings(found: Iterable[Page]) -> list[Listing]:
    return [listing for page in found for listing in page.listings]


def uids(found: Iterable[Page]) -> list[int]:
    return [int(listing.unique_id.split(":")[1]) for listing in listings(found)]


async def fetched(box: ImapMailbox, wanted: list[Listing], limit: int = LIMIT) -> list[Fetched]:
    return [one async for one in box.fetch(wanted, limit=limit)]


def receipts(found: Iterable[Page]) -> list[Receipt]:
    return [Receipt(listing.folder, listing.unique_id) for listing in listings(found)]
