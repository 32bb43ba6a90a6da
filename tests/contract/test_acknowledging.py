"""Contract of a Mailbox: what it tells the server. Only what it is given, as often as one likes, and nothing by itself."""

import pytest

from listener.errors import TransientFailure
from listener.mailbox import Receipt
from tests.contract.reading import listed, listings, mail, octets, states


def receipts(some):
    return [Receipt(listing.folder, listing.unique_id) for listing in some]


async def acknowledged(mailbox, wanted):
    """What the server confirmed, at once or by the end of the session."""
    confirmed = list(await mailbox.acknowledge(wanted))
    return {*confirmed, *await mailbox.close()}


@pytest.mark.needs("tells")
async def test_what_is_acknowledged_shows_it_and_nothing_else_does(world):
    for n in range(5):
        world.deliver(mail(n))
    mailbox = await world.open()
    some = await listings(mailbox)
    wanted = receipts(some[1:4:2])
    assert await acknowledged(mailbox, wanted) == set(wanted)
    assert [world.told(mail(n)) for n in range(5)] == [False, True, False, True, False]
    assert [world.untouched(mail(n)) for n in range(5)] == [True, False, True, False, True]


async def test_a_session_that_acknowledges_nothing_changes_nothing(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    await octets(mailbox, await listings(mailbox))
    assert await acknowledged(mailbox, []) == set()
    assert world.untouched(mail(1))


@pytest.mark.needs("tells")
async def test_acknowledging_twice_in_one_session_is_acknowledging_once(world):
    for n in range(2):
        world.deliver(mail(n))
    mailbox = await world.open()
    wanted = receipts(await listings(mailbox))[:1]
    await mailbox.acknowledge(wanted)
    assert await acknowledged(mailbox, wanted) == set(wanted)
    assert world.told(mail(0))
    assert world.untouched(mail(1))


@pytest.mark.needs("tells")
async def test_acknowledging_again_in_a_later_session_is_confirmed_and_harmless(world):
    for n in range(2):
        world.deliver(mail(n))
    mailbox = await world.open()
    wanted = receipts(await listings(mailbox))[:1]
    await acknowledged(mailbox, wanted)
    mailbox = await world.open()
    await listings(mailbox)
    assert await acknowledged(mailbox, wanted) == set(wanted)
    assert world.told(mail(0))
    assert world.untouched(mail(1))


@pytest.mark.needs("tells")
async def test_what_is_no_longer_there_counts_as_confirmed(world):
    for n in range(2):
        world.deliver(mail(n))
    mailbox = await world.open()
    wanted = receipts(await listings(mailbox))
    await mailbox.close()
    world.expunge(mail(0))
    mailbox = await world.open()
    await listings(mailbox)
    assert await acknowledged(mailbox, wanted) == set(wanted)
    assert world.told(mail(1))


@pytest.mark.needs("states")
async def test_receipts_of_an_earlier_session_are_acknowledged_before_anything_is_listed(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    pages = await listed(mailbox)
    await mailbox.close()
    mailbox = await world.open()
    wanted = receipts(pages[0].listings)
    assert await acknowledged(mailbox, wanted) == set(wanted)
    assert world.told(mail(1))


@pytest.mark.needs("states")
async def test_mail_that_is_told_and_stays_is_shown_as_told(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    await acknowledged(mailbox, receipts(await listings(mailbox)))
    mailbox = await world.open()
    assert all(listing.acknowledged for listing in await listings(mailbox))
    await mailbox.close()


@pytest.mark.needs("tells")
async def test_many_are_acknowledged_at_once(world):
    for n in range(300):
        world.deliver(mail(n))
    mailbox = await world.open()
    wanted = receipts(await listings(mailbox))
    assert await acknowledged(mailbox, wanted) == set(wanted)
    assert all(world.told(mail(n)) for n in range(300))


@pytest.mark.needs("folders")
async def test_receipts_of_several_folders_are_told_each_in_its_own(world):
    world.create("B")
    for folder in ("INBOX", "B"):
        for n in range(2):
            world.deliver(mail(n), folder=folder)
    mailbox = await world.open("INBOX", "B")
    inbox, other = (page.listings for page in await listed(mailbox))
    wanted = receipts([inbox[0], other[1]])
    assert await acknowledged(mailbox, wanted) == set(wanted)
    assert world.told(mail(0))
    assert world.untouched(mail(1))
    assert world.untouched(mail(0), folder="B")


@pytest.mark.needs("states")
async def test_mail_that_came_meanwhile_is_listed_and_not_acknowledged_with_the_rest(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    pages = await listed(mailbox)
    world.deliver(mail(2))
    await mailbox.acknowledge(receipts(pages[0].listings))
    fresh = await listings(mailbox, states(pages))
    assert await octets(mailbox, fresh) == [mail(2)]
    await mailbox.close()
    assert world.untouched(mail(2))


@pytest.mark.needs("tells")
async def test_on_a_lost_connection_nothing_is_confirmed(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    wanted = receipts(await listings(mailbox))
    world.lose(mailbox)
    with pytest.raises(TransientFailure):
        await mailbox.acknowledge(wanted)
    assert list(await mailbox.close()) == []
