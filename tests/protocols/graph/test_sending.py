"""Sending by draft, immutable id and a look: whatever breaks where, exactly one message leaves (R-43)."""

import pytest

from listener.errors import AccountFailure, ConnectionLost, PermanentFailure, ServerUnavailable, Throttled
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.graph.sending import MAX_DRAFT, GraphSender, Outcome
from tests.protocols.graph.desk import USER, graph, mail, token


async def opened(server):
    return await GraphSender.open(Endpoint(server.host, server.port, Security.NONE, section="sender"), USER, token)


async def deliver(server, octets, kept=None):
    """What an outbox does in one attempt; `kept` is its durable note of the draft's id."""
    kept = {} if kept is None else kept
    sender = await opened(server)
    try:
        if "id" not in kept:
            kept["id"] = await sender.find("1@example.com") or await sender.draft(octets)
        return await sender.send(kept["id"])
    finally:
        await sender.close()


def sent(server):
    return server.mailbox().sent


async def test_a_message_leaves_octet_for_octet_and_lies_in_sent_items():
    async with graph() as server:
        assert await deliver(server, mail(1)) is Outcome.SENT
        assert sent(server) == [mail(1)]
        assert [m.octets for m in server.store()["Sent Items"].messages.values()] == [mail(1)]
        assert not server.store()["Drafts"].messages


FAULTS = [
    ("create", {"close": "before"}),
    ("create", {"close": "instead"}),
    ("create", {"cut": 20}),
    ("message", {"close": "before"}),
    ("message", {"close": "instead"}),
    ("send", {"close": "before"}),
    ("send", {"close": "instead"}),
    ("send", {"status": 504}),
    ("send", {"status": 504, "execute": True}),
    ("send", {"status": 503, "headers": {"Retry-After": "1"}}),
    ("send", {"status": 429, "headers": {"Retry-After": "1"}}),
]


@pytest.mark.parametrize(("name", "fault"), FAULTS, ids=str)
@pytest.mark.parametrize("forgets", [False, True])
async def test_after_a_fault_at_any_step_the_next_attempt_makes_exactly_one(name, fault, forgets):
    async with graph() as server:
        server.script.on(
            name, times=2 if name == "message" else 1, **fault
        )  # aiohttp asks a second time by itself where that is safe
        kept = {}
        with pytest.raises((ConnectionLost, Throttled, ServerUnavailable)):
            await deliver(server, mail(1), kept)
        if forgets:
            kept.clear()
        assert await deliver(server, mail(1), kept) is Outcome.SENT
        assert sent(server) == [mail(1)]


async def test_sending_again_what_has_left_sends_nothing():
    async with graph() as server:
        kept = {}
        await deliver(server, mail(1), kept)
        assert await deliver(server, mail(1), kept) is Outcome.SENT
        assert len(server.asked("send")) == 1


async def test_a_draft_that_somebody_deleted_is_gone_and_not_made_again():
    async with graph() as server:
        sender = await opened(server)
        draft = await sender.draft(mail(1))
        server.store()["Drafts"].expunge([1])
        assert await sender.send(draft) is Outcome.GONE
        assert sent(server) == []
        await sender.close()


async def test_two_messages_of_one_message_id_are_not_guessed_between():
    async with graph() as server:
        sender = await opened(server)
        await sender.draft(mail(1))
        await sender.draft(mail(1))
        assert await sender.find("1@example.com") is None
        assert await sender.find("it's@example.com") is None
        await sender.close()


async def test_checking_sends_and_changes_nothing():
    async with graph() as server:
        sender = await opened(server)
        await sender.check()
        await sender.close()
        assert {asked.method for asked in server.transcript} == {"GET"}


async def test_a_sender_that_is_refused_names_its_own_settings():
    async with graph() as server:
        server.deny(USER)
        sender = await opened(server)
        with pytest.raises(PermanentFailure) as told:
            await sender.check()
        assert told.value.setting == "sender.oauth"
        await sender.close()


async def test_what_is_too_large_for_graph_is_said_before_it_is_sent():
    async with graph() as server:
        sender = await opened(server)
        with pytest.raises(AccountFailure, match="too large"):
            await sender.draft(b"x" * (MAX_DRAFT + 1))
        assert server.transcript == []
        await sender.close()
