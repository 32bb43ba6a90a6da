"""Microsoft's own SDK against our Graph server: the fake answers as Graph does, or its own maker's client would not read it."""

import asyncio
import importlib.util
import json
import sys
from email import message_from_bytes
from pathlib import Path

import pytest
from conftest import unavailable

from listener.testing.graph import GraphServer

PROGRAM = Path(__file__).parent / "msgraph_client.py"
USER, TOKEN = "support@example.com", "a.good.token"
RECEIVED = 1_793_620_800.0


def mail(n):
    return f"From: ann@example.com\r\nSubject: number {n}\r\nMessage-ID: <{n}@example.com>\r\n\r\nText {n}\r\n".encode()


@pytest.fixture(scope="module")
def day():
    """The server after the SDK's day, and what the SDK saw."""
    if importlib.util.find_spec("msgraph") is None:
        unavailable("msgraph-sdk is not installed (extra: interop)")
    return asyncio.run(spent())


async def spent():
    async with GraphServer(users=[USER], tokens=[TOKEN], strict=False) as server:
        server.store().create("Done")
        for n in range(5):
            server.deliver("INBOX", mail(n), received_at=RECEIVED + n)
        program = await asyncio.create_subprocess_exec(
            sys.executable, PROGRAM, server.url, TOKEN, USER, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        async with asyncio.timeout(120):
            out, err = await program.communicate()
        assert program.returncode == 0, err.decode()[-3000:]
        return server, json.loads(out)


def test_it_reads_a_delta_round_page_by_page(day):
    _, seen = day
    assert seen["pages"] == [2, 2, 1]
    assert seen["identities"] == [f"<{n}@example.com>" for n in range(5)]
    assert seen["times"][0] == "2026-11-02T12:00:00+00:00"
    assert seen["folders"] == ["Done", "Inbox"]


def test_it_resumes_from_the_delta_link_and_sees_what_was_removed(day):
    _, seen = day
    assert seen["resumed"] == [[True, True]]
    assert seen["resumed_link_differs"]


def test_it_understands_refusals(day):
    _, seen = day
    assert seen["gone"] == [404, "ErrorItemNotFound"]
    assert seen["lost"] == [410, "SyncStateNotFound"]


def test_it_reads_mime_and_moves_under_the_same_id(day):
    server, seen = day
    assert seen["mime"].encode() == mail(0)
    assert seen["moved_id_is_the_same"]
    assert seen["is_read"]
    (moved,) = server.store()["Done"].messages.values()
    assert (moved.octets, moved.flags) == (mail(0), {"\\Seen"})
    assert len(server.store()["INBOX"].messages) == 3
    assert len(server.store()["Deleted Items"].messages) == 1


def test_it_sends_at_once_and_by_draft(day):
    server, seen = day
    assert seen["draft"]
    assert seen["sent"]
    first, second = (message_from_bytes(octets) for octets in server.mailbox().sent)
    assert (first["Subject"], first["To"]) == (second["Subject"], second["To"]) == ("From the SDK", "ann@example.com")
    assert first.get_payload().strip() == "Hello"
