"""Contract of a Mailbox: new mail can be listed while older mail has to wait (R-48)."""

import time

import pytest

from listener.mailbox import Folder
from tests.contract.reading import listed, mail, octets, states

HOUR = 3600.0


async def recent(mailbox, since, after):
    return [page async for page in mailbox.recent(since, after)]


def received(n: int, at: float) -> bytes:
    """A message whose last hop was at that time: all that POP3 has to go by."""
    hop = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(at))
    return f"Received: from x by y; {hop}\r\n".encode() + mail(n)


async def test_only_what_came_since_is_listed_and_no_state_moves(world):
    now = float(int(time.time()))
    for n, age in ((1, 90 * HOUR), (2, 80 * HOUR), (3, 1.0), (4, 0.0)):
        world.deliver(received(n, now - age), received_at=now - age)
    mailbox = await world.open()
    pages = await recent(mailbox, {}, now - HOUR)
    assert [octets_ for page in pages for octets_ in await octets(mailbox, page.listings)] == [
        received(3, now - 1.0),
        received(4, now),
    ]
    assert not any(page.sync_state or page.reset for page in pages)
    await mailbox.close()


async def test_what_is_read_ahead_has_the_same_name_when_it_is_listed_in_its_turn(world):
    now = time.time()
    world.deliver(received(1, now - 90 * HOUR), received_at=now - 90 * HOUR)
    world.deliver(received(2, now), received_at=now)
    mailbox = await world.open()
    ahead = [listing.unique_id for page in await recent(mailbox, {}, now - HOUR) for listing in page.listings]
    everything = [listing.unique_id for page in await listed(mailbox) for listing in page.listings]
    assert len(ahead) == 1
    assert ahead == everything[1:]
    await mailbox.close()


@pytest.mark.usefixtures("world")
async def test_a_folder_that_is_not_there_is_passed_over(world):
    if "folders" not in world.traits:
        return
    mailbox = await world.open("INBOX", "Gone")
    assert await recent(mailbox, {}, time.time()) == []
    await mailbox.close()


async def test_mail_from_before_the_state_is_never_listed(world):
    now = time.time()
    world.deliver(received(1, now), received_at=now)
    mailbox = await world.open()
    baseline = await mailbox.baseline(Folder("INBOX"), None)
    if baseline.sync_state is None:  # POP3 names what is there instead
        assert len(baseline.present) == 1
    else:
        known = set(baseline.present)
        pages = await recent(mailbox, {Folder("INBOX"): baseline.sync_state}, now - HOUR)
        assert {listing.unique_id for page in pages for listing in page.listings} <= known
    await mailbox.close()


@pytest.mark.needs("states")
async def test_what_follows_the_state_is_listed(world):
    now = time.time()
    world.deliver(received(1, now - HOUR), received_at=now - HOUR)
    mailbox = await world.open()
    since = states(await listed(mailbox))
    world.deliver(received(2, now), received_at=now)
    (page,) = await recent(mailbox, since, now - 2 * HOUR)
    if not page.listings[0].acknowledged:
        assert received(2, now) in await octets(mailbox, page.listings)
    await mailbox.close()
