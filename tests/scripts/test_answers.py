"""Servers whose FETCH is odd, broken or a trap: what can be read is read, and what cannot ends in a known way."""

import asyncio
import re

import pytest

from listener.errors import ConnectionLost, TransientFailure
from listener.mailbox import Extent
from tests.scripts.harness import fetched, imap, listed, listings, mail, new_octets
from tests.virtual_clock import run_virtual

JUNK = [b"* \xff\xfe\x00\r\n", b"* 1 FETCH (UID\r\n", b"* " + b"(" * 10_000 + b"\r\n", b"* x" * 500_000]
ODD_ITEMS = [
    pytest.param(b'X-GM-LABELS (")(" "\\" \\\\ (" \\Inbox)', id="quoted parentheses"),
    pytest.param(b"ENVELOPE NIL", id="NIL envelope"),
    pytest.param(b'ENVELOPE (NIL "(((" NIL NIL NIL NIL NIL NIL NIL ")")', id="parentheses in an envelope"),
    pytest.param(b"X-UNKNOWN (a (b {3}\r\n)))) c)", id="an unknown item with a literal of parentheses"),
    pytest.param(b"MODSEQ (99999999999999999999)", id="a number too large"),
    pytest.param(b"FLAGS (\\Seen \\Seen NIL $x)", id="odd flags"),
]


def adding(item):
    """Puts an item into each FETCH answer."""
    return lambda answer: answer.replace(b" FETCH (", b" FETCH (" + item + b" ")


@pytest.mark.parametrize("item", ODD_ITEMS)
def test_odd_items_in_a_fetch_hide_no_message(item):
    """(m) zammad #2754: one malformed FETCH response blocked a mailbox; aioimaplib counts parentheses in strings."""

    async def main(loop):
        async with imap() as server:
            for n in range(3):
                server.deliver("INBOX", mail(n))
            server.script.on("FETCH", rewrite=adding(item))
            async with server.opened() as mailbox:
                assert await new_octets(mailbox) == [mail(n) for n in range(3)]

    run_virtual(main)


@pytest.mark.parametrize("leaving_out", [rb"FLAGS \([^)]*\) ?", rb'INTERNALDATE "[^"]*" ?', rb"RFC822\.SIZE \d+ ?"])
def test_items_that_the_server_leaves_out_hide_no_message(leaving_out):
    """(m) missing FLAGS: what was not told is not known, and the message is there all the same."""

    async def main(loop):
        async with imap() as server:
            for n in range(3):
                server.deliver("INBOX", mail(n))
            server.script.on("FETCH", rewrite=lambda answer: re.sub(leaving_out, b"", answer))
            async with server.opened() as mailbox:
                found = await listings(mailbox)
                assert len(found) == 3
                assert not any(listing.acknowledged for listing in found)
                assert [one.octets for one in await fetched(mailbox, found)] == [mail(n) for n in range(3)]

    run_virtual(main)


def test_a_message_that_a_listing_leaves_out_altogether_is_listed_or_said_to_be_missing():
    """(m) R-17: a UID that SEARCH named and FETCH left out is never forgotten in silence."""

    async def main(loop):
        async with imap() as server:
            for n in range(3):
                server.deliver("INBOX", mail(n))
            server.script.on("FETCH", times=1, rewrite=lambda answer: re.sub(rb"\* 2 FETCH [^\r]*\r\n", b"", answer))
            async with server.opened() as mailbox:
                try:
                    pages = await listed(mailbox)
                except TransientFailure:
                    return  # the session ends, no sync state was given, the next one lists it
                found = {listing.unique_id.split(":")[1] for page in pages for listing in page.listings}
                assert found == {"1", "2", "3"}

    run_virtual(main)


@pytest.mark.parametrize("announced", [1_073_741_824, 99_999_999_999_999_999_999])
def test_a_literal_of_a_gigabyte_is_never_waited_for_in_memory(announced):
    """(m) aioimaplib has no cap on literals: the announcement alone must not cost memory, nor hang."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            async with server.opened() as mailbox:
                found = await listings(mailbox)
                trap = b"* 1 FETCH (UID 1 BODY[] {%d}\r\nabc" % announced
                server.script.on("FETCH", instead=trap)
                with pytest.raises(TransientFailure):
                    await fetched(mailbox, found)

    run_virtual(main)


@pytest.mark.parametrize("command", ["SELECT", "SEARCH", "FETCH", "IDLE", "STATUS", "CAPABILITY"])
@pytest.mark.parametrize(
    "junk", [b"* \xff\xfe\x00\r\n", b"* 1 FETCH (UID\r\n", b"* " + b"(" * 10_000 + b"\r\n", b"* x" * 500_000]
)
def test_junk_ends_the_session_or_is_passed_over_and_never_hangs(command, junk):
    """R-62: endless lines, deep nesting, octets that are no IMAP: bounded, and then a lost connection."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            server.script.on(command, before=junk)
            began = loop.time()
            try:
                async with server.opened() as mailbox:
                    seen = await new_octets(mailbox)
                    assert seen == [mail(1)]
            except TransientFailure:
                pass
            assert loop.time() - began < 200

    run_virtual(main)


@pytest.mark.parametrize("command", ["GREETING", "LOGIN", "SELECT", "SEARCH", "FETCH"])
def test_an_answer_cut_anywhere_is_a_lost_connection(command):
    """R-8: every octet at which a connection can end, sampled; never half a message, never a hang."""

    async def main(loop):
        for cut in (0, 1, 2, 3, 7, 15, 31, 33, 40):
            async with imap() as server:
                server.deliver("INBOX", mail(1))
                server.script.on(command, cut=cut)
                with pytest.raises(TransientFailure):
                    await server.session()

    run_virtual(main)


@pytest.mark.parametrize("command", ["GREETING", "LOGIN", "SELECT", "SEARCH", "FETCH"])
def test_an_answer_that_stalls_in_the_middle_is_given_up(command):
    """(c) within an answer: no progress for 120 s is the end."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            server.script.on(command, stall=10)
            began = loop.time()
            with pytest.raises(ConnectionLost):
                async with server.opened() as mailbox:
                    await new_octets(mailbox)
            assert loop.time() - began <= 125

    run_virtual(main)


def test_a_server_of_one_octet_a_minute_is_given_up():
    """R-63: progress is not enough; a message has a deadline by its size."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1, size=2000))
            async with server.opened() as mailbox:
                found = await listings(mailbox)
                server.script.on("FETCH", trickle=59.0)
                began = loop.time()
                with pytest.raises(ConnectionLost):
                    await fetched(mailbox, found)
                assert loop.time() - began < 3600

    run_virtual(main)


def test_a_slow_server_that_keeps_sending_is_not_cut_off():
    """zammad #2554, "Downloading of emails via IMAP takes longer as one minute. E-Mail seems to be lost."."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1, size=200))
            async with server.opened() as mailbox:
                found = await listings(mailbox)
                server.script.on("FETCH", trickle=0.25)
                began = loop.time()
                (one,) = await fetched(mailbox, found)
                assert one.octets == mail(1, size=200)
                assert loop.time() - began > 50

    run_virtual(main)


@pytest.mark.parametrize("reply", ["NO Some of the requested messages no longer exist", "OK done, though one was gone"])
def test_mail_expunged_between_listing_and_fetch_is_gone_by_whatever_words(reply):
    """imap_tools #203: `NO Some of the requested messages no longer exist`, or OK without data."""

    async def main(loop):
        async with imap() as server:
            for n in range(3):
                server.deliver("INBOX", mail(n))
            async with server.opened() as mailbox:
                found = await listings(mailbox)
                server.folder().expunge([2])
                server.script.on("FETCH", reply=reply, execute=True, times=1)
                got = {one.listing.unique_id: one.extent for one in await fetched(mailbox, found)}
                assert [got[one.unique_id] for one in found] == [Extent.WHOLE, Extent.GONE, Extent.WHOLE]

    run_virtual(main)


def test_messages_that_nobody_asked_for_are_not_taken_for_those_asked():
    """dependencies: a late reply gave message 1's body to message 2; unasked FETCH data is passed over."""

    async def main(loop):
        async with imap() as server:
            for n in range(2):
                server.deliver("INBOX", mail(n))
            stranger = b"* 9 FETCH (UID 999 BODY[] {5}\r\nevil!)\r\n* 1 FETCH (BODY[] {5}\r\nevil!)\r\n"
            server.script.on("FETCH", before=stranger + b"* 1 FETCH (FLAGS (\\Seen))\r\n")
            async with server.opened() as mailbox:
                found = await listings(mailbox)
                got = {one.listing.unique_id: one.octets for one in await fetched(mailbox, found)}
                assert [got[one.unique_id] for one in found] == [mail(0), mail(1)]

    run_virtual(main)


def test_a_thousand_untagged_lines_at_once_are_read():
    """dependencies: about 980 untagged lines in one receive ended another client in a RecursionError and a hang."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            server.script.on("SEARCH", before=b"".join(b"* %d EXPUNGE\r\n" % 1 for _ in range(5000)))
            async with server.opened() as mailbox:
                assert await new_octets(mailbox) == [mail(1)]

    run_virtual(main)


def test_cancelling_a_fetch_never_gives_its_octets_to_the_next_one():
    """dependencies: after a time-out the late answer was taken for the next one's."""

    async def main(loop):
        async with imap() as server:
            for n in range(2):
                server.deliver("INBOX", mail(n))
            async with server.opened() as mailbox:
                first, second = await listings(mailbox)
                gate = asyncio.Event()
                server.script.on("FETCH", hold=gate, times=1)
                reading = asyncio.ensure_future(fetched(mailbox, [first]))
                await server.until(lambda: server.commands("FETCH")[-1].line.endswith(b"(UID BODY.PEEK[])"))
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
                gate.set()
                with pytest.raises(ConnectionLost):
                    await fetched(mailbox, [second])

    run_virtual(main)
