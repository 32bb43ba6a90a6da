"""Fetching: every listing is answered for, once, within bounds, whatever the server does."""

import re
from contextlib import aclosing
from dataclasses import replace

import pytest

from listener.errors import ConnectionLost, Throttled, TokenExpired
from listener.mailbox import Extent, Listing
from listener.protocols.imap import fetching
from listener.testing.imap import Command, ImapServer
from tests.protocols.imap.box import INBOX, fetched, listings, mail, mailbox, pages, server


async def listed(running: ImapServer, box: object, count: int) -> list[Listing]:
    for number in range(count):
        running.deliver("INBOX", mail(number))
    return listings(await pages(box))


def bodies(command: Command) -> bool:
    return b"BODY.PEEK[]" in command.line


async def test_messages_come_octet_by_octet_as_they_are() -> None:
    odd = [b"", b"\r\n", b"no line end", bytes(range(256)), b"{5}\r\n)\r\nL1 OK done\r\n", mail(1)]
    async with server() as running, mailbox(running) as box:
        for octets in odd:
            running.deliver("INBOX", octets)
        found = await fetched(box, listings(await pages(box)))
        assert [one.octets for one in found] == odd
        assert {one.extent for one in found} == {Extent.WHOLE}
        assert not any(message.flags for message in running.folder().messages.values())


async def test_many_go_out_in_few_commands_at_once() -> None:
    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 250)
        before = len(running.transcript)
        assert len(await fetched(box, wanted)) == 250
        assert [command.name for command in running.transcript[before:]] == ["UID FETCH"] * 3


async def test_nothing_to_fetch_says_nothing() -> None:
    async with server() as running, mailbox(running) as box:
        before = len(running.transcript)
        assert await fetched(box, []) == []
        assert len(running.transcript) == before


async def test_a_large_message_comes_as_its_header() -> None:
    async with server() as running, mailbox(running) as box:
        running.deliver("INBOX", mail(1, size=50_000))
        (one,) = await fetched(box, listings(await pages(box)), limit=10_000)
        assert one.extent is Extent.HEADER
        assert one.octets == mail(1)
        assert running.counters.octets_out < 5_000


async def test_the_header_of_a_large_message_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_HEADER", b"(UID BODY.PEEK[HEADER]<0.1000>)")
    async with server() as running, mailbox(running) as box:
        running.deliver("INBOX", b"Subject: " + b"x" * 50_000 + b"\r\n\r\nbody")
        (one,) = await fetched(box, listings(await pages(box)), limit=10_000)
        assert (one.extent, len(one.octets)) == (Extent.HEADER, 1000)


@pytest.mark.parametrize("announced", [None, 10])
async def test_a_message_larger_than_it_said_comes_as_its_header(announced: int | None) -> None:
    async with server() as running, mailbox(running) as box:
        running.deliver("INBOX", mail(1, size=50_000))
        running.deliver("INBOX", mail(2))
        wanted = [replace(one, size=announced) for one in listings(await pages(box))]
        found = {one.listing.unique_id: one for one in await fetched(box, wanted, limit=10_000)}
        large, small = (found[one.unique_id] for one in wanted)
        assert (large.extent, large.octets) == (Extent.HEADER, mail(1))
        assert (small.extent, small.octets) == (Extent.WHOLE, mail(2))


async def test_an_absurd_announcement_ends_the_session_and_names_the_message() -> None:
    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 1)
        running.script.on("FETCH", rewrite=lambda answer: re.sub(rb"\{\d+\}", b"{1073741824}", answer))
        with pytest.raises(ConnectionLost, match="UID 1"):
            await fetched(box, wanted)


# --- what does not come ----------------------------------------------------------------------------------------------


async def test_an_expunged_message_is_gone() -> None:
    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 3)
        running.folder().expunge([2])
        found = {one.listing.unique_id[-1]: one.extent for one in await fetched(box, wanted)}
        assert found == {"1": Extent.WHOLE, "2": Extent.GONE, "3": Extent.WHOLE}


@pytest.mark.parametrize("answer", ["NO Some of the requested messages no longer exist", "OK done", "BAD no such message"])
async def test_only_a_second_look_says_that_a_message_is_gone(answer: str) -> None:
    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 3)
        running.folder().expunge([2])
        running.script.on("FETCH", when=bodies, reply=answer, times=1)
        found = {one.listing.unique_id[-1]: one.extent for one in await fetched(box, wanted)}
        assert found == {"1": Extent.WHOLE, "2": Extent.GONE, "3": Extent.WHOLE}


async def test_one_message_that_the_server_refuses_does_not_keep_the_others_back() -> None:
    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 3)
        running.script.on(
            "FETCH",
            when=lambda command: (bodies(command) and b" 2 (" in command.line) or b"1:3" in command.line,
            reply="NO [SERVERBUG] Internal error occurred.",
        )
        found = {one.listing.unique_id[-1]: one for one in await fetched(box, wanted)}
        assert [found[key].extent for key in "123"] == [Extent.WHOLE, Extent.REFUSED, Extent.WHOLE]
        assert "Internal error" in found["2"].detail


async def test_a_message_that_comes_without_octets_is_refused_in_the_end() -> None:
    def without(answer: bytes) -> bytes:
        return re.sub(rb"BODY\[\] \{\d+\}\r\n.*?\)\r\n", b"BODY[] NIL)\r\n", answer, flags=re.S)

    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 1)
        running.script.on("FETCH", rewrite=without)
        (one,) = await fetched(box, wanted)
        assert one.extent is Extent.REFUSED
        assert one.detail


async def test_a_message_that_cannot_be_read_is_refused_and_the_next_one_comes() -> None:
    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 2)
        running.script.on("FETCH", rewrite=lambda answer: answer.replace(b"(UID 1 ", b'(UID 1 X "'))
        found = {one.listing.unique_id[-1]: one.extent for one in await fetched(box, wanted)}
        assert found == {"1": Extent.REFUSED, "2": Extent.WHOLE}


async def test_strangers_repeats_and_late_flags_are_filtered() -> None:
    def noise(answer: bytes) -> bytes:
        strange = b"* 7 FETCH (UID 99 BODY[] {2}\r\nhi)\r\n* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n* 3 EXPUNGE\r\n"
        return strange + answer.rsplit(b"L", 1)[0] + answer

    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 2)
        running.script.on("FETCH", rewrite=noise)
        found = await fetched(box, wanted)
        assert sorted(one.octets for one in found) == [mail(0), mail(1)]


async def test_a_listing_of_another_numbering_is_gone() -> None:
    async with server() as running, mailbox(running) as box:
        (one,) = await listed(running, box, 1)
        for stale in ("99:1", f"{one.unique_id}:3", "nonsense"):
            (answer,) = await fetched(box, [replace(one, unique_id=stale)])
            assert answer.extent is Extent.GONE
            assert answer.detail


# --- ends ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 20, 60, 100, 150, 200])
async def test_a_connection_cut_in_the_middle_is_lost_and_what_came_before_counts(cut: int) -> None:
    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 3)
        running.script.on("FETCH", when=bodies, cut=cut)
        came = []

        async def read() -> None:
            async with aclosing(box.fetch(wanted, limit=10_000)) as messages:
                async for one in messages:
                    came.append(one.octets)

        with pytest.raises(ConnectionLost):
            await read()
        assert came == [mail(number) for number in range(len(came))]
        assert len(came) < 3


@pytest.mark.parametrize(
    ("reply", "failure"),
    [("NO AccessTokenExpired", TokenExpired), ("BAD Request is throttled. Suggested Backoff Time: 9 milliseconds", Throttled)],
)
async def test_what_concerns_the_session_is_not_taken_for_the_message(reply: str, failure: type[Exception]) -> None:
    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 1)
        running.script.on("FETCH", reply=reply)
        with pytest.raises(failure):
            await fetched(box, wanted)


async def test_a_fetch_left_early_ends_the_session() -> None:
    async with server() as running, mailbox(running) as box:
        wanted = await listed(running, box, 3)
        async with aclosing(box.fetch(wanted, limit=10_000)) as messages:
            async for _ in messages:
                break
        with pytest.raises(ConnectionLost):
            await pages(box, {INBOX: "1:1"})
