"""Server-sent events over real HTTP: who may listen, what comes, and how it ends."""

import asyncio

import aiohttp
import pytest

from listener.admin import stream
from listener.status import AccountState

from .conftest import TOKEN, WORD, octets, put, running


class Listening:
    """One stream, read event by event."""

    def __init__(self, answer):
        self.answer = answer

    async def event(self):
        """The next one's name; empty at the end."""
        name = ""
        async with asyncio.timeout(10):
            async for line in self.answer.content:
                text = line.decode().rstrip("\n")
                if text.startswith("event: "):
                    name = text.removeprefix("event: ")
                elif not text and name:
                    return name
        return ""

    async def until(self, name):
        """Reads on to that event, or fails at the end."""
        while (found := await self.event()) != name:
            assert found, f"no {name} came"


def listen(session, admin, path="/api/v1/events", token=WORD):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return session.get(f"http://{admin.server.addresses[0]}{path}", headers=headers)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(stream, "PING", 0.1)
    monkeypatch.setattr("listener.admin.feed.LOOK_EVERY", 0.05)


async def test_what_changes_comes_as_it_changes(admin):
    async with aiohttp.ClientSession() as session, listen(session, admin) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream"
        assert answer.headers["Cache-Control"] == "no-store"
        heard = Listening(answer)
        assert await heard.event() == "hello"
        assert await heard.event() == "ping"
        admin.statuses[0].enter(AccountState.BACKOFF)
        await heard.until("account")
        await put(admin.ledger, "support", octets(1))
        await heard.until("message")
        await heard.until("change")


@pytest.mark.parametrize("path", ["/events", "/api/v1/events"])
async def test_only_who_is_let_in_may_listen(admin, path):
    assert (await admin.get(path, token=None))[0] == 401
    assert (await admin.get(path, token=b"wrong"))[0] == 401


async def test_a_revoked_token_hears_no_more(admin):
    _, made = await admin.control("/api/v1/tokens/one?scope=read", "POST")
    async with aiohttp.ClientSession() as session, listen(session, admin, token=made["token"]) as answer:
        heard = Listening(answer)
        await heard.until("hello")
        await admin.get("/api/v1/tokens/one", method="DELETE")
        await heard.until("expired")
        assert await heard.event() == ""


async def test_a_session_that_ended_hears_no_more(admin):
    async with admin.signed_in() as browser, browser.session.get(f"{browser.base}/events") as answer:
        heard = Listening(answer)
        await heard.until("hello")
        await browser.ask("/logout", "POST", form={}, csrf=browser.csrf)
        await heard.until("expired")


async def test_a_daemon_that_stops_says_goodbye_and_does_not_wait(tmp_path):
    async with aiohttp.ClientSession() as session, running(tmp_path / "s") as admin, listen(session, admin) as answer:
        heard = Listening(answer)
        await heard.until("hello")
        async with asyncio.timeout(1.5):  # less than what requests under way get
            stopping = asyncio.create_task(admin.server.stop())
            await heard.until("bye")
            await stopping


async def test_a_listener_that_went_away_is_forgotten(admin):
    async with aiohttp.ClientSession() as session:
        async with listen(session, admin) as answer:
            await Listening(answer).until("hello")
            assert len(admin.api.feed) == 1
        async with asyncio.timeout(5):
            while len(admin.api.feed):
                await asyncio.sleep(0.02)


async def test_too_many_are_asked_to_come_again(admin, monkeypatch):
    monkeypatch.setattr("listener.admin.feed.LISTENERS", 0)
    status, headers, _ = await admin.get("/api/v1/events", token=TOKEN)
    assert (status, headers["Retry-After"]) == (503, "10")
