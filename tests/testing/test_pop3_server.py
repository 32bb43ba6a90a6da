"""The embedded POP3 server on the wire: sign-in in steps, locks, delays, pipelining, lies and faults."""

import base64
from contextlib import asynccontextmanager

import pytest

from listener.testing import Pop3Server
from tests.testing.wire import raw_client

MAIL = b"Subject: x\r\n\r\none\r\n.two\r\n"


@pytest.fixture
async def server():
    async with Pop3Server(tokens={"token user": "t0ken"}) as running:
        running.deliver("INBOX", MAIL)
        running.deliver("INBOX", MAIL)
        yield running


@asynccontextmanager
async def client(server, *, sign_in=True):
    async with raw_client(server, login=False) as raw:
        assert (await raw.line()).startswith(b"+OK")
        if sign_in:
            for line in (b"USER user\r\n", b"PASS password\r\n"):
                await raw.write(line)
                assert (await raw.line()).startswith(b"+OK")
        yield raw


async def ask(raw, line, lines=1):
    await raw.write(line + b"\r\n")
    return b"".join([await raw.line() for _ in range(lines)])


async def test_plain_in_two_steps_and_in_one(server):
    response = base64.b64encode(b"\0user\0password")
    async with client(server, sign_in=False) as raw:
        assert await ask(raw, b"AUTH PLAIN") == b"+ \r\n"
        assert (await ask(raw, response)).startswith(b"+OK")
        await ask(raw, b"QUIT")
    async with client(server, sign_in=False) as raw:
        assert (await ask(raw, b"AUTH PLAIN " + response)).startswith(b"+OK")


@pytest.mark.parametrize(
    ("mechanism", "response"),
    [
        (b"XOAUTH2", b"user=token user\x01auth=Bearer %b\x01\x01"),
        (b"OAUTHBEARER", b"n,a=token user,\x01host=h\x01port=110\x01auth=Bearer %b\x01\x01"),
    ],
)
async def test_tokens_and_the_error_challenge(server, mechanism, response):
    async with client(server, sign_in=False) as raw:
        assert await ask(raw, b"AUTH " + mechanism) == b"+ \r\n"
        challenge = await ask(raw, base64.b64encode(response % b"wrong"))
        assert base64.b64decode(challenge[2:]).startswith(b'{"status": "400"')
        assert (await ask(raw, b"")).startswith(b"-ERR [AUTH]")
        await ask(raw, b"AUTH " + mechanism)
        assert (await ask(raw, base64.b64encode(response % b"t0ken"))).startswith(b"+OK")
    assert (server.counters.logins, server.counters.refused_logins) == (1, 1)


async def test_the_lock_goes_with_the_connection(server):
    async with client(server), client(server, sign_in=False) as second:
        await ask(second, b"USER user")
        assert (await ask(second, b"PASS password")).startswith(b"-ERR [IN-USE]")
    await server.until(lambda: not server.locked)


async def test_signing_in_too_soon_is_refused():
    clock = [1000.0]
    async with Pop3Server(login_delay=60, now=lambda: clock[0]) as server:
        async with client(server) as raw:
            assert b"LOGIN-DELAY 60" in await ask(raw, b"CAPA", 9)
            await ask(raw, b"QUIT")
        async with client(server, sign_in=False) as raw:
            await ask(raw, b"USER user")
            assert (await ask(raw, b"PASS password")).startswith(b"-ERR [LOGIN-DELAY]")
        clock[0] += 60
        async with client(server):
            assert server.counters.logins == 2


async def test_commands_may_be_sent_ahead(server):
    async with client(server) as raw:
        await raw.write(b"STAT\r\nDELE 1\r\nSTAT\r\nRSET\r\nSTAT\r\n")
        answers = [await raw.line() for _ in range(5)]
    assert [answer.split()[1] for answer in answers[::2]] == [b"2", b"1", b"2"]


async def test_a_session_does_not_see_what_arrives_during_it(server):
    async with client(server) as raw:
        server.deliver("INBOX", MAIL)
        assert (await ask(raw, b"STAT")).startswith(b"+OK 2 ")


async def test_dots_are_stuffed_and_bare_line_feeds_completed(server):
    server.deliver("INBOX", b".first\nlast")
    async with client(server) as raw:
        assert await ask(raw, b"RETR 3", 4) == b"+OK 14 octets\r\n..first\r\nlast\r\n.\r\n"


async def test_lies_about_ids_and_sizes(server):
    server.uidls.update({1: b"", 2: None})
    server.sizes.update({1: 7, 2: None})
    async with client(server) as raw:
        assert await ask(raw, b"UIDL", 3) == b"+OK\r\n1 \r\n.\r\n"
        assert await ask(raw, b"LIST", 3) == b"+OK\r\n1 7\r\n.\r\n"


@pytest.mark.parametrize("command", [b"UIDL", b"TOP 1 0", b"CAPA"])
async def test_what_is_hidden_is_unknown(server, command):
    server.hidden.add(command.split()[0].decode())
    async with client(server) as raw:
        assert await ask(raw, command) == b"-ERR unknown command\r\n"


async def test_faults_strike_as_in_imap(server):
    server.script.on("RETR", cut=9)
    server.script.on("NOOP", reply="-ERR [SYS/TEMP] not now", times=1)
    async with client(server) as raw:
        assert await ask(raw, b"NOOP") == b"-ERR [SYS/TEMP] not now\r\n"
        assert await ask(raw, b"NOOP") == b"+OK\r\n"
        await raw.write(b"RETR 1\r\n")
        assert len(await raw.rest()) == 9


async def test_an_answer_without_end_goes_on_until_the_client_leaves(server):
    server.script.on("RETR", instead=b"+OK\r\n", endless=b"more\r\n")
    async with client(server) as raw:
        assert await ask(raw, b"RETR 1", 1000) == b"+OK\r\n" + b"more\r\n" * 999
    await server.until(lambda: not server.counters.open)


async def test_quit_deletes_even_when_its_answer_never_comes(server):
    server.script.on("QUIT", close="instead")
    async with client(server) as raw:
        await ask(raw, b"DELE 1")
        await raw.write(b"QUIT\r\n")
        assert await raw.rest() == b""
    assert len(server.folder().messages) == 1


async def test_nonsense_is_heard_only_so_often(server):
    async with client(server, sign_in=False) as raw:
        await raw.write(b"HELO\r\n" * 30)
        assert (await raw.rest()).count(b"-ERR") == 20
