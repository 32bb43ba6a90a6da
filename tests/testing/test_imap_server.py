"""The embedded IMAP server's own behaviour: what a well-meaning server says (RFC 9051)."""

import asyncio
import base64
from datetime import UTC, datetime

import pytest

from listener.testing import ImapServer
from tests.testing.wire import raw_client

MAIL = b"From: Ann <ann@example.com>\r\nSubject: hello\r\nDate: Mon, 2 Nov 2026 10:00:00 +0000\r\n\r\nworld\r\n"


@pytest.fixture
async def server():
    async with ImapServer() as running:
        yield running


async def test_the_greeting_shows_capabilities_and_login_changes_them(server):
    async with raw_client(server, login=False) as client:
        assert b"AUTH=PLAIN" in await client.line()
        (line,) = await client.ask("LOGIN user password")
        assert b"OK [CAPABILITY IMAP4rev1" in line
        assert b"AUTH=" not in line


async def test_a_wrong_password_is_refused_by_the_code_for_it(server):
    async with raw_client(server, login=False) as client:
        await client.line()
        assert b"NO [AUTHENTICATIONFAILED]" in (await client.ask("LOGIN user wrong"))[-1]
    assert server.counters.refused_logins == 1
    assert server.counters.logins == 0


async def test_select_reports_what_a_client_must_know(server):
    server.deliver("INBOX", MAIL)
    async with raw_client(server, select="") as client:
        answer = b"".join(await client.ask("SELECT inbox"))
    folder = server.folder()
    assert b"* 1 EXISTS" in answer
    assert b"[UIDVALIDITY %d]" % folder.uid_validity in answer
    assert b"[UIDNEXT 2]" in answer
    assert b"OK [READ-WRITE]" in answer


async def test_fetch_brings_the_octets_as_they_were_given(server):
    octets = b"Subject: odd\n\n\x00\xff lone LF, NUL and eight bits \r\r\n"
    server.deliver("INBOX", octets)
    async with raw_client(server) as client:
        await client.write(b"x UID FETCH 1 BODY.PEEK[]\r\n")
        assert await client.line() == b"* 1 FETCH (UID 1 BODY[] {%d}\r\n" % len(octets)
        assert await client.starts(len(octets)) == octets
    assert server.folder().messages[1].flags == set()


async def test_fetching_a_body_without_peek_marks_it_seen_and_says_so(server):
    server.deliver("INBOX", MAIL)
    async with raw_client(server) as client:
        answer = b"".join(await client.ask("FETCH 1 BODY[TEXT]"))
    assert b"BODY[TEXT] {7}\r\nworld\r\n FLAGS (\\Seen))" in answer
    assert server.folder().messages[1].flags == {"\\Seen"}


async def test_a_read_only_folder_is_never_changed(server):
    server.deliver("INBOX", MAIL)
    async with raw_client(server, select="") as client:
        assert b"[READ-ONLY]" in (await client.ask("EXAMINE INBOX"))[-1]
        await client.ask("FETCH 1 BODY[]")
        for command in ("STORE 1 +FLAGS (\\Seen)", "UID MOVE 1 INBOX", "EXPUNGE"):
            assert b"NO [READ-ONLY]" in (await client.ask(command))[-1]
    assert server.folder().messages[1].flags == set()


async def test_uid_ranges_with_a_star_beyond_the_end_name_the_last_message(server):
    for _ in range(3):
        server.deliver("INBOX", MAIL)
    async with raw_client(server) as client:
        assert (await client.ask("UID FETCH 9:* (UID)"))[0] == b"* 3 FETCH (UID 3)\r\n"
        assert (await client.ask("UID SEARCH UID 9:*"))[0] == b"* SEARCH 3\r\n"


async def test_new_mail_is_told_while_idling_and_the_done_is_answered(server):
    async with raw_client(server) as client:
        await client.write(b"i IDLE\r\n")
        assert await client.line() == b"+ idling\r\n"
        server.deliver("INBOX", MAIL)
        assert await client.line() == b"* 1 EXISTS\r\n"
        server.folder().set_flags(1, {"\\Flagged"})
        assert await client.line() == b"* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\n"
        server.folder().expunge([1])
        assert await client.line() == b"* 1 EXPUNGE\r\n"
        await client.write(b"DONE\r\n")
        assert await client.line() == b"i OK idle ended\r\n"


async def test_changes_by_others_are_told_with_the_next_answer_and_never_shift_numbers_within_one(server):
    for _ in range(3):
        server.deliver("INBOX", MAIL)
    async with raw_client(server) as client:
        server.folder().expunge([1])
        server.deliver("INBOX", MAIL)
        assert await client.ask("FETCH 1:3 UID") == [
            b"* 2 FETCH (UID 2)\r\n",
            b"* 3 FETCH (UID 3)\r\n",
            b"* 4 EXISTS\r\n",
            b"t3 OK fetched\r\n",
        ]
        assert await client.ask("NOOP") == [b"* 1 EXPUNGE\r\n", b"t4 OK nothing done\r\n"]
        assert (await client.ask("FETCH 1:3 UID"))[-2] == b"* 3 FETCH (UID 4)\r\n"


async def test_store_changes_flags_in_the_three_ways(server):
    server.deliver("INBOX", MAIL, flags={"\\Seen"})
    async with raw_client(server) as client:
        assert (await client.ask("UID STORE 1 +FLAGS (\\Flagged)"))[0] == b"* 1 FETCH (UID 1 FLAGS (\\Flagged \\Seen))\r\n"
        assert len(await client.ask("UID STORE 1 -FLAGS.SILENT (\\Seen)")) == 1
        assert server.folder().messages[1].flags == {"\\Flagged"}
        await client.ask("STORE 1 FLAGS (\\Answered $Custom)")
        assert server.folder().messages[1].flags == {"\\Answered", "$Custom"}


async def test_move_says_where_the_messages_went(server):
    server.store().create("Done")
    for _ in range(3):
        server.deliver("INBOX", MAIL)
    async with raw_client(server) as client:
        assert await client.ask("UID MOVE 1,3 Done") == [
            b"* OK [COPYUID %d 1,3 1:2] moved\r\n" % server.folder("Done").uid_validity,
            b"* 1 EXPUNGE\r\n",
            b"* 2 EXPUNGE\r\n",
            b"t3 OK moved\r\n",
        ]
    assert list(server.folder().messages) == [2]
    assert list(server.folder("Done").messages) == [1, 2]


async def test_copying_into_a_folder_that_is_not_there_says_so(server):
    server.deliver("INBOX", MAIL)
    async with raw_client(server) as client:
        assert b"NO [TRYCREATE]" in (await client.ask("UID COPY 1 Nowhere"))[-1]
        assert b"NO [TRYCREATE]" in (await client.ask("UID MOVE 1 Nowhere"))[-1]
        assert b"NO [NONEXISTENT]" in (await client.ask("SELECT Nowhere"))[-1]


async def test_uid_expunge_removes_only_what_is_named_and_deleted(server):
    for flags in ({"\\Deleted"}, set(), {"\\Deleted"}):
        server.deliver("INBOX", MAIL, flags=flags)
    async with raw_client(server) as client:
        await client.ask("UID EXPUNGE 1:2")
        assert list(server.folder().messages) == [2, 3]
        await client.ask("EXPUNGE")
        assert list(server.folder().messages) == [2]


async def test_append_takes_a_literal_with_flags_and_date(server):
    async with raw_client(server) as client:
        await client.write(b'a APPEND INBOX (\\Seen) "02-Nov-2026 10:00:00 +0100" {5}\r\n')
        assert (await client.line()).startswith(b"+ ")
        await client.write(b"a\r\n\r\n\r\n")
        assert await client.line() == b"* 1 EXISTS\r\n"
        assert b"OK [APPENDUID" in await client.line()
        assert (await client.ask("FETCH 1 INTERNALDATE"))[0] == b'* 1 FETCH (INTERNALDATE " 2-Nov-2026 09:00:00 +0000")\r\n'
    assert server.folder().messages[1].octets == b"a\r\n\r\n"


@pytest.mark.parametrize("name", ["two words", 'a "quoted" one', "back\\slash", "Entwürfe", "日本語", "a & b", "deep/er"])
async def test_folder_names_of_every_kind_are_found_under_the_name_that_list_gave(server, name):
    server.store().create(name)
    server.deliver(name, MAIL)
    async with raw_client(server, select="") as client:
        listed = (await client.ask('LIST "" "*"'))[:-1]
        wire = next(line for line in listed if b"INBOX" not in line).split(b'"/" ', 1)[1].strip()
        assert b"* 1 EXISTS\r\n" in await client.ask(b"SELECT " + wire)


async def test_folder_names_are_utf8_once_rev2_is_enabled(server):
    server.store().create("Entwürfe")
    async with raw_client(server, select="") as client:
        assert b"* ENABLED IMAP4REV2\r\n" in await client.ask("ENABLE IMAP4rev2")
        assert '* LIST () "/" "Entwürfe"\r\n'.encode() in await client.ask('LIST "" "*"')


async def test_folder_names_are_utf8_on_a_server_of_rev2_only():
    async with ImapServer(capabilities=["IMAP4rev2"]) as server, raw_client(server, select="") as client:
        server.store().create("Entwürfe")
        assert b"* 0 EXISTS\r\n" in await client.ask('SELECT "Entwürfe"')


async def test_the_wildcards_of_list_stop_at_the_delimiter_or_not(server):
    for name in ("work", "work/a", "work/a/b"):
        server.store().create(name)
    async with raw_client(server, select="") as client:
        assert len(await client.ask('LIST "" "work/%"')) == 2
        assert len(await client.ask('LIST "" "work/*"')) == 3
        assert len(await client.ask('LIST "work/" "*"')) == 3


async def test_status_and_what_it_may_lie_about(server):
    server.deliver("INBOX", MAIL)
    server.folder().lies = {"UIDNEXT": None, "UIDVALIDITY": 0}
    async with raw_client(server, select="") as client:
        status = (await client.ask("STATUS INBOX (MESSAGES UIDNEXT UIDVALIDITY UNSEEN)"))[0]
        assert status == b'* STATUS "INBOX" (MESSAGES 1 UIDVALIDITY 0 UNSEEN 1)\r\n'
        opening = b"".join(await client.ask("SELECT INBOX"))
    assert b"UIDNEXT" not in opening
    assert b"[UIDVALIDITY 0]" in opening


async def test_a_folder_that_is_listed_may_refuse_to_open(server):
    server.store().create("Phantom").selectable = False
    async with raw_client(server, select="") as client:
        assert any(b"Phantom" in line for line in await client.ask('LIST "" "*"'))
        assert b" NO " in (await client.ask("SELECT Phantom"))[-1]


async def test_renumbering_keeps_the_messages_under_new_ids(server):
    server.deliver("INBOX", MAIL)
    server.deliver("INBOX", MAIL + b"2")
    server.folder().expunge([1])
    server.folder().renumber(uid_validity=77)
    async with raw_client(server) as client:
        assert (await client.ask("UID SEARCH ALL"))[0] == b"* SEARCH 1\r\n"
    assert server.folder().messages[1].octets == MAIL + b"2"


async def test_sasl_plain_with_and_without_an_initial_response(server):
    response = base64.b64encode(b"\0user\0password")
    async with raw_client(server, login=False) as client:
        await client.line()
        assert b" OK " in (await client.ask(b"AUTHENTICATE PLAIN " + response))[-1]
    async with raw_client(server, login=False) as client:
        await client.line()
        await client.write(b"a AUTHENTICATE PLAIN\r\n")
        assert await client.line() == b"+ \r\n"
        await client.write(response + b"\r\n")
        assert (await client.line()).startswith(b"a OK ")


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        ("XOAUTH2", "user=u@x\1auth=Bearer {}\1\1"),
        ("OAUTHBEARER", "n,a=u@x,\1host=h\1port=143\1auth=Bearer {}\1\1"),
        ("OAUTHBEARER", "n,a=u@x,\1auth=Bearer {}\1\1"),
    ],
)
async def test_oauth_tokens_are_taken_or_refused_by_a_challenge_first(mechanism, response):
    async with ImapServer(users={}, tokens={"u@x": "good"}) as server:
        async with raw_client(server, login=False) as client:
            await client.line()
            good = base64.b64encode(response.format("good").encode()).decode()
            assert b" OK " in (await client.ask(f"AUTHENTICATE {mechanism} {good}"))[-1]
        async with raw_client(server, login=False) as client:
            await client.line()
            bad = base64.b64encode(response.format("stale").encode()).decode()
            await client.write(f"a AUTHENTICATE {mechanism} {bad}\r\n".encode())
            challenge = await client.line()
            assert b'"status": "400"' in base64.b64decode(challenge.removeprefix(b"+ "))
            await client.write(b"\r\n")
            assert b"a NO [AUTHENTICATIONFAILED]" in await client.line()


async def test_hidden_capabilities_are_neither_shown_nor_served(server):
    server.hidden |= {"IDLE", "MOVE"}
    server.deliver("INBOX", MAIL)
    async with raw_client(server) as client:
        shown = (await client.ask("CAPABILITY"))[0]
        assert b"IDLE" not in shown
        assert b"MOVE" not in shown
        for command in ("IDLE", "UID MOVE 1 INBOX", "MOVE 1 INBOX"):
            assert b"BAD unknown command" in (await client.ask(command))[-1]


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("ALL", "1 2 3"),
        ("2:*", "2 3"),
        ("UID 11,13", "1 3"),
        ("UNSEEN", "1 3"),
        ("SEEN", "2"),
        ("NOT SEEN", "1 3"),
        ("KEYWORD $Junk", "3"),
        ("OR SEEN KEYWORD $Junk", "2 3"),
        ("(SEEN) 1:3", "2"),
        ("SINCE 2-Nov-2026", "2 3"),
        ("BEFORE 2-Nov-2026", "1"),
        ("ON 3-Nov-2026", "3"),
        ("SENTSINCE 2-Nov-2026", "1 2 3"),
        ("SUBJECT HELLO", "1 2 3"),
        ("FROM nobody", ""),
        ('HEADER Subject ""', "1 2 3"),
        ("BODY three", "3"),
        ("LARGER 0 SMALLER 1000", "1 2 3"),
        ("MODSEQ 4", "3"),
        ("CHARSET UTF-8 SEEN", "2"),
    ],
)
async def test_search_keys(server, key, found):
    server.folder().uid_next = 11
    for day, flags, more in ((1, set(), b"one"), (2, {"\\Seen"}, b"two"), (3, {"$Junk"}, b"three")):
        date = datetime(2026, 11, day, 12, tzinfo=UTC).timestamp()
        server.deliver("INBOX", MAIL + more, flags=flags, internal_date=date)
    async with raw_client(server) as client:
        assert (await client.ask(f"SEARCH {key}"))[0].decode().split()[2:] == found.split()


async def test_an_unknown_charset_is_refused(server):
    async with raw_client(server) as client:
        assert b"NO [BADCHARSET" in (await client.ask("UID SEARCH CHARSET KOI8-R ALL"))[-1]


async def test_esearch_answers_when_asked_by_return(server):
    for _ in range(4):
        server.deliver("INBOX", MAIL)
    async with raw_client(server) as client:
        lines = await client.ask("UID SEARCH RETURN (MIN MAX COUNT ALL) UID 2:4")
        assert lines[0] == b'* ESEARCH (TAG "t3") UID MIN 2 MAX 4 ALL 2:4 COUNT 3\r\n'


@pytest.mark.parametrize(
    "command",
    [
        "UID FETCH 0 UID",
        "UID FETCH x UID",
        "FETCH 9 UID",
        "FETCH 1 BODY[",
        "FETCH 1 NONSENSE",
        "FETCH 1 (UID",
        'SEARCH SUBJECT "x',
        "SEARCH SINCE tomorrow",
        "SEARCH " + "NOT " * 100 + "ALL",
        "SEARCH " + "(" * 100 + "ALL" + ")" * 100,
        "STORE 1 FLAGS",
        "APPEND INBOX",
        "STATUS INBOX (WEIGHT)",
        "LOGIN user",
        "FLY",
    ],
)
async def test_nonsense_is_bad_and_the_conversation_goes_on(server, command):
    server.deliver("INBOX", MAIL)
    async with raw_client(server) as client:
        await client.write(f"x {command}\r\n".encode())
        assert b" BAD " in await client.line()
        assert (await client.ask("NOOP"))[-1].endswith(b"OK nothing done\r\n")


async def test_a_stranger_may_not_send_endless_literals(server):
    async with raw_client(server, login=False) as client:
        await client.line()
        await client.write(b"a LOGIN user {99999999}\r\n")
        assert await client.rest() == b"* BYE literal too large\r\n"


async def test_one_mailbox_each_for_several_users():
    async with ImapServer(users={"ann": "a", "bob": "b"}) as server:
        server.deliver("INBOX", MAIL, user="bob")
        for user, password, count in (("ann", "a", 0), ("bob", "b", 1)):
            async with raw_client(server, login=False) as client:
                await client.line()
                await client.ask(f"LOGIN {user} {password}")
                assert b"* %d EXISTS\r\n" % count in await client.ask("SELECT INBOX")


async def test_what_was_heard_and_counted(server):
    heard = []
    server.observe = lambda command: heard.append(command.name)
    server.deliver("INBOX", MAIL)
    async with raw_client(server) as one, raw_client(server, select=""):
        await one.ask("UID FETCH 1 UID")
        assert server.counters.open == 2
    await server.until(lambda: server.counters.open == 0)
    assert heard == ["LOGIN", "SELECT", "LOGIN", "UID FETCH"]
    assert [command.line for command in server.commands("FETCH")] == [b"t3 UID FETCH 1 UID"]
    assert b"LOGIN user password" in server.received()
    assert (server.counters.connections, server.counters.most_open, server.counters.logins) == (2, 2, 2)


async def test_it_listens_again_on_the_same_port_after_a_stop(server):
    port = server.port
    await server.stop()
    with pytest.raises(OSError):
        await asyncio.open_connection(server.host, port)
    await server.start()
    async with raw_client(server) as client:
        assert (await client.ask("NOOP"))[-1].endswith(b"OK nothing done\r\n")
    assert server.port == port
