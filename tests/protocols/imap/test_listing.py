"""What is new: listed once, in order, without trust in what a server says of its own numbers."""

import calendar
import re

import pytest

from listener.errors import ConnectionLost, FolderMissing
from listener.mailbox import Folder
from listener.protocols.imap import folders, listing
from listener.protocols.imap.mailbox import ImapMailbox, ImapSettings
from listener.testing.imap import Command, ImapServer
from tests.protocols.imap.box import INBOX, endpoint, fetched, listings, mail, mailbox, pages, receipts, server, states, uids
from tests.protocols.imap.dialogue import password


def searches(running: ImapServer) -> list[str]:
    return [command.line.decode() for command in running.commands("SEARCH")]


async def fill(running: ImapServer, count: int, folder: str = "INBOX") -> None:
    for number in range(count):
        running.deliver(folder, mail(number))


# --- the plain way ---------------------------------------------------------------------------------------------------


async def test_everything_is_listed_once_and_then_only_what_is_new() -> None:
    async with server() as running, mailbox(running) as box:
        await fill(running, 3)
        first = await pages(box)
        assert uids(first) == [1, 2, 3]
        assert listings(await pages(box, states(first))) == []
        running.deliver("INBOX", mail(4))
        assert uids(await pages(box, states(first))) == [4]


async def test_a_listing_has_what_is_known_of_a_message() -> None:
    async with server() as running, mailbox(running) as box:
        running.deliver("INBOX", mail(1, size=500), flags=["\\Seen"], internal_date=1_700_000_000.0)
        (found,) = listings(await pages(box))
        assert found.unique_id == f"{running.folder().uid_validity}:1"
        assert (found.size, found.received_at, found.acknowledged) == (500, 1_700_000_000.0, True)
        assert found.message_id is None
        assert found.provider_id is None


@pytest.mark.parametrize(("extension", "provider_id"), [("OBJECTID", "M00000001"), ("X-GM-EXT-1", "00000001")])
async def test_the_providers_own_id_is_asked_for_where_there_is_one(extension: str, provider_id: str) -> None:
    async with server(capabilities=("IMAP4rev1", extension)) as running, mailbox(running) as box:
        running.deliver("INBOX", mail(1))
        (found,) = listings(await pages(box))
        assert found.provider_id == provider_id


@pytest.mark.parametrize(
    ("after", "flags", "acknowledged"),
    [
        ("seen", ["\\Seen"], True),
        ("seen", ["\\Deleted"], False),
        ("keep", [], True),
        ("delete", ["\\Seen"], False),
        ("delete", ["\\Deleted"], False),
        ("move:Done", ["\\Seen", "\\Deleted"], False),
    ],
)
async def test_what_is_owed_depends_on_after(after: str, flags: list[str], acknowledged: bool) -> None:
    async with server() as running, mailbox(running, after=after) as box:
        running.deliver("INBOX", mail(1), flags=flags)
        (found,) = listings(await pages(box))
        assert found.acknowledged is acknowledged


async def test_pages_are_cut_by_count_and_by_octets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_LISTINGS", 3)
    monkeypatch.setattr(listing, "PAGE_OCTETS", 1000)
    async with server() as running, mailbox(running) as box:
        for number, size in enumerate([100, 100, 100, 100, 600, 600, 5000, 100]):
            running.deliver("INBOX", mail(number, size=size))
        found = await pages(box)
        assert [len(page.listings) for page in found] == [3, 2, 1, 1, 1]
        assert [page.remaining for page in found] == [5, 3, 2, 1, 0]


async def test_a_session_begun_from_any_page_lists_exactly_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_LISTINGS", 2)
    async with server() as running:
        await fill(running, 7)
        async with mailbox(running) as box:
            found = await pages(box)
        for number, page in enumerate(found, 1):
            async with mailbox(running) as box:
                assert uids(await pages(box, {INBOX: page.sync_state})) == list(range(2 * number + 1, 8))


async def test_only_uid_commands_and_peeks_are_sent() -> None:
    async with server() as running, mailbox(running) as box:
        await fill(running, 3)
        found = await pages(box)
        await fetched(box, listings(found))
        await box.acknowledge(receipts(found))
        await pages(box, {INBOX: "1:1"})
        for command in running.transcript:
            line = command.line.decode().upper()
            assert command.name not in ("FETCH", "STORE", "SEARCH", "COPY", "MOVE", "EXPUNGE", "CLOSE")
            assert not re.search(r"UNSEEN|RECENT|CHARSET|BODY\[|RFC822 |RFC822\)|RFC822\.TEXT", line)


# --- many messages ---------------------------------------------------------------------------------------------------


async def test_no_search_can_find_more_than_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "SEARCH_WINDOW", 10)
    monkeypatch.setattr(listing, "DESCRIBED_AT_ONCE", 4)
    async with server() as running, mailbox(running) as box:
        await fill(running, 35)
        running.folder().expunge(range(5, 25))
        assert uids(await pages(box)) == [*range(1, 5), *range(25, 36)]
        windows = [line.split()[-1] for line in searches(running)]
        assert windows[:4] == ["1:10", "11:20", "21:30", "31:40"]


async def test_old_mail_costs_nothing_at_a_restart() -> None:
    async with server() as running:
        await fill(running, 2000)
        async with mailbox(running) as box:
            known = states(await pages(box))
        running.deliver("INBOX", mail(5000))
        before = running.counters.octets_out
        async with mailbox(running) as box:
            assert uids(await pages(box, known)) == [2001]
        assert running.counters.octets_out - before < 4000


# --- servers that say too much, or in disorder (R-16) ----------------------------------------------------------------


async def test_the_last_message_that_is_told_again_and_again_is_not_new() -> None:
    async with server() as running, mailbox(running) as box:
        await fill(running, 3)
        known = states(await pages(box))
        for _ in range(2):
            assert listings(await pages(box, known)) == []
        assert searches(running)[-1].endswith("UID 4:*")  # RFC 9051 §9: answered with the last message


async def test_disorder_repeats_zero_and_strangers_are_filtered() -> None:
    def disorder(answer: bytes) -> bytes:
        *lines, done = answer.splitlines(keepends=True)
        strange = [b"* 9 FETCH (UID 0 FLAGS ())\r\n", b"* 9 FETCH (UID 77 RFC822.SIZE 1)\r\n", b"* 1 FETCH (FLAGS ())\r\n"]
        return b"".join([*reversed(lines), *lines, *strange, done])

    async with server() as running, mailbox(running) as box:
        await fill(running, 5)
        running.script.on("SEARCH", rewrite=lambda answer: answer.replace(b"* SEARCH 1 2", b"* SEARCH 5 0 2 2 1 4294967299"))
        running.script.on("FETCH", rewrite=disorder)
        assert uids(await pages(box)) == [1, 2, 3, 4, 5]


async def test_what_is_told_in_pieces_is_put_together() -> None:
    def pieces(answer: bytes) -> bytes:
        return b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n" + answer.replace(b"FLAGS ()", b"X-UNKNOWN NIL")

    async with server() as running, mailbox(running) as box:
        running.deliver("INBOX", mail(1))
        running.script.on("FETCH", rewrite=pieces)
        (found,) = listings(await pages(box))
        assert found.acknowledged
        assert found.size == len(mail(1))


async def test_a_message_that_the_server_cannot_describe_is_listed_all_the_same() -> None:
    async with server() as running, mailbox(running) as box:
        await fill(running, 3)
        running.script.on("FETCH", rewrite=lambda answer: re.sub(rb"\* 2 FETCH \(", b'* 2 FETCH (X "', answer))
        found = listings(await pages(box))
        assert [one.unique_id[-1] for one in found] == ["1", "2", "3"]
        assert found[1].size is None


async def test_a_message_expunged_while_it_is_listed_is_left_out() -> None:
    async with server() as running, mailbox(running) as box:
        await fill(running, 3)
        running.observe = lambda command: running.folder().expunge([2]) if command.name == "UID FETCH" else None
        found = await pages(box)
        assert uids(found) == [1, 3]
        assert found[-1].sync_state.endswith(":4")


async def test_mail_that_comes_while_listing_is_found_the_next_time() -> None:
    async with server() as running, mailbox(running) as box:
        await fill(running, 2)
        arrivals = iter([mail(9)])

        def observe(command: Command) -> None:
            if command.name == "UID FETCH":
                for octets in arrivals:
                    running.deliver("INBOX", octets)

        running.observe = observe
        first = await pages(box)
        assert uids(first) == [1, 2]
        assert uids(await pages(box, states(first))) == [3]


async def test_mail_told_of_by_select_alone_is_found() -> None:
    async with server() as running, mailbox(running, "INBOX", "Other") as box:
        running.store().create("Other")
        known = states(await pages(box))
        running.deliver("INBOX", mail(1))
        running.script.on("NOTIFY", silent=True)
        assert uids(await pages(box, known)) == [1]


# --- UIDNEXT (R-20) --------------------------------------------------------------------------------------------------


async def test_a_server_that_tells_no_uidnext_is_listed_by_what_is_there() -> None:
    async with server() as running:
        await fill(running, 3)
        running.folder().lies["UIDNEXT"] = None
        async with mailbox(running) as box:
            first = await pages(box)
            assert uids(first) == [1, 2, 3]
            assert first[-1].sync_state.endswith(":4")
            baseline = await box.baseline(INBOX, None)
            assert baseline.sync_state == first[-1].sync_state
        running.deliver("INBOX", mail(4))
        async with mailbox(running) as box:
            found = await pages(box, states(first))
            assert uids(found) == [4]
            assert not found[0].reset


async def test_a_uidnext_far_ahead_is_believed_after_a_second_look_and_not_asked_about_again() -> None:
    async with server() as running:
        await fill(running, 3)
        running.folder().uid_next = 420_000
        async with mailbox(running) as box:
            found = await pages(box)
            assert uids(found) == [1, 2, 3]
            assert found[-1].sync_state.endswith(":420000")
            assert [command.name for command in running.transcript][-2:] == ["NOOP", "UID SEARCH"]
        before = len(running.commands("SEARCH"))
        async with mailbox(running) as box:
            assert listings(await pages(box, states(found))) == []
        assert len(running.commands("SEARCH")) == before + 1


async def test_what_the_second_look_finds_is_listed_before_the_gap_is_believed() -> None:
    async with server() as running, mailbox(running) as box:
        await fill(running, 3)
        running.folder().lies["UIDNEXT"] = 500
        running.observe = lambda command: running.deliver("INBOX", mail(9)) if command.name == "NOOP" else None
        found = await pages(box)
        assert uids(found)[:4] == [1, 2, 3, 4]


async def test_a_uidnext_that_is_too_low_while_the_messages_are_there_is_no_reset() -> None:
    async with server() as running:
        await fill(running, 5)
        async with mailbox(running) as box:
            known = states(await pages(box))
        running.folder().lies["UIDNEXT"] = 2
        async with mailbox(running) as box:
            assert listings(await pages(box, known)) == []
        running.deliver("INBOX", mail(6))
        async with mailbox(running) as box:
            found = await pages(box, known)
            assert uids(found) == [6]
            assert not found[0].reset


async def test_numbers_that_begin_again_are_a_reset_with_names_of_their_own() -> None:
    async with server() as running:
        await fill(running, 5)
        async with mailbox(running) as box:
            first = await pages(box)
        folder = running.folder()
        folder.renumber(folder.uid_validity)
        folder.expunge([4, 5])
        folder.uid_next = 4
        running.deliver("INBOX", mail(77))
        async with mailbox(running) as box:
            found = await pages(box, states(first))
            assert uids(found) == [1, 2, 3, 4]
            assert all(page.reset for page in found)
            assert [one.message_id for one in listings(found)] == [f"{n}@example.com" for n in (0, 1, 2, 77)]
            assert not {one.unique_id for one in listings(found)} & {one.unique_id for one in listings(first)}
            (whole,) = await fetched(box, listings(found)[3:])
            assert whole.octets == mail(77)
        async with mailbox(running) as box:
            assert listings(await pages(box, states(found))) == []


# --- UIDVALIDITY (R-18, R-19) ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [1, -1])
async def test_another_uidvalidity_is_a_reset_with_what_identifies_the_messages(change: int) -> None:
    async with server() as running:
        await fill(running, 5)
        async with mailbox(running) as box:
            known = states(await pages(box))
        running.folder().renumber(running.folder().uid_validity + change, first_uid=50)
        running.deliver("INBOX", mail(9))
        async with mailbox(running) as box:
            found = await pages(box, known)
            assert uids(found) == [50, 51, 52, 53, 54, 55]
            assert all(page.reset for page in found)
            assert [one.message_id for one in listings(found)] == [f"{n}@example.com" for n in (0, 1, 2, 3, 4, 9)]
            assert all(one.size and one.received_at for one in listings(found))
            running.deliver("INBOX", mail(10))
            later = await pages(box, states(found))
            assert uids(later) == [56]
            assert not later[0].reset
            assert later[0].listings[0].message_id is None


async def test_a_reset_that_was_interrupted_goes_on_as_a_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_LISTINGS", 2)
    async with server() as running:
        await fill(running, 5)
        async with mailbox(running) as box:
            known = states(await pages(box))
        running.folder().renumber(running.folder().uid_validity + 1)
        async with mailbox(running) as box:
            first = (await pages(box, known))[0]
        running.deliver("INBOX", mail(9))
        async with mailbox(running) as box:
            found = await pages(box, {INBOX: first.sync_state})
            assert [(page.reset, len(page.listings)) for page in found] == [(True, 2), (True, 1), (False, 1)]


async def test_a_uidvalidity_that_flaps_is_a_reset_each_time_and_never_an_end() -> None:
    async with server() as running:
        await fill(running, 3)
        async with mailbox(running) as box:
            known = states(await pages(box))
        one = running.folder().uid_validity
        for number in range(6):
            running.folder().uid_validity = one + (number + 1) % 2
            async with mailbox(running) as box:
                found = await pages(box, known)
                assert uids(found) == [1, 2, 3]
                assert found[0].reset
                known = states(found)


async def test_an_unknown_uidvalidity_holds_the_folder_and_replays_nothing() -> None:
    async with server() as running:
        await fill(running, 3)
        async with mailbox(running) as box:
            known = states(await pages(box))
        for lie in (0, None):
            running.folder().lies["UIDVALIDITY"] = lie
            async with mailbox(running) as box:
                with pytest.raises(FolderMissing, match="UIDVALIDITY"):
                    await pages(box, known)
        running.folder().lies.clear()
        async with mailbox(running) as box:
            assert listings(await pages(box, known)) == []


async def test_a_server_that_never_had_a_uidvalidity_is_listed_by_its_numbers() -> None:
    async with server() as running:
        running.folder().lies["UIDVALIDITY"] = None
        await fill(running, 2)
        async with mailbox(running) as box:
            known = states(await pages(box))
        running.deliver("INBOX", mail(9))
        async with mailbox(running) as box:
            assert uids(await pages(box, known)) == [3]


async def test_a_uidvalidity_that_changes_under_an_open_session_ends_it() -> None:
    async with server() as running, mailbox(running) as box:
        await fill(running, 3)
        known = states(await pages(box))
        running.script.on("NOOP", before=b"* OK [UIDVALIDITY 99] changed\r\n")
        with pytest.raises(ConnectionLost, match="UIDVALIDITY"):
            await pages(box, known)


async def test_a_message_without_an_id_has_none_in_a_reset() -> None:
    async with server() as running:
        running.deliver("INBOX", b"Subject: no id\r\n\r\n")
        running.deliver("INBOX", b"Message-ID:\r\n <folded@example.com>\r\n\r\n")
        running.deliver("INBOX", b"Message-ID: <" + b"x" * 10_000 + b"@example.com>\r\n\r\n")
        async with mailbox(running) as box:
            found = listings(await pages(box, {INBOX: "1:1"}))
        assert found[0].message_id is None
        assert found[1].message_id == "folded@example.com"
        assert len(found) == 3


# --- where to begin --------------------------------------------------------------------------------------------------


async def test_from_now_on_means_what_comes_after_this() -> None:
    async with server() as running, mailbox(running) as box:
        await fill(running, 3)
        baseline = await box.baseline(INBOX, None)
        running.deliver("INBOX", mail(9))
        assert uids(await pages(box, {INBOX: baseline.sync_state})) == [4]


async def test_everything_needs_no_beginning() -> None:
    async with server() as running, mailbox(running) as box:
        baseline = await box.baseline(INBOX, 0)
        assert (baseline.sync_state, baseline.received_at) == (None, 0.0)


async def test_from_a_moment_on_begins_with_the_first_message_of_that_time() -> None:
    noon = float(calendar.timegm((2026, 3, 10, 12, 0, 0)))
    async with server() as running, mailbox(running) as box:
        for hours in (-72, -30, -2, -1, 0, 1, 48):
            running.deliver("INBOX", mail(hours), internal_date=noon + hours * 3600)
        baseline = await box.baseline(INBOX, noon)
        assert uids(await pages(box, {INBOX: baseline.sync_state})) == [5, 6, 7]
        later = await box.baseline(INBOX, noon + 10**6)
        assert listings(await pages(box, {INBOX: later.sync_state})) == []


# --- folders ---------------------------------------------------------------------------------------------------------

NAMES = ["Support Desk", 'The "quoted" one', "back\\slash", "Entwürfe & Co", "日本語", "{5}", "Deep/er/still", "😀"]


@pytest.mark.parametrize("literals", ["LITERAL+", "NO-LITERALS"])
async def test_folders_may_be_called_anything(literals: str) -> None:
    async with (
        server(capabilities=("IMAP4rev1", *([literals] if literals else []))) as running,
        mailbox(running, *NAMES) as box,
    ):
        for number, name in enumerate(NAMES):
            running.store().create(name)
            running.deliver(name, mail(number))
        found = await pages(box)
        assert [page.folder for page in found] == NAMES
        assert await pages(box, states(found)) != found


async def test_utf8_names_where_the_server_agreed() -> None:
    async with server(capabilities=("IMAP4rev1", "ENABLE", "UTF8=ACCEPT")) as running, mailbox(running, "Entwürfe") as box:
        running.store().create("Entwürfe")
        running.deliver("Entwürfe", mail(1))
        assert box.session.utf8
        assert uids(await pages(box)) == [1]


async def test_a_missing_folder_is_named_after_the_others_were_listed() -> None:
    async with server() as running, mailbox(running, "Missing", "INBOX", "Closed") as box:
        running.store().create("Closed").selectable = False
        await fill(running, 2)
        found = []

        async def read() -> None:
            async for page in box.pages({}):
                found.append(page)

        with pytest.raises(FolderMissing) as caught:
            await read()
        assert uids(found) == [1, 2]
        assert caught.value.folder == "Missing"
        assert caught.value.hint


async def test_a_folder_whose_name_cannot_be_sent_is_missing() -> None:
    async with server() as running, mailbox(running, "a\r\nL1 DELETE INBOX") as box:
        with pytest.raises(FolderMissing, match="control character"):
            await pages(box)
        assert b"DELETE" not in running.received()


async def test_a_missing_folder_is_not_asked_for_at_every_turn_and_found_when_it_comes() -> None:
    async with server() as running, mailbox(running, "INBOX", "Late", poll_interval=0.05) as box:
        for _ in range(3):
            with pytest.raises(FolderMissing):
                await pages(box)
        assert len([c for c in running.commands("SELECT") if b"Late" in c.line]) == 1
        running.store().create("Late")
        running.deliver("Late", mail(1))
        await box.session.listen(0.06)
        assert [page.folder for page in await pages(box)] == ["INBOX", "Late"]


async def test_other_folders_are_opened_only_when_their_status_changed() -> None:
    async with server() as running, mailbox(running, "INBOX", "Other") as box:
        running.store().create("Other")
        running.deliver("Other", mail(1))
        known = states(await pages(box))
        assert uids([page for page in await pages(box, known) if page.folder == "Other"]) == []
        before = len(running.commands("SELECT"))
        known |= states(await pages(box, known))
        assert len(running.commands("SELECT")) <= before + 2
        running.deliver("Other", mail(2))
        found = [page for page in await pages(box, known) if page.listings]
        assert [(page.folder, len(page.listings)) for page in found] == [("Other", 1)]


async def test_many_folders_are_asked_for_at_once() -> None:
    lines: list[tuple[str, bytes]] = []
    settings = ImapSettings(("INBOX", *NAMES))
    async with server() as running:
        for name in NAMES:
            running.store().create(name)
        box = await ImapMailbox.open(endpoint(running), password(), settings, trace=lambda *line: lines.append(line))
        known = states(await pages(box))
        running.deliver("日本語", mail(1))
        assert [page.folder for page in await pages(box, known) if page.listings] == ["日本語"]
        await box.close()
    directions = "".join(direction for direction, line in lines if b" STATUS " in line)
    assert directions == "C" * len(NAMES) + "S" * len(NAMES)


async def test_telling_another_folder_between_two_pages_does_not_mix_them_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_LISTINGS", 1)
    monkeypatch.setattr(listing, "DESCRIBED_AT_ONCE", 1)
    async with server() as running, mailbox(running, "INBOX", "Other") as box:
        running.store().create("Other")
        await fill(running, 3)
        await fill(running, 3, "Other")
        seen, before = [], []
        async for page in box.pages({}):
            seen.append((page.folder, *uids([page])))
            if before:
                await box.acknowledge(before)
            before = receipts([page])
        assert seen == [(Folder(name), uid) for name in ("INBOX", "Other") for uid in (1, 2, 3)]
        assert all("\\Seen" in m.flags for m in running.folder("INBOX").messages.values())


async def test_reading_only_changes_nothing() -> None:
    async with server() as running, mailbox(running, read_only=True) as box:
        await fill(running, 2)
        found = await pages(box)
        await fetched(box, listings(found))
        assert not await box.acknowledge(receipts(found))
        assert not running.commands("SELECT")
        assert not any(message.flags for message in running.folder().messages.values())
