"""A session's exchanges: bounds, pipelining, and that one left half-way ends the session."""

import asyncio
import base64

import pytest

from listener.errors import ConnectionLost
from listener.protocols.pop3 import session as session_module
from listener.protocols.pop3.grammar import Answer
from listener.protocols.pop3.session import WINDOW
from listener.protocols.pop3.sign_in import authenticate, connect
from tests.protocols.imap.dialogue import AWAIT, CLOSE, PASSWORD, USER, dialogue, password
from tests.protocols.pop3.box import endpoint, mail, server, serving, session, signed_in
from tests.virtual_clock import run_virtual

HELLO = (b"+OK hi\r\n", AWAIT, b"-ERR no CAPA\r\n")


async def messages(here, count, limit=1000):
    commands = [b"RETR %d" % n for n in range(1, count + 1)]
    return [one async for one in here.messages(commands, [limit] * count)]


async def test_dots_are_unstuffed_and_line_ends_made_whole():
    answer = b"+OK\r\n..\r\n...dots\r\nbare\nlast\r\n.\r\n"
    async with dialogue(*HELLO, AWAIT, answer) as far, session(far) as here:
        assert await messages(here, 1) == [b".\r\n..dots\r\nbare\r\nlast\r\n"]


async def test_a_refused_message_does_not_stop_the_next():
    answers = (AWAIT, b"-ERR damaged\r\n", AWAIT, b"+OK\r\nx\r\n.\r\n")
    async with dialogue(*HELLO, *answers) as far, session(far) as here:
        assert await messages(here, 2) == [Answer(False, "", "damaged"), b"x\r\n"]


async def test_a_message_longer_than_its_limit_ends_the_session():
    async with dialogue(*HELLO, AWAIT, b"+OK\r\n" + b"x" * 98 + b"\r\ny\r\n.\r\n") as far, session(far) as here:
        with pytest.raises(ConnectionLost, match="larger than it announced"):
            await messages(here, 1, limit=100)
        assert here.connection.lost


@pytest.mark.parametrize(
    ("answer", "bound"),
    [
        (b"+OK\r\n" + b"1 a\r\n" * 50 + b".\r\n", "MAX_LISTED"),
        (b"+OK\r\n" + b"x" * 100 + b"\r\n.\r\n", "MAX_LINE"),
        (b"+OK " + b"x" * 100 + b"\r\n", "MAX_STATUS"),
    ],
)
async def test_no_answer_is_longer_than_its_bound(answer, bound, monkeypatch):
    async with dialogue(*HELLO, AWAIT, answer) as far, session(far) as here:
        monkeypatch.setattr(session_module, bound, 30)
        with pytest.raises(ConnectionLost):
            await here.listing(b"UIDL")


@pytest.mark.parametrize("answer", [b"what?\r\n", b"\r\n", b"+ more\r\n", b"1 120\r\n"])
async def test_nonsense_for_a_status_line_ends_the_session(answer):
    async with dialogue(*HELLO, AWAIT, answer) as far, session(far) as here:
        with pytest.raises(ConnectionLost, match="does not speak POP3"):
            await here.ask(b"NOOP")
        assert here.connection.lost


async def test_capabilities_are_bounded(monkeypatch):
    lines = b"".join(b"X-%d\r\n" % n for n in range(1000))
    async with dialogue(b"+OK hi\r\n", AWAIT, b"+OK\r\n" + lines + b".\r\n") as far, session(far) as here:
        assert len(here.capabilities) == session_module.MAX_CAPABILITIES


@pytest.mark.parametrize(("offered", "ahead"), [(True, WINDOW), (False, 1)])
async def test_no_more_than_a_window_is_unanswered(offered, ahead):
    capa = b"+OK\r\nPIPELINING\r\n.\r\n" if offered else b"-ERR\r\n"
    async with dialogue(b"+OK hi\r\n", AWAIT, capa) as far, session(far) as here:
        reading = asyncio.create_task(messages(here, 3 * WINDOW))
        async with asyncio.timeout(5):
            while len(far.heard) < 1 + ahead:
                await asyncio.sleep(0)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(far.heard) == 1 + ahead
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


async def test_an_exchange_that_was_cancelled_ends_the_session():
    async with dialogue(*HELLO) as far, session(far) as here:
        asking = asyncio.create_task(here.ask(b"NOOP"))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        with pytest.raises(ConnectionLost):
            await here.ask(b"NOOP")
        assert not await here.quit()


async def test_messages_left_half_way_end_the_session():
    async with server(mail(1), mail(2)) as far, signed_in(far) as box:
        reading = box.session.messages([b"RETR 1", b"RETR 2"], [1000, 1000])
        await anext(reading)
        await reading.aclose()
        with pytest.raises(ConnectionLost):
            await box.session.ask(b"NOOP")


async def test_two_calls_at_once_are_refused():
    async with dialogue(*HELLO, AWAIT, b"+OK\r\n") as far, session(far) as here:
        first = asyncio.create_task(here.ask(b"NOOP"))
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="one call at a time"):
            await here.ask(b"NOOP")
        assert (await first).ok


@pytest.mark.parametrize(
    ("steps", "confirmed"),
    [
        ((b"+OK bye\r\n",), True),
        ((b"-ERR some deleted messages not removed\r\n",), False),
        ((b"+OK",), False),
        ((CLOSE,), False),
        ((b"nonsense\r\n",), False),
    ],
)
async def test_quit_is_confirmed_by_ok_alone(steps, confirmed):
    async with dialogue(*HELLO, AWAIT, *steps, CLOSE) as far, session(far) as here:
        assert await here.quit() is confirmed


def test_a_quit_without_an_answer_is_given_up():
    async def main(loop):
        async with dialogue(*HELLO) as far, session(far) as here:
            began = loop.time()
            assert not await here.quit()
            assert 29 <= loop.time() - began <= 31

    run_virtual(main)


def test_a_message_that_drips_is_given_up():
    """R-63: the server sends an octet a minute, and progress alone does not save it."""

    async def main(loop):
        async with server(mail(1, size=2000)) as far, signed_in(far) as box:
            far.script.on("RETR", trickle=60.0)
            began = loop.time()
            with pytest.raises(ConnectionLost):
                await messages(box.session, 1)
            assert loop.time() - began < 300

    run_virtual(main)


@pytest.mark.parametrize("mechanisms", [("PLAIN",), ()], ids=["auth plain", "user and pass"])
async def test_secrets_are_masked_in_a_trace(mechanisms):
    seen = []
    async with serving(mechanisms=mechanisms) as far:
        here = await connect(endpoint(far), trace=lambda direction, line: seen.append(line))
        await authenticate(here, password())
        await here.quit()
    assert b"QUIT" in seen
    assert PASSWORD.encode() not in b"".join(seen)
    assert base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()) not in seen
