"""Servers that are wrong about UIDs: nothing is skipped, nothing is listed twice as new, nothing is replayed blindly."""

import re

import pytest

from listener.errors import AccountFailure
from tests.scripts.harness import imap, listed, listings, mail, new_octets, states
from tests.virtual_clock import run_virtual


def test_a_server_without_uidnext_is_read_and_not_read_again():
    """(f) EmailEngine 78e0141e: no UIDNEXT from the server led to an endless reseed."""

    async def main(loop):
        async with imap() as server:
            server.folder().lies = {"UIDNEXT": None}
            for n in range(3):
                server.deliver("INBOX", mail(n))
            async with server.opened() as mailbox:
                pages = await listed(mailbox)
                assert await new_octets(mailbox) == [mail(n) for n in range(3)]
            for _ in range(2):
                async with server.opened() as mailbox:
                    again = await listed(mailbox, states(pages))
                    assert [page.listings for page in again] == [()]
                    assert not any(page.reset for page in again)
            server.deliver("INBOX", mail(3))
            async with server.opened() as mailbox:
                assert await new_octets(mailbox, states(pages)) == [mail(3)]

    run_virtual(main)


def test_a_server_without_uidnext_can_be_begun_from_now():
    """(f) as above, for `start = "now"`, empty folder included."""

    async def main(loop):
        async with imap() as server:
            server.folder().lies = {"UIDNEXT": None}
            async with server.opened() as mailbox:
                empty = await mailbox.baseline("INBOX", None)
            server.deliver("INBOX", mail(1))
            async with server.opened() as mailbox:
                assert await new_octets(mailbox, {"INBOX": empty.sync_state}) == [mail(1)]
                later = await mailbox.baseline("INBOX", None)
                assert await listings(mailbox, {"INBOX": later.sync_state}) == []

    run_virtual(main)


@pytest.mark.parametrize("told", [0, None])
def test_an_unknown_uidvalidity_is_held_and_not_replayed(told):
    """(g) paperless-ngx #12839: if validity cannot be determined, do not ingest again; #8944: same UID, other mail."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            async with server.opened() as mailbox:
                since = states(await listed(mailbox))
            server.folder().lies = {"UIDVALIDITY": told}
            async with server.opened() as mailbox:
                with pytest.raises(AccountFailure):
                    await listed(mailbox, since)
            server.folder().lies = {}
            server.deliver("INBOX", mail(2))
            async with server.opened() as mailbox:
                assert await new_octets(mailbox, since) == [mail(2)]

    run_virtual(main)


@pytest.mark.parametrize("change", [1, -1])
def test_a_changed_uidvalidity_larger_or_smaller_is_a_reset(change):
    """(g) finding 8: EmailEngine re-baselines silently, Frappe stops for good, n8n says in a comment it does not handle it."""

    async def main(loop):
        async with imap() as server:
            for n in range(3):
                server.deliver("INBOX", mail(n))
            async with server.opened() as mailbox:
                since = states(await listed(mailbox))
            server.deliver("INBOX", mail(3))
            server.folder().renumber(server.folder().uid_validity + change)
            async with server.opened() as mailbox:
                pages = await listed(mailbox, since)
                assert all(page.reset for page in pages)
                assert await new_octets(mailbox, since) == [mail(n) for n in range(4)]

    run_virtual(main)


def test_a_uidvalidity_that_changes_within_a_session_gives_no_unique_id_of_the_old_one():
    """(g) RFC 9051 §2.3.1.1: UIDs of another UIDVALIDITY name other mail; the session must notice or end."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            async with server.opened() as mailbox:
                since = states(await listed(mailbox))
                old = server.folder().uid_validity
                server.folder().renumber(old + 1)
                server.disconnect()
            async with server.opened() as mailbox:
                (listing,) = await listings(mailbox, since)
                assert listing.unique_id.startswith(f"{old + 1}:")

    run_virtual(main)


def test_a_uidnext_that_went_back_under_the_same_uidvalidity_is_a_reset():
    """chatmail/core #2188 (GMX): UIDNEXT rewound, and `UID FETCH saved:*` returned nothing for ever."""

    async def main(loop):
        async with imap() as server:
            for n in range(5):
                server.deliver("INBOX", mail(n))
            async with server.opened() as mailbox:
                since = states(await listed(mailbox))
            for n in range(5):
                server.folder().expunge([n + 1])
            server.folder().renumber(server.folder().uid_validity)
            server.deliver("INBOX", mail(9))
            async with server.opened() as mailbox:
                pages = await listed(mailbox, since)
                assert pages[0].reset
                assert await new_octets(mailbox, since) == [mail(9)]
                since = states(pages, since)
            server.deliver("INBOX", mail(10))
            async with server.opened() as mailbox:
                assert await new_octets(mailbox, since) == [mail(10)]

    run_virtual(main)


def test_a_uidnext_far_ahead_of_the_last_message_stops_nothing():
    """bichon #342 (Gmail, Yahoo, Outlook): UIDNEXT 420,000 beyond the last UID; a client that refused to advance looped."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            server.folder().uid_next = 420_000
            async with server.opened() as mailbox:
                pages = await listed(mailbox)
                assert await new_octets(mailbox, states(pages)) == []
            server.deliver("INBOX", mail(2))
            async with server.opened() as mailbox:
                assert await new_octets(mailbox, states(pages)) == [mail(2)]
            assert len(server.commands("SEARCH")) < 60

    run_virtual(main)


def test_the_last_message_that_a_star_brings_again_is_not_new():
    """(h) emailjs-imap-client #255: `UID n:*` with n beyond the end returns the last message again."""

    async def main(loop):
        async with imap() as server:
            server.deliver("INBOX", mail(1))
            async with server.opened() as mailbox:
                since = states(await listed(mailbox))
            for command in ("SEARCH", "FETCH"):
                server.script.on(command, rewrite=with_the_last_message)
            for _ in range(2):
                async with server.opened() as mailbox:
                    assert await listings(mailbox, since) == []

    run_virtual(main)


def with_the_last_message(answer: bytes) -> bytes:
    """Message 1 in every SEARCH and FETCH, asked for or not."""
    answer = answer.replace(b"* SEARCH\r\n", b"* SEARCH 1\r\n")
    answer = re.sub(rb'(\* ESEARCH \(TAG "[^"]*"\) UID)\r\n', rb"\1 ALL 1\r\n", answer)
    return b"* 1 FETCH (UID 1 FLAGS () RFC822.SIZE 99)\r\n" + answer


def test_uid_zero_repeats_disorder_and_strangers_are_filtered():
    """nextcloud/mail #5721, offlineimap #336, node-imap #485: answers unsorted, UID 0, other UIDs than asked."""

    def disordered(answer):
        head, _, tail = answer.partition(b"* SEARCH ")
        numbers, _, rest = tail.partition(b"\r\n")
        return head + b"* SEARCH " + b" ".join([*numbers.split()[::-1], b"0", b"2", b"4000000000"]) + b"\r\n" + rest

    async def main(loop):
        async with imap() as server:
            for n in range(4):
                server.deliver("INBOX", mail(n))
            server.script.on("SEARCH", when=lambda _: True, rewrite=lambda a: disordered(a) if b"* SEARCH " in a else a)
            async with server.opened() as mailbox:
                found = await listings(mailbox)
                uids = [int(listing.unique_id.split(":")[1]) for listing in found]
                assert uids == [1, 2, 3, 4]
                assert await new_octets(mailbox) == [mail(n) for n in range(4)]

    run_virtual(main)


def test_a_uid_range_never_begins_at_zero():
    """frappe PR #42092: `UID 0:*` was rejected by Zoho, and the mailbox was dead for good."""

    async def main(loop):
        async with imap() as server:
            async with server.opened() as mailbox:
                await mailbox.baseline("INBOX", 0)
                pages = await listed(mailbox)
            server.folder().renumber(server.folder().uid_validity + 1)
            async with server.opened() as mailbox:
                await listed(mailbox, states(pages))
            lines = b"\n".join(command.line for command in server.transcript)
            assert not re.search(rb"UID (?:FETCH |SEARCH (?:\S+ )*UID )0", lines)

    run_virtual(main)
