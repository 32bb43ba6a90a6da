"""Contract of a Mailbox: waiting for mail, and the end of a session."""

import asyncio

import pytest

from listener.errors import ConnectionLost
from tests.contract.reading import listed, mail, new_octets, states

WITHIN = 10.0


async def test_wait_returns_when_new_mail_arrives(world):
    if "waits" not in world.traits:
        mailbox = await world.open()
        assert await mailbox.wait() is False
        await mailbox.close()
        return
    mailbox = await world.open()
    since = states(await listed(mailbox))
    waiting = asyncio.create_task(mailbox.wait())
    await world.asleep(mailbox)
    assert not waiting.done()
    world.deliver(mail(1))
    assert await asyncio.wait_for(waiting, WITHIN) is True
    assert await new_octets(mailbox, since) == [mail(1)]
    await mailbox.close()


@pytest.mark.needs("waits")
async def test_mail_that_came_between_listing_and_waiting_is_not_slept_through(world):
    mailbox = await world.open()
    since = states(await listed(mailbox))
    world.deliver(mail(1))
    assert await asyncio.wait_for(mailbox.wait(), WITHIN) is True
    assert await new_octets(mailbox, since) == [mail(1)]
    await mailbox.close()


@pytest.mark.needs("waits")
async def test_one_may_wait_again_and_again(world):
    mailbox = await world.open()
    since = states(await listed(mailbox))
    for n in range(3):
        waiting = asyncio.create_task(mailbox.wait())
        await world.asleep(mailbox)
        world.deliver(mail(n))
        assert await asyncio.wait_for(waiting, WITHIN) is True
        pages = await listed(mailbox, since)
        since = states(pages, since)
        assert sum(len(page.listings) for page in pages) == 1
    await mailbox.close()


@pytest.mark.needs("waits")
async def test_a_wait_whose_connection_is_lost_says_so(world):
    mailbox = await world.open()
    await listed(mailbox)
    waiting = asyncio.create_task(mailbox.wait())
    await world.asleep(mailbox)
    world.lose(mailbox)
    with pytest.raises(ConnectionLost):
        await asyncio.wait_for(waiting, WITHIN)
    await mailbox.close()


@pytest.mark.needs("waits")
async def test_a_wait_may_be_cancelled_and_the_session_closed(world):
    mailbox = await world.open()
    await listed(mailbox)
    waiting = asyncio.create_task(mailbox.wait())
    await world.asleep(mailbox)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.wait_for(mailbox.close(), WITHIN)


async def test_close_never_raises_not_even_twice_or_on_a_lost_connection(world):
    mailbox = await world.open()
    assert list(await mailbox.close()) == []
    assert list(await mailbox.close()) == []
    mailbox = await world.open()
    world.lose(mailbox)
    assert list(await mailbox.close()) == []


async def test_a_session_may_be_closed_before_anything_was_asked(world):
    mailbox = await world.open()
    await mailbox.close()
    world.deliver(mail(1))
    mailbox = await world.open()
    assert await new_octets(mailbox) == [mail(1)]
    await mailbox.close()


@pytest.mark.needs("folders", "waits")
async def test_mail_in_a_further_folder_is_found_at_the_latest_by_the_next_wait(world):
    world.create("B")
    mailbox = await world.open("INBOX", "B")
    since = states(await listed(mailbox))
    world.deliver(mail(1), folder="B")
    assert await asyncio.wait_for(mailbox.wait(), WITHIN) is True
    assert await new_octets(mailbox, since) == [mail(1)]
    await mailbox.close()
