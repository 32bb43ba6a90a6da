"""A maildrop as a mailbox: names without UIDLs, odd listings, sizes that lie, deletion at QUIT, ids given anew."""

import asyncio
import hashlib

import pytest

from listener.errors import ConnectionLost, ServerUnavailable
from listener.mailbox import Extent
from tests.protocols.pop3.box import INBOX, fetched, listings, mail, new_octets, pages, receipts, server, signed_in

NOON = "Sun, 22 Nov 2026 12:00:00 +0000"
EARLY = "Fri, 20 Nov 2026 12:00:00 +0000"
NOON_SECONDS = 1_795_348_800.0


def by_content(octets, copy=1):
    return f"sha256:{hashlib.sha256(octets).hexdigest()}:{copy}"


# --- names (R-26) ----------------------------------------------------------------------------------------------------

ODD_UIDLS = {
    "blank": {1: b"", 3: b""},
    "duplicate": {1: b"same", 3: b"same"},
    "illegal": {1: b"two words", 3: b"\xff\x01"},
    "four kilobytes": {1: b"x" * 4096, 3: b"y" * 71},
}


@pytest.mark.parametrize("kind", [*ODD_UIDLS, "absent"])
async def test_what_has_no_id_is_named_by_its_content(kind):
    async with server(*(mail(n) for n in range(4))) as far:
        if kind == "absent":
            far.hidden.add("UIDL")
        else:
            far.uidls.update(ODD_UIDLS[kind])
        for _ in range(2):
            async with signed_in(far) as box:
                found = await listings(box)
                anonymous = (0, 1, 2, 3) if kind == "absent" else (0, 2)
                assert [found[n].unique_id for n in anonymous] == [by_content(mail(n)) for n in anonymous]
                assert len({one.unique_id for one in found}) == 4
                assert await new_octets(box) == [mail(n) for n in range(4)]


async def test_identical_messages_without_ids_are_told_apart_by_a_count():
    async with server(mail(1), mail(1), mail(2)) as far:
        far.hidden.add("UIDL")
        async with signed_in(far) as box:
            expected = [by_content(mail(1), 1), by_content(mail(1), 2), by_content(mail(2))]
            assert [one.unique_id for one in await listings(box)] == expected
            assert [one.octets for one in await fetched(box, await listings(box))] == [mail(1), mail(1), mail(2)]


async def test_content_is_counted_over_all_pages():
    async with server(*[mail(1)] * 5) as far:
        far.hidden.add("UIDL")
        async with signed_in(far, page_count=2) as box:
            assert [one.unique_id for one in await listings(box)] == [by_content(mail(1), n) for n in range(1, 6)]
            assert await new_octets(box) == [mail(1)] * 5


async def test_what_was_fetched_to_be_named_is_not_fetched_again():
    async with server(mail(1), mail(2)) as far:
        far.hidden.add("UIDL")
        async with signed_in(far) as box:
            await new_octets(box)
        assert len(far.commands("RETR")) == 2


async def test_a_large_message_without_an_id_is_named_by_its_header():
    async with server(mail(1, size=200_000), mail(2)) as far:
        far.hidden.add("UIDL")
        async with signed_in(far, max_message=100_000) as box:
            (one, _) = await fetched(box, await listings(box), limit=100_000)
            assert one.extent is Extent.HEADER
            assert one.octets.startswith(b"Message-ID: <1@")
        assert {command.number for command in far.commands("RETR")} == {2}


async def test_one_that_is_refused_and_has_no_id_is_still_listed_and_refused():
    async with server(mail(1), mail(2)) as far:
        far.hidden.add("UIDL")
        far.script.on("RETR", when=lambda command: command.number == 1, reply="-ERR damaged")
        async with signed_in(far) as box:
            one, other = await fetched(box, await listings(box))
            assert (one.extent, one.listing.unique_id) == (Extent.REFUSED, "sha256:refused:1")
            assert other.octets == mail(2)


# --- listings (R-27) -------------------------------------------------------------------------------------------------


async def test_uidl_is_asked_first_then_list():
    async with server(mail(1)) as far:
        async with signed_in(far) as box:
            await listings(box)
        names = [command.name for command in far.transcript]
        assert names.index("UIDL") < names.index("LIST")


async def test_a_message_that_came_between_uidl_and_list_waits_for_the_next_session():
    """The server shifts numbers: what LIST calls 3 has no UIDL yet."""
    async with server(mail(1), mail(2), mail(3)) as far:
        far.uidls[3] = None
        async with signed_in(far) as box:
            assert await new_octets(box) == [mail(1), mail(2)]
        far.uidls.clear()
        async with signed_in(far) as box:
            assert await new_octets(box) == [mail(1), mail(2), mail(3)]


async def test_a_message_that_list_leaves_out_waits_too():
    async with server(mail(1), mail(2)) as far:
        far.sizes[1] = None
        async with signed_in(far) as box:
            assert await new_octets(box) == [mail(2)]


async def test_a_refused_list_is_the_servers_trouble():
    async with server(mail(1)) as far:
        far.script.on("LIST", reply="-ERR [SYS/TEMP] not now")
        async with signed_in(far) as box:
            with pytest.raises(ServerUnavailable):
                await listings(box)


@pytest.mark.parametrize("command", ["UIDL", "LIST", "RETR", "TOP"])
async def test_a_listing_or_message_that_breaks_off_is_no_empty_one(command):
    async with server(mail(1, size=3000)) as far:
        far.script.on(command, cut=30 if command in ("RETR", "TOP") else 8)
        async with signed_in(far) as box:
            with pytest.raises(ConnectionLost):
                await fetched(box, await listings(box), limit=100 if command == "TOP" else 10_000)


# --- sizes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("announced", [0, 1, 1500, 3000, 9_999])
async def test_a_wrong_size_costs_nothing(announced):
    async with server(mail(1, size=3000)) as far:
        far.sizes[1] = announced
        async with signed_in(far) as box:
            (one,) = await fetched(box, await listings(box))
            assert (one.extent, one.octets) == (Extent.WHOLE, mail(1, size=3000))


async def test_a_server_that_counts_line_ends_as_one_octet_loses_nothing():
    octets = b"Subject: lines\r\n\r\n" + b"\r\n" * 100_000
    async with server(octets) as far:
        far.sizes[1] = octets.count(b"\n") + 14
        async with signed_in(far) as box:
            (one,) = await fetched(box, await listings(box))
            assert one.octets == octets


async def test_a_message_found_to_be_larger_than_the_limit_comes_as_its_header():
    async with server(mail(1, size=3000)) as far:
        far.sizes[1] = 900
        async with signed_in(far) as box:
            (one,) = await fetched(box, await listings(box), limit=2900)
            assert one.extent is Extent.HEADER
            assert one.octets.endswith(b"Subject: message 1\r\n\r\n")


async def test_an_announced_giant_is_never_retrieved():
    async with server(mail(1)) as far:
        far.sizes[1] = 4_000_000_000
        async with signed_in(far) as box:
            (one,) = await fetched(box, await listings(box))
            assert one.extent is Extent.HEADER
        assert [command.line for command in far.commands("TOP")] == [b"TOP 1 0"]
        assert far.commands("RETR") == []


async def test_a_giant_whose_header_cannot_be_had_is_refused():
    async with server(mail(1)) as far:
        far.sizes[1] = 4_000_000_000
        far.hidden.add("TOP")
        async with signed_in(far) as box:
            (one,) = await fetched(box, await listings(box))
            assert one.extent is Extent.REFUSED


async def test_a_message_that_never_ends_is_given_up():
    async with server(mail(1)) as far:
        far.script.on("RETR", instead=b"+OK\r\n", endless=b"and on and on\r\n")
        async with signed_in(far) as box:
            with pytest.raises(ConnectionLost, match="larger than it announced"):
                await fetched(box, await listings(box))


async def test_a_line_that_never_ends_is_given_up():
    async with server(mail(1)) as far:
        far.script.on("RETR", instead=b"+OK\r\n", endless=b"and on and on")
        async with signed_in(far) as box:
            with pytest.raises(ConnectionLost):
                await fetched(box, await listings(box))


# --- deletion (R-28) -------------------------------------------------------------------------------------------------


async def test_nothing_is_deleted_where_mail_is_kept():
    async with server(mail(1)) as far:
        async with signed_in(far, delete=False) as box:
            wanted = receipts(await listings(box))
            assert await box.acknowledge(wanted) == wanted
        assert far.commands("DELE") == []
        assert len(far.folder().messages) == 1


async def test_a_deletion_counts_once_quit_was_answered():
    async with server(mail(1), mail(2)) as far, signed_in(far, delete=True) as box:
        wanted = receipts(await listings(box))[:1]
        assert list(await box.acknowledge(wanted)) == []
        assert len(far.folder().messages) == 2
        assert list(await box.close()) == wanted
        assert [m.octets for m in far.folder().messages.values()] == [mail(2)]


async def test_a_refused_deletion_is_not_confirmed():
    async with server(mail(1), mail(2)) as far:
        far.script.on("DELE", when=lambda command: command.number == 1, reply="-ERR no")
        async with signed_in(far, delete=True) as box:
            wanted = receipts(await listings(box))
            await box.acknowledge(wanted)
            assert list(await box.close()) == wanted[1:]


async def test_deletions_are_sent_ahead():
    async with server(*(mail(n) for n in range(120))) as far:
        far.script.on("DELE", hold=(go := asyncio.Event()), times=1)
        async with signed_in(far, delete=True) as box:
            wanted = receipts(await listings(box))
            telling = asyncio.create_task(box.acknowledge(wanted))
            await far.until(lambda: far.commands("DELE"))
            go.set()
            await telling
            assert set(await box.close()) == set(wanted)
        assert far.folder().messages == {}


async def test_receipts_of_an_earlier_session_are_told_before_anything_is_listed():
    async with server(mail(1), mail(2)) as far:
        far.hidden.add("UIDL")
        async with signed_in(far, delete=True) as box:
            wanted = receipts(await listings(box))
        async with signed_in(far, delete=True) as box:
            await box.acknowledge(wanted[1:])
            assert list(await box.close()) == wanted[1:]
        assert [m.octets for m in far.folder().messages.values()] == [mail(1)]


# --- where an account begins -------------------------------------------------------------------------------------------


async def test_a_day_to_begin_with_is_told_by_the_last_hop():
    async with server(mail(1, received=EARLY), mail(2, received=NOON), mail(3)) as far, signed_in(far) as box:
        start = await box.baseline(INBOX, NOON_SECONDS)
        found = await listings(box)
        assert start.present == (found[0].unique_id,), "a message without a readable date counts as new"


# --- ids given anew (R-29) -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 4, 60])
async def test_when_all_ids_are_others_the_session_is_a_reset_with_identities(count):
    async with server(*(mail(n, received=NOON) for n in range(count))) as far:
        async with signed_in(far) as box:
            (before,) = await pages(box)
        far.folder().renumber(4711)
        async with signed_in(far) as box:
            (page,) = await pages(box, {INBOX: before.sync_state})
            assert page.reset
            assert [one.message_id for one in page.listings] == [f"{n}@example.com" for n in range(count)]
            assert {one.received_at for one in page.listings} == {NOON_SECONDS}
            assert not {one.unique_id for one in page.listings} & {one.unique_id for one in before.listings}
        async with signed_in(far) as box:
            (after,) = await pages(box, {INBOX: page.sync_state})
            assert not after.reset


async def test_new_mail_beside_the_old_is_no_reset():
    async with server(*(mail(n) for n in range(10))) as far:
        async with signed_in(far) as box:
            (before,) = await pages(box)
        for n in range(10, 60):
            far.deliver("INBOX", mail(n))
        async with signed_in(far) as box:
            (page,) = await pages(box, {INBOX: before.sync_state})
            assert not page.reset
        assert far.commands("TOP") == []


async def test_a_few_new_ones_after_a_few_deleted_are_no_reset():
    async with server(mail(1), mail(2)) as far:
        async with signed_in(far, delete=True) as box:
            (before,) = await pages(box)
            await box.acknowledge(receipts(before.listings))
        far.deliver("INBOX", mail(3))
        async with signed_in(far, delete=True) as box:
            (page,) = await pages(box, {INBOX: before.sync_state})
            assert not page.reset


# --- the session -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("LOGIN-DELAY 900", 900), ("LOGIN-DELAY 60 USER", 60), ("LOGIN-DELAY soon", 0), ("LOGIN-DELAY", 0), ("TOP", 0)],
)
async def test_the_login_delay_is_known(said, seconds):
    async with server(capabilities=[said]) as far, signed_in(far) as box:
        assert box.login_delay == seconds


async def test_a_fetch_that_was_left_half_way_poisons_the_session():
    async with server(mail(1), mail(2), mail(3)) as far, signed_in(far) as box:
        reading = box.fetch(await listings(box), limit=1000)
        await anext(reading)
        await reading.aclose()
        with pytest.raises(ConnectionLost):
            await box.session.ask(b"NOOP")
        assert far.commands("QUIT") == []
