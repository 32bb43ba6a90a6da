"""Contract of a Mailbox: what it hands over. Exactly one Fetched for each listing, and no message stops another."""

import pytest

from listener.errors import ConnectionLost
from listener.mailbox import Extent
from tests.contract.reading import fetched, listed, listings, mail, octets, states

ODD = [
    b"Subject: bare line feeds\n\nbody\nmore\n",
    b"Subject: NUL \x00 and eight bits \xff\xfe\r\n\r\n\x00\x80\r\n",
    b"Subject: no body\r\n",
    b"no header at all, and no line end",
    b"\r\n\r\n",
    b"",
    b"Subject: looks like protocol\r\n\r\n* 1 EXPUNGE\r\nA001 OK done\r\n+OK\r\n.\r\n..\r\n)\r\n",
]


LINES = [one for one in ODD if one.endswith(b"\r\n") or not one]


async def test_lines_are_fetched_as_they_were_delivered(world):
    for one in LINES:
        world.deliver(one)
    mailbox = await world.open()
    assert await octets(mailbox, await listings(mailbox)) == LINES
    await mailbox.close()


@pytest.mark.needs("octets")
async def test_what_is_fetched_is_octet_for_octet_what_was_delivered(world):
    for one in ODD:
        world.deliver(one)
    mailbox = await world.open()
    assert await octets(mailbox, await listings(mailbox)) == ODD
    await mailbox.close()


async def test_fetching_nothing_brings_nothing(world):
    mailbox = await world.open()
    assert await fetched(mailbox, []) == []
    await mailbox.close()


async def test_fetching_changes_nothing_on_the_server(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    await fetched(mailbox, await listings(mailbox))
    await mailbox.close()
    assert world.untouched(mail(1))


async def test_each_listing_comes_exactly_once_however_many_there_are(world):
    for n in range(250):
        world.deliver(mail(n))
    mailbox = await world.open(page_count=1000)
    wanted = await listings(mailbox)
    got = await fetched(mailbox, wanted)
    assert sorted(one.listing.unique_id for one in got) == sorted(one.unique_id for one in wanted)
    assert {one.octets for one in got} == {mail(n) for n in range(250)}
    await mailbox.close()


async def test_a_message_over_the_limit_comes_as_its_header_and_the_others_come_whole(world):
    for n, size in ((1, 400), (2, 60_000), (3, 400)):
        world.deliver(mail(n, size=size))
    mailbox = await world.open()
    wanted = await listings(mailbox)
    got = {one.listing.unique_id: one for one in await fetched(mailbox, wanted, limit=10_000)}
    small, large, last = (got[listing.unique_id] for listing in wanted)
    assert large.extent is Extent.HEADER
    assert b"Subject: number 2" in large.octets
    assert b"xxx" not in large.octets
    assert (small.extent, last.extent) == (Extent.WHOLE, Extent.WHOLE)
    assert world.untouched(mail(2, size=60_000))
    await mailbox.close()


async def test_a_message_exactly_at_the_limit_comes_whole(world):
    world.deliver(mail(1, size=5000))
    mailbox = await world.open()
    (one,) = await fetched(mailbox, await listings(mailbox), limit=5000)
    assert (one.extent, one.octets) == (Extent.WHOLE, mail(1, size=5000))
    await mailbox.close()


@pytest.mark.needs("states")
async def test_mail_expunged_between_listing_and_fetching_is_gone_and_the_rest_comes(world):
    for n in range(4):
        world.deliver(mail(n))
    mailbox = await world.open()
    wanted = await listings(mailbox)
    world.expunge(mail(1))
    world.expunge(mail(3))
    got = {one.listing.unique_id: one for one in await fetched(mailbox, wanted)}
    extents = [got[listing.unique_id].extent for listing in wanted]
    assert extents == [Extent.WHOLE, Extent.GONE, Extent.WHOLE, Extent.GONE]
    assert got[wanted[1].unique_id].octets == b""
    await mailbox.close()


async def test_a_message_that_is_never_handed_over_is_refused_and_the_others_come(world):
    for n in range(5):
        world.deliver(mail(n))
    world.refuse(mail(2))
    mailbox = await world.open()
    wanted = await listings(mailbox)
    got = await fetched(mailbox, wanted)
    extents = {one.listing.unique_id: one.extent for one in got}
    assert [extents.get(listing.unique_id) for listing in wanted] == [Extent.WHOLE] * 2 + [Extent.REFUSED] + [Extent.WHOLE] * 2
    assert all(one.detail for one in got if one.extent is Extent.REFUSED)
    await mailbox.close()


@pytest.mark.needs("folders")
async def test_listings_of_one_folder_are_fetched_after_another_was_listed(world):
    world.create("B")
    world.deliver(mail(1))
    world.deliver(mail(2), folder="B")
    mailbox = await world.open("INBOX", "B")
    inbox, other = (page.listings for page in await listed(mailbox))
    assert await octets(mailbox, inbox) == [mail(1)]
    assert await octets(mailbox, other) == [mail(2)]
    await mailbox.close()


@pytest.mark.needs("states")
async def test_a_listing_of_before_is_fetched_in_a_session_begun_after_it(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    pages = await listed(mailbox)
    await mailbox.close()
    mailbox = await world.open()
    assert await listings(mailbox, states(pages)) == []
    assert await octets(mailbox, pages[0].listings) == [mail(1)]
    await mailbox.close()


async def test_a_lost_connection_is_said_and_not_taken_for_an_empty_answer(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    wanted = await listings(mailbox)
    world.lose(mailbox)
    with pytest.raises(ConnectionLost):
        await fetched(mailbox, wanted)
    await mailbox.close()
