"""What the contract's tests do with a mailbox again and again."""

from listener.mailbox import Extent, SyncState

LIMIT = 10_000_000


def mail(n: int, *, size: int = 0) -> bytes:
    """The n-th message, at least `size` octets large."""
    head = f"From: ann@example.com\r\nSubject: number {n}\r\nMessage-ID: <{n}@example.com>\r\n\r\n".encode()
    return head + b"x" * max(size - len(head) - 2, 0) + b"\r\n"


async def listed(mailbox, since=None):
    """Every page."""
    return [page async for page in mailbox.pages(since or {})]


async def listings(mailbox, since=None):
    """Every listing of every page, in order."""
    return [listing for page in await listed(mailbox, since) for listing in page.listings]


async def fetched(mailbox, wanted, *, limit=LIMIT):
    """What came of fetching these listings."""
    return [one async for one in mailbox.fetch(wanted, limit=limit)]


async def octets(mailbox, wanted):
    """The octets of these listings in the order of the listings, whatever the order they came in."""
    found = {one.listing.unique_id: one for one in await fetched(mailbox, wanted)}
    assert all(one.extent is Extent.WHOLE for one in found.values())
    return [found[listing.unique_id].octets for listing in wanted]


async def new_octets(mailbox, since=None):
    """The octets of everything that is listed, page by page as a receiver does it."""
    found = []
    for page in await listed(mailbox, since):
        found += await octets(mailbox, page.listings)
    return found


def states(pages, before=None) -> dict[str, SyncState]:
    """The sync states as a ledger keeps them after these pages."""
    kept = dict(before or {})
    for page in pages:
        if page.sync_state is not None:
            kept[page.folder] = page.sync_state
    return kept
