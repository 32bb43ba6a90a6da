"""Servers that leave a client deaf: each must end in new mail found or in ConnectionLost, within a known time."""

import asyncio

import pytest

from listener.errors import ConnectionLost
from tests.scripts.harness import imap, listed, mail, new_octets, states, waiting
from tests.virtual_clock import run_virtual

DONE_WITHIN = 30.0
RENEWED_WITHIN = 9 * 60.0
LOOKED_WITHIN = 5 * 60.0
SLACK = 1.0


def test_a_done_that_is_never_answered_ends_the_session():
    """(a) imapflow #14, "Imapflow stops listening for new imap events after while": DONE was sent, nothing came for days."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            await listed(mailbox)
            server.script.on("DONE", silent=True)
            sleeping = await waiting(server, mailbox)
            began = loop.time()
            server.deliver("INBOX", mail(1))
            with pytest.raises(ConnectionLost):
                await sleeping
            assert loop.time() - began <= DONE_WITHIN + SLACK

    run_virtual(main)


def test_a_done_that_is_never_answered_after_a_quiet_idle_ends_it_too():
    """(a) spring-integration #3862: on imap.qq.com ending IDLE did not take effect, deaf for 15 minutes."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            await listed(mailbox)
            server.script.on("DONE", silent=True)
            sleeping = await waiting(server, mailbox)
            began = loop.time()
            with pytest.raises(ConnectionLost):
                await sleeping
            assert loop.time() - began <= RENEWED_WITHIN + DONE_WITHIN + SLACK

    run_virtual(main)


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("close", ["before", "after"])
def test_a_connection_closed_right_after_idle_is_noticed_at_once(close, reset):
    """(b) aioimaplib #110, "idle_start never returns if the server closes the connection"."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            await listed(mailbox)
            server.script.on("IDLE", close=close, reset=reset)
            began = loop.time()
            with pytest.raises(ConnectionLost):
                await mailbox.wait()
            assert loop.time() - began < SLACK

    run_virtual(main)


@pytest.mark.parametrize("command", ["NOOP", "IDLE", "FETCH", "STORE", "SEARCH", "SELECT"])
def test_a_server_that_goes_silent_without_a_fin_is_given_up(command):
    """(c) imapflow #98, "idling failure not detected"; stalwart #3299: half-open connections are normal behind NAT."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            server.deliver("INBOX", mail(1))
            server.script.on(command, when=lambda _: server.freeze(), silent=True)
            began = loop.time()
            with pytest.raises(ConnectionLost):
                await server.whole_round(mailbox)
            assert loop.time() - began <= RENEWED_WITHIN + 120 + DONE_WITHIN + SLACK

    run_virtual(main)


def test_a_server_that_freezes_while_we_idle_is_given_up():
    """(c) imapclient #349, "IDLE check response hangs after a few hours" (Office 365)."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            await listed(mailbox)
            sleeping = await waiting(server, mailbox)
            server.freeze()
            began = loop.time()
            with pytest.raises(ConnectionLost):
                await sleeping
            assert loop.time() - began <= RENEWED_WITHIN + DONE_WITHIN + SLACK

    run_virtual(main)


def test_a_close_on_a_frozen_server_ends_soon():
    """(c) n8n #3794: what is stopped must be gone, whatever the server does."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            await listed(mailbox)
            server.freeze()
            began = loop.time()
            assert list(await mailbox.close()) == []
            assert loop.time() - began <= 10

    run_virtual(main)


def test_an_exists_that_only_select_told_is_not_slept_through():
    """(d) chatmail/core #4926, "IMAP client hangs in IMAP IDLE if `SELECT` consumed `EXISTS` response notifying about …"."""

    async def main(loop):
        async with imap() as server:
            server.script.on("NOTIFY", silent=True)
            async with server.opened() as mailbox:
                since = states(await listed(mailbox))
            server.deliver("INBOX", mail(1))
            async with server.opened() as mailbox:
                assert await new_octets(mailbox, since) == [mail(1)]

    run_virtual(main)


def test_an_exists_that_another_answer_told_is_not_slept_through():
    """(d) chatmail/core #4927, "check UIDNEXT with a STATUS command before going IDLE"."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            server.script.on("NOTIFY", silent=True)
            server.deliver("INBOX", mail(1))
            pages = await listed(mailbox)
            server.on_command("STORE", lambda: server.deliver("INBOX", mail(2)))
            await mailbox.acknowledge(server.receipts(pages))
            began = loop.time()
            assert await mailbox.wait() is True
            assert loop.time() - began < SLACK
            assert await new_octets(mailbox, states(pages)) == [mail(2)]

    run_virtual(main)


def test_mail_that_comes_between_search_and_idle_is_found_at_once():
    """(e) EmailEngine 8fece8ad: mail that landed during the sync was hidden for up to 30 minutes."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            since = states(await listed(mailbox))
            server.on_command("IDLE", lambda: server.deliver("INBOX", mail(1)))
            began = loop.time()
            assert await mailbox.wait() is True
            assert loop.time() - began < SLACK
            assert await new_octets(mailbox, since) == [mail(1)]

    run_virtual(main)


def test_a_server_that_accepts_idle_and_never_tells_anything_is_looked_at_all_the_same():
    """(e) home-assistant #86407, "Intermittent delays with IMAP integration"; R-22: a server that never notifies."""

    async def main(loop):
        async with imap() as server, server.opened() as mailbox:
            since = states(await listed(mailbox))
            server.script.on("NOTIFY", silent=True)
            sleeping = await waiting(server, mailbox)
            began = loop.time()
            server.deliver("INBOX", mail(1))
            found = []
            while not found:  # a wake-up without mail is allowed; the receiver looks and waits again
                assert await sleeping is True
                found = await new_octets(mailbox, since)
                if not found:
                    sleeping = asyncio.ensure_future(mailbox.wait())
            assert found == [mail(1)]
            assert loop.time() - began <= LOOKED_WITHIN + SLACK

    run_virtual(main)


def test_without_idle_mail_is_found_by_looking():
    """(e) a server without IDLE: the poll interval is all there is."""

    async def main(loop):
        async with imap(hidden={"IDLE"}) as server, server.opened() as mailbox:
            since = states(await listed(mailbox))
            sleeping = asyncio.ensure_future(mailbox.wait())
            await asyncio.sleep(10)
            server.deliver("INBOX", mail(1))
            assert await sleeping is True
            assert not server.commands("IDLE")
            assert await new_octets(mailbox, since) == [mail(1)]

    run_virtual(main)


def test_idle_is_renewed_long_before_a_nat_forgets_us():
    """RFC 2177 §3 and R-21: no IDLE is older than nine minutes."""

    async def main(loop):
        ages = []
        async with imap() as server, server.opened() as mailbox:
            await listed(mailbox)
            began = None

            def seen(command):
                nonlocal began
                if command.name == "IDLE":
                    began = loop.time()
                elif command.name == "DONE":
                    ages.append(loop.time() - began)

            server.observe = seen
            sleeping = asyncio.ensure_future(server.wait_for_mail(mailbox))
            await asyncio.sleep(2 * 3600)
            sleeping.cancel()
            await asyncio.gather(sleeping, return_exceptions=True)
        assert len(ages) >= 13
        assert max(ages) <= RENEWED_WITHIN + SLACK

    run_virtual(main)
