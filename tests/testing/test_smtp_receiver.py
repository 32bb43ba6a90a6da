"""The demo's SMTP server takes mail from ordinary clients and stands up to others (RFC 5321)."""

import asyncio
import smtplib
from contextlib import asynccontextmanager

import pytest

from listener.testing import SmtpReceiver
from listener.testing import smtp as module
from tests.testing.wire import RawClient


@asynccontextmanager
async def receiver(**options):
    got = []
    async with SmtpReceiver(got.append, **options) as running:
        running.got = got
        yield running


@asynccontextmanager
async def talking(server):
    reader, writer = await asyncio.open_connection(server.host, server.port)
    client = RawClient(reader, writer)
    try:
        assert (await client.line()).startswith(b"220 ")
        yield client
    finally:
        writer.transport.abort()


async def say(client, *lines):
    """The first three digits of each answer's last line."""
    codes = []
    for line in lines:
        await client.write(line + b"\r\n")
        answer = await client.line()
        while answer[3:4] == b"-":
            answer = await client.line()
        codes.append(int(answer[:3]))
    return codes


HELLO = (b"EHLO me", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.com>")


async def test_smtplib_sends_a_message():
    def send(port):
        with smtplib.SMTP("127.0.0.1", port) as client:
            return client.sendmail("a@example.com", ["b@example.com", "c@example.com"], b"Subject: hi\r\n\r\n.one\r\n..two\r\n")

    async with receiver() as server:
        assert await asyncio.to_thread(send, server.port) == {}
        (envelope,) = server.got
    assert (envelope.sender, envelope.recipients) == ("a@example.com", ("b@example.com", "c@example.com"))
    assert envelope.octets == b"Return-Path: <a@example.com>\r\nSubject: hi\r\n\r\n.one\r\n..two\r\n"


async def test_a_null_sender_is_taken_and_shown():
    async with receiver(now=lambda: "Mon, 2 Nov 2026 10:00:00 +0000") as server, talking(server) as client:
        assert await say(client, b"HELO me", b"MAIL FROM:<>", b"RCPT TO:<b@x>", b"DATA", b"\r\n.") == [250, 250, 250, 354, 250]
        assert server.got[0].octets.startswith(b"Return-Path: <>\r\nReceived: from [127.0.0.1]")


async def test_commands_out_of_turn_are_refused():
    lines = (b"MAIL FROM:<a@x>", b"EHLO me", b"RCPT TO:<b@x>", b"DATA", b"FLY", b"NOOP", b"VRFY b", b"QUIT")
    async with receiver() as server, talking(server) as client:
        codes = await say(client, *lines)
    assert codes == [503, 250, 503, 503, 500, 250, 252, 221]


@pytest.mark.parametrize("line", [b"MAIL a@x", b"MAIL TO:<a@x>", b"RCPT FROM:<a@x>", b"RCPT TO:<>", b"RCPT TO:<a b>"])
async def test_bad_addresses_are_refused(line):
    async with receiver() as server, talking(server) as client:
        assert (await say(client, b"EHLO me", b"MAIL FROM:<a@x>", line))[-1] == 501


async def test_reset_forgets_sender_and_recipients():
    async with receiver() as server, talking(server) as client:
        assert await say(client, *HELLO, b"RSET", b"DATA") == [250, 250, 250, 250, 503]


async def test_messages_over_the_limit_are_refused_announced_or_not_and_the_session_goes_on():
    async with receiver(max_message=1000) as server, talking(server) as client:
        assert (await say(client, b"EHLO me", b"MAIL FROM:<a@x> SIZE=1001"))[-1] == 552
        assert (await say(client, *HELLO, b"DATA", b"x" * 1001 + b"\r\n."))[-1] == 552
        assert (await say(client, *HELLO, b"DATA", b"x" * 998 + b"\r\n."))[-1] == 250
    assert len(server.got) == 1


async def test_a_dot_between_bare_line_feeds_does_not_end_a_message():
    async with receiver() as server, talking(server) as client:
        await say(client, *HELLO, b"DATA", b"one\n.\nMAIL FROM:<evil@x>\r\n.")
    assert [envelope.octets.partition(b"\r\n")[2] for envelope in server.got] == [b"one\n.\nMAIL FROM:<evil@x>\r\n"]


async def test_recipients_are_bounded():
    async with receiver() as server, talking(server) as client:
        await say(client, *HELLO[:2])
        codes = await say(client, *[b"RCPT TO:<b@x>"] * (module.MAX_RECIPIENTS + 1))
    assert codes == [250] * module.MAX_RECIPIENTS + [452]


async def test_endless_lines_and_endless_nonsense_end_the_session():
    async with receiver() as server:
        async with talking(server) as client:
            await client.write(b"x" * (module.MAX_LINE * 3))
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await client.line()
        async with talking(server) as client:
            assert set(await say(client, *[b"FLY"] * module.MAX_BAD_COMMANDS)) == {500}
            assert (await client.line()).startswith(b"421 ")
            assert await client.rest() == b""


async def test_silence_ends_the_session(monkeypatch):
    monkeypatch.setattr(module, "SILENCE", 0.01)
    async with receiver() as server, talking(server) as client:
        assert await client.rest() == b""


async def test_there_are_never_more_than_so_many_sessions(monkeypatch):
    monkeypatch.setattr(module, "MAX_SESSIONS", 1)
    async with receiver() as server, talking(server):
        reader, writer = await asyncio.open_connection(server.host, server.port)
        assert (await reader.read()).startswith(b"421 ")
        writer.close()
