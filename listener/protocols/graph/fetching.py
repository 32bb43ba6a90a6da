"""MIME octets of many messages, a few at once, each yielded as soon as it is here (`Mailbox.fetch`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

from ...mailbox import Extent, Fetched, Listing
from . import refusals
from .client import GraphClient, Mime

AHEAD = 4
"""Messages that are held or under way at once."""


async def fetch(client: GraphClient, listings: Sequence[Listing], limit: int) -> AsyncGenerator[Fetched, None]:
    """Exactly one Fetched for each. Raises ConnectionLost and what concerns the account."""
    waiting = list(reversed(listings))
    under_way: set[asyncio.Task[Fetched]] = set()
    try:
        while waiting or under_way:
            while waiting and len(under_way) < AHEAD:
                under_way.add(asyncio.create_task(_fetch(client, waiting.pop(), limit)))
            done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            under_way -= done
            broken = [error for task in done if (error := task.exception()) is not None]
            for task in done:
                if task.exception() is None:
                    yield task.result()
            if broken:
                raise broken[0]
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


async def _fetch(client: GraphClient, listing: Listing, limit: int) -> Fetched:
    found = await client.mime(listing.unique_id, limit)
    if not isinstance(found, Mime) and found.gone:
        looked = await client.ask("GET", client.url("messages", listing.unique_id, select="id"))
        if looked.gone:
            return Fetched(listing, Extent.GONE)  # a second look confirmed it
        found = await client.mime(listing.unique_id, limit)
    if isinstance(found, Mime):
        return Fetched(listing, Extent.WHOLE if found.whole else Extent.HEADER, found.octets)
    if found.status in (401, 403) and not found.unconvertible:
        raise refusals.failure(found, client.mailbox, client.endpoint.section)
    return Fetched(listing, Extent.REFUSED, detail=found.shown)
