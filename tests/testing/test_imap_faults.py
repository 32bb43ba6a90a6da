"""Each fault of the embedded IMAP server's script, seen octet by octet."""

import asyncio
import ssl

import pytest
import trustme

from listener.testing import ImapServer
from tests.testing.wire import raw_client

MAIL = b"Subject: hello\r\n\r\nworld\r\n"


@pytest.fixture
async def server():
    async with ImapServer() as running:
        running.deliver("INBOX", MAIL)
        yield running


async def test_a_reply_takes_the_place_of_the_command(server):
    server.script.on("STORE", reply="NO [UNAVAILABLE] later")
    async with raw_client(server) as client:
        assert await client.ask("UID STORE 1 +FLAGS (\\Seen)") == [b"t3 NO [UNAVAILABLE] later\r\n"]
    assert server.folder().messages[1].flags == set()


async def test_a_command_may_be_carried_out_and_yet_refused(server):
    server.script.on("STORE", reply="NO it failed, or so I say", execute=True)
    async with raw_client(server) as client:
        assert (await client.ask("UID STORE 1 +FLAGS.SILENT (\\Seen)"))[-1].startswith(b"t3 NO")
    assert server.folder().messages[1].flags == {"\\Seen"}


async def test_a_fault_strikes_as_often_as_asked_after_as_many_as_spared(server):
    rule = server.script.on("NOOP", reply="NO", skip=1, times=2)
    async with raw_client(server) as client:
        answers = [(await client.ask("NOOP"))[-1].split()[1] for _ in range(5)]
    assert answers == [b"OK", b"NO", b"NO", b"OK", b"OK"]
    assert rule.hits == 2


async def test_a_fault_may_be_for_some_commands_only_and_be_taken_back(server):
    rule = server.script.on("*", when=lambda command: b"BODY" in command.line, reply="BAD no bodies")
    async with raw_client(server) as client:
        assert b" OK " in (await client.ask("UID FETCH 1 UID"))[-1]
        assert b" BAD " in (await client.ask("UID FETCH 1 BODY.PEEK[]"))[-1]
        rule.remove()
        assert b" OK " in (await client.ask("UID FETCH 1 BODY.PEEK[TEXT]"))[-1]


async def test_octets_before_after_and_instead(server):
    server.script.on("NOOP", before=b"* BYE maybe\r\n", after=b"* 9 EXISTS\r\n", times=1)
    server.script.on("NOOP", instead=b"* 1 FETCH (UID 1 BODY[] {1073741824}\r\nabc")
    async with raw_client(server) as client:
        assert await client.ask("NOOP") == [b"* BYE maybe\r\n", b"t3 OK nothing done\r\n"]
        assert await client.line() == b"* 9 EXISTS\r\n"
        await client.write(b"x NOOP\r\n")
        assert await client.line() == b"* 1 FETCH (UID 1 BODY[] {1073741824}\r\n"
        assert await client.starts(3) == b"abc"


async def test_an_answer_may_be_rewritten(server):
    server.script.on("SEARCH", rewrite=lambda answer: answer.replace(b"SEARCH 1", b"SEARCH 3 0 1 1"))
    async with raw_client(server) as client:
        assert (await client.ask("UID SEARCH ALL"))[0] == b"* SEARCH 3 0 1 1\r\n"


async def test_an_answer_may_wait_for_the_test(server):
    go = asyncio.Event()
    server.script.on("NOOP", hold=go)
    async with raw_client(server) as client:
        asking = asyncio.create_task(client.ask("NOOP"))
        await server.until(lambda: server.commands("NOOP"))
        assert not asking.done()
        go.set()
        assert (await asking)[-1].endswith(b"OK nothing done\r\n")


async def test_silence_after_the_deed(server):
    server.script.on("STORE", silent=True)
    async with raw_client(server) as client:
        await client.write(b"x UID STORE 1 FLAGS.SILENT (\\Seen)\r\ny NOOP\r\n")
        await server.until(lambda: server.folder().messages[1].flags)
        assert client.has_nothing()
        assert not server.commands("NOOP")


@pytest.mark.parametrize(("close", "answer", "flags"), [("before", b"", set()), ("instead", b"", {"\\Seen"})])
async def test_closing_instead_of_an_answer(server, close, answer, flags):
    server.script.on("STORE", close=close)
    async with raw_client(server) as client:
        await client.write(b"x UID STORE 1 FLAGS.SILENT (\\Seen)\r\n")
        assert await client.rest() == answer
    assert server.folder().messages[1].flags == flags


async def test_closing_after_the_answer(server):
    server.script.on("NOOP", close="after")
    async with raw_client(server) as client:
        await client.write(b"x NOOP\r\n")
        assert await client.rest() == b"x OK nothing done\r\n"


async def test_closing_by_reset(server):
    server.script.on("NOOP", close="before", reset=True)
    async with raw_client(server) as client:
        await client.write(b"x NOOP\r\n")
        with pytest.raises(ConnectionResetError):
            await client.rest()


@pytest.mark.parametrize("k", [0, 1, 17, 30])
async def test_an_answer_is_cut_at_any_octet(server, k):
    whole = b"* 1 FETCH (UID 1 BODY[] {25}\r\n" + MAIL + b")\r\nx OK fetched\r\n"
    server.script.on("FETCH", cut=k)
    async with raw_client(server) as client:
        await client.write(b"x UID FETCH 1 BODY.PEEK[]\r\n")
        assert await client.rest() == whole[:k]


async def test_an_answer_stalls_in_the_middle_and_the_connection_stays(server):
    server.script.on("NOOP", stall=4)
    async with raw_client(server) as client:
        await client.write(b"x NOOP\r\ny NOOP\r\n")
        assert await client.starts(4) == b"x OK"
        assert client.has_nothing()
        assert server.counters.open == 1


async def test_an_answer_trickles(server):
    server.script.on("NOOP", trickle=0.0)
    async with raw_client(server) as client:
        assert await client.ask("NOOP") == [b"t3 OK nothing done\r\n"]


async def test_the_greeting_is_scripted_like_a_command(server):
    server.script.on("GREETING", instead=b"* BYE too many connections\r\n", close="after", times=1)
    async with raw_client(server, login=False) as client:
        assert await client.rest() == b"* BYE too many connections\r\n"
    async with raw_client(server, login=False) as client:
        assert (await client.line()).startswith(b"* OK ")


async def test_idle_may_be_closed_and_its_end_unanswered(server):
    server.script.on("IDLE", close="before", times=1)
    server.script.on("DONE", silent=True)
    async with raw_client(server) as client:
        await client.write(b"x IDLE\r\n")
        assert await client.rest() == b""
    async with raw_client(server) as client:
        await client.write(b"x IDLE\r\n")
        assert await client.line() == b"+ idling\r\n"
        await client.write(b"DONE\r\n")
        await server.until(lambda: server.commands("DONE"))
        assert client.has_nothing()


async def test_an_idle_that_is_never_told_anything(server):
    server.script.on("NOTIFY", silent=True)
    async with raw_client(server) as client:
        await client.write(b"x IDLE\r\n")
        await client.line()
        server.deliver("INBOX", MAIL)
        await client.write(b"DONE\r\n")
        assert await client.line() == b"x OK idle ended\r\n"


async def test_a_notification_may_be_rewritten_or_close(server):
    server.script.on("NOTIFY", rewrite=lambda told: b"* 0 RECENT\r\n" + told, times=1)
    server.script.on("NOTIFY", close="after")
    async with raw_client(server) as client:
        await client.write(b"x IDLE\r\n")
        await client.line()
        server.deliver("INBOX", MAIL)
        assert await client.line() == b"* 0 RECENT\r\n"
        assert await client.line() == b"* 2 EXISTS\r\n"
        server.deliver("INBOX", MAIL)
        assert await client.rest() == b"* 3 EXISTS\r\n"


async def test_a_frozen_server_says_nothing_to_anybody_until_it_thaws(server):
    async with raw_client(server) as client, raw_client(server, login=False) as late:
        await late.line()
        server.freeze()
        await client.write(b"x NOOP\r\n")
        await server.until(lambda: b"x NOOP" in server.received())
        async with raw_client(server, login=False) as newcomer:
            await server.until(lambda: server.counters.open == 3)
            assert client.has_nothing()
            assert newcomer.has_nothing()
            server.thaw()
            assert await client.line() == b"x OK nothing done\r\n"
            assert (await newcomer.line()).startswith(b"* OK ")


async def test_words_unasked_and_hanging_up_on_everybody(server):
    async with raw_client(server) as one, raw_client(server) as two:
        server.say(b"* BYE Session invalidated - AccessTokenExpired\r\n")
        server.disconnect()
        for client in (one, two):
            assert await client.rest() == b"* BYE Session invalidated - AccessTokenExpired\r\n"
    await server.until(lambda: server.counters.open == 0)


async def test_faults_are_forgotten_when_cleared(server):
    server.script.on("*", close="before")
    server.script.clear()
    async with raw_client(server) as client:
        assert b" OK " in (await client.ask("NOOP"))[-1]


# --- TLS -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def server_side(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    return context


@pytest.fixture(scope="module")
def client_side(authority):
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_implicit_tls(server_side, client_side):
    async with ImapServer(tls=server_side) as server, raw_client(server, ssl=client_side) as client:
        assert b" OK " in (await client.ask("NOOP"))[-1]
        assert server.transcript[-1].secure


async def test_starttls_changes_capabilities_and_forbids_itself(server_side, client_side):
    async with (
        ImapServer(starttls=server_side, login_needs_tls=True) as server,
        raw_client(server, login=False) as client,
    ):
        assert b"STARTTLS LOGINDISABLED" in await client.line()
        assert b"NO [PRIVACYREQUIRED]" in (await client.ask("LOGIN user password"))[-1]
        assert b" OK " in (await client.ask("STARTTLS"))[-1]
        await client.writer.start_tls(client_side, server_hostname="localhost")
        shown = (await client.ask("CAPABILITY"))[0]
        assert b"STARTTLS" not in shown
        assert b"AUTH=PLAIN" in shown
        assert b" OK " in (await client.ask("LOGIN user password"))[-1]
        assert [command.secure for command in server.commands("LOGIN")] == [False, True]


async def test_starttls_may_be_refused_by_script_and_then_stays_clear(server_side):
    async with ImapServer(starttls=server_side) as server, raw_client(server, login=False) as client:
        await client.line()
        server.script.on("STARTTLS", reply="NO not today")
        assert (await client.ask("STARTTLS"))[-1] == b"t1 NO not today\r\n"
        assert (await client.ask("NOOP"))[-1] == b"t2 OK nothing done\r\n"
