"""Waiting for mail on servers that notify late, wrongly or never, and on connections that are dead without a word."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from listener.errors import ConnectionLost, FolderMissing, TokenExpired
from listener.protocols.imap.mailbox import IDLE_RENEWAL_SECONDS, ImapMailbox
from listener.protocols.imap.session import DONE_SECONDS
from listener.protocols.imap.waiting import PAUSE_SECONDS, SAFETY_SECONDS
from listener.testing.imap import CAPABILITIES, Command, ImapServer
from tests.protocols.imap.box import INBOX, listings, mail, mailbox, pages, server, states, uids
from tests.virtual_clock import VirtualLoop, run_virtual

NO_IDLE = tuple(word for word in CAPABILITIES if word != "IDLE")


def virtually(main: Callable[[VirtualLoop], Awaitable[None]]) -> None:
    run_virtual(main)


async def asleep(running: ImapServer, box: ImapMailbox) -> asyncio.Task[bool]:
    """A wait that is truly idling."""
    before = len(running.commands("IDLE"))
    waiting = asyncio.create_task(box.wait())
    await running.until(lambda: len(running.commands("IDLE")) > before)
    while box.idle_since is None:
        await asyncio.sleep(0)
    return waiting


# --- the plain way ---------------------------------------------------------------------------------------------------


async def test_new_mail_ends_the_wait_at_once() -> None:
    async with server() as running, mailbox(running) as box:
        known = states(await pages(box))
        waiting = await asleep(running, box)
        running.deliver("INBOX", mail(1))
        assert await waiting is True
        assert box.idle_since is None
        assert uids(await pages(box, known)) == [1]


async def test_expunges_and_flags_are_no_mail() -> None:
    async with server() as running, mailbox(running) as box:
        for number in range(3):
            running.deliver("INBOX", mail(number))
        await pages(box)
        waiting = await asleep(running, box)
        running.folder().set_flags(1, ["\\Flagged"])
        running.folder().expunge([2])
        running.deliver("INBOX", mail(4))
        assert await waiting is True


async def test_mail_that_came_before_the_idling_is_found_by_looking() -> None:
    async with server() as running, mailbox(running) as box:
        await pages(box)
        running.deliver("INBOX", mail(1))
        assert await box.wait() is True
        assert not running.commands("IDLE")


async def test_mail_told_of_in_the_tail_of_the_search_is_not_slept_through() -> None:
    async with server() as running, mailbox(running) as box:
        await pages(box)
        running.script.on("SEARCH", times=1, rewrite=lambda answer: answer.replace(b"SEARCH\r\n", b"SEARCH\r\n* 1 EXISTS\r\n"))
        arrivals = iter([mail(1)])

        def observe(command: Command) -> None:
            if command.name == "UID SEARCH" and len(running.commands("SEARCH")) == 3:
                running.deliver("INBOX", next(arrivals))

        running.observe = observe
        assert await box.wait() is True
        assert not running.commands("IDLE")


@pytest.mark.parametrize("command", ["SEARCH", "IDLE"])
def test_a_server_that_tells_of_the_same_mail_for_ever_does_not_keep_us_busy(command: str) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server() as running, mailbox(running) as box:
            running.script.on(command, before=b"* 1 EXISTS\r\n")
            known = states(await pages(box))
            begun, before = loop.time(), len(running.transcript)
            while loop.time() < begun + SAFETY_SECONDS:
                assert await box.wait() is True
                assert listings(await pages(box, known)) == []
            assert len(running.transcript) - before < 10 * SAFETY_SECONDS / PAUSE_SECONDS

    virtually(main)


# --- in time ---------------------------------------------------------------------------------------------------------


def test_a_server_that_accepts_idle_and_never_notifies_is_looked_into() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server() as running, mailbox(running) as box:
            running.script.on("NOTIFY", silent=True)
            known = states(await pages(box))
            waiting = await asleep(running, box)
            begun = loop.time()
            running.deliver("INBOX", mail(1))
            assert await waiting is True
            assert loop.time() - begun <= SAFETY_SECONDS + 1
            assert uids(await pages(box, known)) == [1]

    virtually(main)


@pytest.mark.parametrize("renewal", [60.0, IDLE_RENEWAL_SECONDS])
def test_idle_is_renewed_and_the_folder_opened_anew_in_time(renewal: float) -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server() as running, mailbox(running, idle_renewal=renewal) as box:
            known = states(await pages(box))
            for _ in range(3):
                begun, before = loop.time(), len(running.commands("IDLE"))
                assert await box.wait() is True
                assert loop.time() - begun == pytest.approx(SAFETY_SECONDS, abs=2)
                idles = len(running.commands("IDLE")) - before
                assert idles == max(round(SAFETY_SECONDS / renewal), 1)
                selects = len(running.commands("SELECT"))
                assert listings(await pages(box, known)) == []
                assert len(running.commands("SELECT")) == selects + 1

    virtually(main)


def test_a_connection_that_is_dead_without_a_word_is_noticed() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server() as running, mailbox(running, idle_renewal=120.0) as box:
            await pages(box)
            waiting = await asleep(running, box)
            begun = loop.time()
            running.freeze()
            with pytest.raises(ConnectionLost, match="DONE"):
                await waiting
            assert loop.time() - begun <= 120 + DONE_SECONDS + 1
            running.thaw()

    virtually(main)


def test_a_done_that_is_never_answered_is_a_dead_connection() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server() as running, mailbox(running) as box:
            await pages(box)
            running.script.on("DONE", silent=True)
            waiting = await asleep(running, box)
            running.deliver("INBOX", mail(1))
            begun = loop.time()
            with pytest.raises(ConnectionLost, match="DONE"):
                await waiting
            assert loop.time() - begun == pytest.approx(DONE_SECONDS, abs=1)

    virtually(main)


@pytest.mark.parametrize("reset", [True, False])
async def test_a_server_that_hangs_up_is_noticed_at_once(reset: bool) -> None:
    async with server() as running, mailbox(running) as box:
        await pages(box)
        waiting = await asleep(running, box)
        running.disconnect(reset=reset)
        with pytest.raises(ConnectionLost):
            await waiting


async def test_a_server_that_hangs_up_right_after_idle_is_noticed_too() -> None:
    async with server() as running, mailbox(running) as box:
        await pages(box)
        running.script.on("IDLE", close="before")
        with pytest.raises(ConnectionLost):
            await box.wait()


async def test_an_expired_token_is_told_while_idling() -> None:
    async with server() as running, mailbox(running) as box:
        await pages(box)
        waiting = await asleep(running, box)
        running.say(b"* BYE Session invalidated - AccessTokenExpired\r\n")
        with pytest.raises(TokenExpired):
            await waiting


# --- without IDLE, and with several folders --------------------------------------------------------------------------


def test_without_idle_the_folder_is_looked_into_every_interval() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server(capabilities=NO_IDLE) as running, mailbox(running, poll_interval=60.0) as box:
            running.script.on("NOTIFY", silent=True)
            known = states(await pages(box))
            waiting = asyncio.create_task(box.wait())
            await running.until(lambda: running.commands("NOOP"))
            begun = loop.time()
            running.deliver("INBOX", mail(1))
            assert await waiting is True
            assert loop.time() - begun <= 61
            assert not running.commands("IDLE")
            assert uids(await pages(box, known)) == [1]

    virtually(main)


def test_without_idle_an_end_is_noticed_before_the_next_look() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server(capabilities=NO_IDLE) as running, mailbox(running, poll_interval=600.0) as box:
            await pages(box)
            before = len(running.commands("SEARCH"))
            waiting = asyncio.create_task(box.wait())
            await running.until(lambda: len(running.commands("SEARCH")) > before)
            begun = loop.time()
            running.disconnect()
            with pytest.raises(ConnectionLost):
                await waiting
            assert loop.time() - begun < 5

    virtually(main)


def test_other_folders_are_asked_for_every_interval_while_the_first_one_idles() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server() as running, mailbox(running, "INBOX", "Other", poll_interval=60.0) as box:
            running.store().create("Other")
            known = states(await pages(box))
            waiting = await asleep(running, box)
            assert running.connections[0].folder.name == "INBOX"
            begun = loop.time()
            running.deliver("Other", mail(1))
            assert await waiting is True
            assert loop.time() - begun <= 61
            found = [page for page in await pages(box, known) if page.listings]
            assert [page.folder for page in found] == ["Other"]

    virtually(main)


def test_a_folder_renamed_or_deleted_under_us_is_noticed_and_the_others_go_on() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server() as running, mailbox(running, "First", "INBOX", poll_interval=60.0) as box:
            running.store().create("First")
            known = states(await pages(box))
            waiting = await asleep(running, box)
            running.store().rename("First", "Second")
            assert await waiting is True
            with pytest.raises(FolderMissing, match="First"):
                await pages(box, known)
            running.deliver("INBOX", mail(1))
            assert await box.wait() is True
            found = []
            with pytest.raises(FolderMissing):  # noqa: PT012 - what came before it counts
                async for page in box.pages(known):
                    found.append(page)
            assert uids(found) == [1]

    virtually(main)


def test_when_no_folder_can_be_opened_they_are_asked_for_again_in_time() -> None:
    async def main(loop: VirtualLoop) -> None:
        async with server() as running, mailbox(running, "Missing", poll_interval=60.0) as box:
            with pytest.raises(FolderMissing):
                await pages(box)
            begun = loop.time()
            assert await box.wait() is True
            assert loop.time() - begun == pytest.approx(60, abs=1)
            running.store().create("Missing")
            assert [page.folder for page in await pages(box)] == ["Missing"]

    virtually(main)


# --- ends ------------------------------------------------------------------------------------------------------------


async def test_a_cancelled_wait_leaves_a_session_that_logs_out() -> None:
    async with server() as running, mailbox(running) as box:
        await pages(box)
        waiting = await asleep(running, box)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        await box.close()
        assert running.transcript[-1].name == "LOGOUT"


async def test_progress_is_told() -> None:
    async with server() as running, mailbox(running) as box:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await pages(box, {INBOX: "1:1"})
        assert before <= box.last_round_trip <= loop.time()
        waiting = await asleep(running, box)
        assert box.last_round_trip <= box.idle_since <= loop.time()
        waiting.cancel()
