"""Telling the server: only what it was asked for, only of the messages given, once, and confirmed or not."""

import pytest

from listener.errors import PermanentFailure, Throttled
from listener.mailbox import Folder, Receipt
from listener.protocols.imap.acknowledging import MAX_REFUSALS, Action, After
from listener.testing.imap import ImapServer
from tests.protocols.imap.box import INBOX, mail, mailbox, open_mailbox, pages, receipts, server


async def owed(running: ImapServer, box: object, count: int = 3) -> list[Receipt]:
    for number in range(count):
        running.deliver("INBOX", mail(number))
    return receipts(await pages(box))


def flags(running: ImapServer) -> list[list[str]]:
    return [sorted(message.flags) for message in running.folder().messages.values()]


def sent_after(running: ImapServer, before: int) -> list[str]:
    return [command.name for command in running.transcript[before:]]


@pytest.mark.parametrize("text", ["", "read", "move", "move:", "seen:x", "delete:x", "Move:x"])
def test_a_setting_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        After.parse(text)


def test_the_settings_are_as_documented() -> None:
    assert After.parse("move:Done: all") == After(Action.MOVE, "Done: all")
    assert [After.parse(word).action for word in ("seen", "keep", "delete")] == ["seen", "keep", "delete"]


async def test_seen_marks_those_given_in_one_command_and_nothing_else() -> None:
    async with server() as running, mailbox(running) as box:
        mine = await owed(running, box, 5)
        before = len(running.transcript)
        assert await box.acknowledge([mine[0], mine[1], mine[3]]) == [mine[0], mine[1], mine[3]]
        assert flags(running) == [["\\Seen"], ["\\Seen"], [], ["\\Seen"], []]
        assert sent_after(running, before) == ["UID STORE"]


async def test_keep_says_nothing_and_confirms() -> None:
    async with server() as running, mailbox(running, after="keep") as box:
        mine = await owed(running, box)
        before = len(running.transcript)
        assert await box.acknowledge(mine) == mine
        assert sent_after(running, before) == []


async def test_delete_removes_those_given_and_not_what_others_marked() -> None:
    async with server() as running, mailbox(running, after="delete") as box:
        mine = await owed(running, box)
        running.deliver("INBOX", mail(9), flags=["\\Deleted"])
        told = await box.acknowledge(mine[:2])
        assert told == mine[:2]
        assert not any(receipt.stays for receipt in told)
        assert list(running.folder().messages) == [3, 4]


async def test_delete_without_uidplus_marks_and_expunges_nothing() -> None:
    async with server() as running, mailbox(running, after="delete") as box:
        running.hidden.add("UIDPLUS")
        box.session.capabilities -= {"UIDPLUS"}
        mine = await owed(running, box)
        (told,) = await box.acknowledge(mine[:1])
        assert told == mine[0]
        assert told.stays, "the server may list it again"
        assert flags(running) == [["\\Deleted"], [], []]
        assert not running.commands("EXPUNGE")


@pytest.mark.parametrize("target", ["Done", "Erledigt & abgelegt", "Büro"])
@pytest.mark.parametrize("has_move", [True, False])
async def test_move_takes_them_away_and_creates_nothing(has_move: bool, target: str) -> None:
    async with server(capabilities=("IMAP4rev1", "UIDPLUS", *(["MOVE"] if has_move else []))) as running:
        running.store().create(target)
        async with mailbox(running, after=f"move:{target}") as box:
            mine = await owed(running, box)
            assert await box.acknowledge(mine[:2]) == mine[:2]
            assert list(running.folder().messages) == [3]
            assert [m.octets for m in running.folder(target).messages.values()] == [mail(0), mail(1)]
            assert not running.commands("CREATE")


async def test_a_move_target_that_is_missing_keeps_the_mail_and_says_so() -> None:
    async with server() as running, mailbox(running, after="move:Done") as box:
        mine = await owed(running, box, 20)
        before = len(running.commands("MOVE"))
        assert not await box.acknowledge(mine)
        assert len(running.folder().messages) == 20
        assert "no such folder" in box.remarks[INBOX]
        assert len(running.commands("MOVE")) - before <= 1 + MAX_REFUSALS
        running.store().create("Done")
        assert await box.acknowledge(mine) == mine
        assert INBOX not in box.remarks


async def test_a_copy_whose_mark_was_refused_is_not_made_twice() -> None:
    async with server(capabilities=("IMAP4rev1", "UIDPLUS")) as running, mailbox(running, after="move:Done") as box:
        running.store().create("Done")
        mine = await owed(running, box)
        rule = running.script.on("STORE", reply="NO not now")
        assert not await box.acknowledge(mine)
        assert not await box.acknowledge(mine)
        assert len(running.folder("Done").messages) == 3
        rule.remove()
        assert await box.acknowledge(mine) == mine
        assert len(running.folder("Done").messages) == 3
        assert not running.folder().messages


async def test_what_a_session_before_copied_and_marked_is_not_copied_again() -> None:
    async with server(capabilities=("IMAP4rev1", "UIDPLUS")) as running:
        running.store().create("Done")
        async with mailbox(running, after="move:Done") as box:
            mine = await owed(running, box)
            running.script.on("UID EXPUNGE", close="before", times=1)
            with pytest.raises(Exception, match="closed the connection"):
                await box.acknowledge(mine)
        async with mailbox(running, after="move:Done") as box:
            assert await box.acknowledge(mine) == mine
        assert len(running.folder("Done").messages) == 3
        assert not running.folder().messages


async def test_what_is_no_longer_there_is_confirmed() -> None:
    async with server() as running, mailbox(running) as box:
        mine = await owed(running, box)
        running.folder().expunge([2])
        running.script.on("STORE", reply="NO Some of the requested messages no longer exist", times=1)
        assert sorted(await box.acknowledge(mine), key=lambda r: r.unique_id) == mine
        assert flags(running) == [["\\Seen"], ["\\Seen"]]


async def test_one_that_is_refused_does_not_keep_the_others_owed() -> None:
    async with server() as running, mailbox(running) as box:
        mine = await owed(running, box)
        running.script.on("STORE", when=lambda c: b"1:3" in c.line or b"STORE 2 " in c.line, reply="NO [CANNOT] not that one")
        assert await box.acknowledge(mine) == [mine[0], mine[2]]
        assert "not that one" in box.remarks[INBOX]


async def test_telling_twice_is_harmless() -> None:
    async with server() as running:
        running.store().create("Done")
        for after in ("seen", "delete", "move:Done"):
            async with mailbox(running, after=after) as box:
                mine = await owed(running, box)
                assert await box.acknowledge(mine) == mine
                assert await box.acknowledge(mine) == mine


async def test_receipts_of_another_numbering_are_confirmed_and_touch_nothing() -> None:
    async with server() as running, mailbox(running, after="delete") as box:
        mine = await owed(running, box, 1)
        stale = [Receipt(INBOX, "99:1"), Receipt(INBOX, mine[0].unique_id + ":5"), Receipt(INBOX, "nonsense")]
        assert await box.acknowledge(stale) == stale
        assert len(running.folder().messages) == 1


async def test_a_read_only_folder_confirms_nothing_and_is_remarked() -> None:
    async with server() as running:
        running.script.on("SELECT", rewrite=lambda answer: answer.replace(b"[READ-WRITE]", b"[READ-ONLY]"))
        async with mailbox(running) as box:
            mine = await owed(running, box)
            assert not await box.acknowledge(mine)
            assert box.remarks[INBOX] == "the folder is read-only"
            assert not running.commands("STORE")


async def test_a_folder_that_was_read_only_for_a_moment_is_opened_anew_and_told() -> None:
    async with server() as running:
        running.script.on("SELECT", rewrite=lambda answer: answer.replace(b"[READ-WRITE]", b"[READ-ONLY]"), times=1)
        async with mailbox(running) as box:
            mine = await owed(running, box)
            assert await box.acknowledge(mine) == mine
            assert not box.remarks


async def test_a_missing_folder_keeps_its_receipts_and_the_others_are_told() -> None:
    async with server() as running, mailbox(running) as box:
        mine = await owed(running, box)
        gone = Receipt(Folder("Gone"), "1:1")
        assert await box.acknowledge([gone, *mine]) == mine
        assert "Gone" in box.remarks[Folder("Gone")]


async def test_throttling_is_raised() -> None:
    async with server() as running, mailbox(running) as box:
        mine = await owed(running, box)
        running.script.on("STORE", reply="BAD Request is throttled. Suggested Backoff Time: 1000 milliseconds")
        with pytest.raises(Throttled):
            await box.acknowledge(mine)


@pytest.mark.parametrize("target", ["INBOX", "inbox", "a\r\nb"])
async def test_a_target_that_would_bring_mail_back_or_cannot_be_named_is_refused_at_once(target: str) -> None:
    async with server() as running:
        with pytest.raises(PermanentFailure) as caught:
            await open_mailbox(running, after=f"move:{target}")
        assert caught.value.setting == "receiver.after"
        assert not running.connections
