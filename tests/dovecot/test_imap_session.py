"""One session of our IMAP mailbox on a real Dovecot: what happens between two of its calls."""

from __future__ import annotations

import asyncio
import signal

import pytest

from dovecot.mail import batch
from dovecot.server import PASSWORD, Dovecot
from listener.errors import ConnectionLost
from listener.mailbox import Extent, Folder, Listing
from listener.protocols.endpoint import Endpoint
from listener.protocols.imap import session
from listener.protocols.imap.mailbox import ImapMailbox, ImapSettings
from listener.protocols.sasl import Credentials

pytestmark = pytest.mark.dovecot
INBOX = Folder("INBOX")


async def opened(dovecot: Dovecot, user: str, **settings: object) -> ImapMailbox:
    async def secret() -> str:
        return PASSWORD

    endpoint = Endpoint("localhost", dovecot.imaps, truststore_file=dovecot.ca_file)
    return await ImapMailbox.open(endpoint, Credentials(user, secret), ImapSettings(**settings))


async def listed(mailbox: ImapMailbox) -> list[Listing]:
    return [listing async for page in mailbox.pages({}) for listing in page.listings]


async def test_mail_expunged_between_listing_and_fetch_is_gone_and_the_rest_is_whole(dovecot: Dovecot, user: str) -> None:
    dovecot.deliver(user, batch(0, 10))
    mailbox = await opened(dovecot, user)
    listings = await listed(mailbox)
    dovecot.doveadm("expunge", "-u", user, "mailbox", "INBOX", "header", "message-id", "m3@example.net")
    found = [one async for one in mailbox.fetch(listings, limit=100_000)]
    await mailbox.close()
    assert sorted(one.extent for one in found) == [Extent.GONE] + [Extent.WHOLE] * 9
    assert {one.listing for one in found} == set(listings)


async def test_a_stopped_imap_process_is_noticed_when_idle_is_renewed(
    dovecot: Dovecot, user: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "DONE_SECONDS", 1.0)
    mailbox = await opened(dovecot, user, idle_renewal=1.0)
    await listed(mailbox)
    waiting = asyncio.create_task(mailbox.wait())
    while mailbox.idle_since is None:
        await asyncio.sleep(0.01)
    assert dovecot.signal("imap", signal.SIGSTOP, user) == 1
    try:
        with pytest.raises(ConnectionLost):
            await asyncio.wait_for(waiting, 10)
    finally:
        dovecot.signal("imap", signal.SIGKILL, user)
    await mailbox.close()


async def test_another_session_finds_what_came_meanwhile(dovecot: Dovecot, user: str) -> None:
    dovecot.deliver(user, batch(0, 1))
    first = await opened(dovecot, user)
    states = {page.folder: page.sync_state async for page in first.pages({})}
    first.session.connection.abort()
    dovecot.deliver(user, batch(1, 2))
    second = await opened(dovecot, user)
    new = [listing async for page in second.pages(states) for listing in page.listings]
    await second.close()
    assert len(new) == 2


async def test_the_mailbox_says_where_it_begins_by_the_servers_own_dates(dovecot: Dovecot, user: str) -> None:
    dovecot.deliver(user, batch(0, 3))
    mailbox = await opened(dovecot, user)
    dates = [listing.received_at for listing in await listed(mailbox)]
    baseline = await mailbox.baseline(INBOX, None)
    await mailbox.close()
    assert max(dates) <= baseline.received_at <= max(dates) + 1
