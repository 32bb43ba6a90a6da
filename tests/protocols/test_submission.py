"""Handing a message over: how far it came decides whether it may be sent again (R-42)."""

import asyncio

import pytest

from listener.protocols import smtp, submission
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.submission import Ended, submit
from listener.testing import SmtpReceiver

MAIL = b"Subject: hi\r\n\r\n.one\r\n..two\r\n"


@pytest.fixture
async def server():
    got = []
    async with SmtpReceiver(got.append) as running:
        running.got = got
        yield running


async def session(server):
    return await smtp.connect(Endpoint(server.host, server.port, security=Security.NONE, section="sender"))


async def send(server, sender="us@example.com", client=None, octets=MAIL):
    own = client is None
    client = client or await session(server)
    result = await submit(client, sender, "you@example.net", octets)
    if result.broken:
        client.close()
    elif own:
        await smtp.leave(client)
    return result


async def test_a_message_is_taken_octet_for_octet(server):
    result = await send(server, sender="")
    assert (result.ended, result.stage) == (Ended.TAKEN, "end")
    (envelope,) = server.got
    assert (envelope.sender, envelope.recipients) == ("", ("you@example.net",))
    assert envelope.octets.endswith(MAIL)


async def test_several_messages_go_in_one_session_whatever_became_of_the_others(server):
    server.script.on("rcpt", answer="550 5.1.1 nobody here", times=1)
    server.script.on("text", answer="451 4.3.0 not now", times=1)
    client = await session(server)
    results = [await send(server, client=client) for _ in range(3)]
    await smtp.leave(client)
    assert [result.ended for result in results] == [Ended.REFUSED, Ended.LATER, Ended.TAKEN]
    assert not any(result.broken for result in results)
    assert len(server.got) == 1


@pytest.mark.parametrize("step", ["mail", "rcpt", "data", "text"])
@pytest.mark.parametrize(("answer", "ended"), [("452 4.2.2 later", Ended.LATER), ("554 5.7.1 never", Ended.REFUSED)])
async def test_an_answer_means_the_same_at_every_step(server, step, answer, ended):
    server.script.on(step, answer=answer)
    result = await send(server)
    assert (result.ended, result.said, result.broken) == (ended, answer, False)
    assert server.got == []


@pytest.mark.parametrize("step", ["mail", "rcpt", "data"])
async def test_a_connection_lost_before_the_final_dot_has_sent_nothing(server, step):
    server.script.on(step, close="before")
    result = await send(server)
    assert (result.ended, result.broken, result.said) == (Ended.LATER, True, f"the connection broke at {step.upper()}")


@pytest.mark.parametrize(("close", "arrived"), [("before", 0), ("instead", 1)])
async def test_a_connection_lost_after_the_final_dot_leaves_it_unknown(server, close, arrived):
    server.script.on("text", close=close)
    result = await send(server)
    assert (result.ended, result.broken) == (Ended.UNKNOWN, True)
    assert len(server.got) == arrived


async def test_a_server_that_says_nothing_after_the_final_dot_leaves_it_unknown(server, monkeypatch):
    monkeypatch.setattr(submission, "END_SECONDS", 0.05)
    server.script.on("text", hold=asyncio.Event())
    result = await send(server)
    assert (result.ended, result.said) == (Ended.UNKNOWN, "the server did not answer after the message was sent")


async def test_a_421_ends_the_session(server):
    server.script.on("mail", answer="421 4.3.2 going down")
    result = await send(server)
    assert (result.ended, result.broken) == (Ended.LATER, True)


@pytest.mark.parametrize(
    ("step", "answer", "meant"),
    [
        ("mail", "501 5.1.7 invalid sender", True),
        ("text", "554 5.7.60 not allowed to send as this sender", True),
        ("text", "554 5.7.1 spam", False),
        ("mail", "451 4.7.1 greylisted", False),
    ],
)
async def test_a_refused_empty_sender_is_told_from_other_refusals(server, step, answer, meant):
    server.script.on(step, answer=answer)
    assert (await send(server, sender="")).null_sender_refused is meant


@pytest.mark.parametrize("hostile", ["a@x>\r\nRCPT TO:<b@x", "ä@example.com", "a@x\0"])
async def test_no_address_can_become_a_command_of_its_own(server, hostile):
    result = await send(server, sender=hostile)
    assert result.ended is Ended.LATER
    assert server.got == []


async def test_a_message_without_a_last_line_end_gets_one(server):
    await send(server, octets=b"Subject: hi\r\n\r\nlast")
    assert server.got[0].octets.endswith(b"\r\nlast\r\n")
