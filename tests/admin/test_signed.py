"""Signed addresses: a real webhook fetches what it was told of; nobody else fetches anything."""

import asyncio
import base64
import hashlib

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from listener.admin import signed
from listener.admin.api import Api
from listener.admin.health import Health
from listener.admin.metrics import Metrics
from listener.admin.server import AdminServer
from listener.admin.signed import Links, Signed
from listener.admin.verbs import Ledgerwise, Verbs
from listener.config import Admin
from listener.hooks import Case, Entry, Filed
from listener.hooks.calls import bound
from listener.hooks.webhook import WebhookHost
from listener.ledger import Ledger

from .conftest import file, put

NOW = 1_800_000_000.0
KEY, OLD = b"k" * 32, b"o" * 32
PDF = b"%PDF-1.7 " + bytes(range(256)) * 50
LETTER = (
    b"From: ann@example.com\r\nSubject: Invoice\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\n\r\nSee there.\r\n--x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Disposition: attachment; filename*=UTF-8''r%C3%A4chnung%22.html\r\n\r\n"
    + base64.encodebytes(PDF)
    + b"\r\n--x--\r\n"
)
OTHER = b"From: bob@example.com\r\nSubject: Secret\r\n\r\nNot for you.\r\n"
SHA = hashlib.sha256(PDF).hexdigest()


class World:
    """An admin server with two messages, and a clock."""

    def __init__(self, ledger):
        self.ledger, self.now = ledger, NOW
        self.links = self.made(KEY, OLD)
        self.signed = Signed(self.links, ledger)
        verbs = Verbs(ledger, Ledgerwise(ledger, {"support": "imap"}))
        self.server = AdminServer(Api(Health(ledger, lambda: iter(())), Metrics(), verbs, b"t" * 20, signed=self.signed))

    def made(self, *keys):
        return Links(keys, self.url if hasattr(self, "url") else "", self.ledger.read_digest, lambda: self.now)

    async def start(self, folder):
        await self.server.start(Admin(bind="127.0.0.1:0"), folder)
        self.url = f"http://{self.server.addresses[0]}/"
        self.links = self.made(KEY, OLD)

    async def get(self, url, method="GET"):
        async with aiohttp.ClientSession() as session, session.request(method, url) as answer:
            return answer.status, answer.headers, await answer.read()


@pytest.fixture
async def world(tmp_path):
    ledger = await Ledger.open(tmp_path / "s")
    world = World(ledger)
    await world.start(tmp_path / "s")
    await put(ledger, "support", LETTER, OTHER)
    await file(ledger)
    yield world
    await world.server.stop()
    await ledger.close()


async def test_a_real_webhook_fetches_the_raw_message_and_the_attachment(world):
    fetched = {}

    async def receiver(request):
        sent = await request.json()
        [attachment] = sent["message"]["attachments"]
        async with aiohttp.ClientSession() as session:
            for name, url in (("raw", sent["raw_url"]), ("attachment", attachment["url"])):
                async with session.get(url) as answer:
                    fetched[name] = answer.status, answer.headers, await answer.read()
        return web.json_response({"reference": "CRM-1"})

    app = web.Application()
    app.router.add_post("/", receiver)
    crm = TestServer(app)
    await crm.start_server(shutdown_timeout=0)
    host = WebhookHost("webhook:crm", str(crm.make_url("/")), allow_private=True, sign_url=world.links.url)
    await host.start()
    message = bound(await world.ledger.message(1), lambda: LETTER)
    case = Case("C", "support", "Invoice", "ann@example.com", "open", is_new=True)
    outcome = await host.handle(message, case, Entry(1, "support", "INBOX", "k" * 64, 1, None, lambda: LETTER))
    await host.stop()
    await crm.close()
    assert outcome == Filed("CRM-1")
    assert fetched["raw"][0::2] == (200, LETTER)
    assert fetched["attachment"][0::2] == (200, PDF)
    headers = fetched["attachment"][1]
    assert headers["Content-Type"] == "application/octet-stream"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"].startswith("attachment; filename=")
    assert "filename*=UTF-8''r%C3%A4chnung" in headers["Content-Disposition"]
    assert headers["Cache-Control"] == "no-store"


async def test_an_address_expires(world):
    url = world.links.url(1, None)
    world.now += signed.LIFETIME - 1
    assert (await world.get(url))[0] == 200
    world.now += 2
    status, _, body = await world.get(url)
    assert status == 410
    assert b"expired" in body


def changed(url, **parts):
    """The address with some of its pieces replaced."""
    head, query = url.split("?")
    base, entry, digest, part = head.rsplit("/", 3)
    fields = dict(pair.split("=") for pair in query.split("&"))
    found = {"entry": entry, "digest": digest, "part": part} | fields | parts
    return (
        f"{base}/{found['entry']}/{found['digest']}/{found['part']}?expires={found['expires']}&signature={found['signature']}"
    )


@pytest.mark.parametrize(
    "parts",
    [
        {"entry": "2"},
        {"part": SHA},
        {"digest": hashlib.sha256(OTHER).hexdigest()},
        {"entry": "2", "digest": hashlib.sha256(OTHER).hexdigest()},
        {"expires": "99999999999"},
        {"expires": ""},
        {"expires": "%00"},
        {"signature": ""},
        {"signature": "0" * 64},
        {"signature": "%F0%9F%98%80"},
        {"entry": "01"},
    ],
)
async def test_whatever_is_changed_in_an_address_makes_it_none_of_ours(world, parts):
    status, headers, body = await world.get(changed(world.links.url(1, None), **parts))
    assert status == 403
    assert headers["Content-Type"].startswith("application/problem+json")
    assert b"Secret" not in body


async def test_a_key_of_another_purpose_or_installation_signs_nothing_here(world):
    assert (await world.get(world.made(b"x" * 32).url(1, None)))[0] == 403


async def test_after_a_rotation_addresses_of_the_former_key_are_good_until_they_expire(world):
    assert (await world.get(world.made(OLD).url(1, None)))[0] == 200


async def test_an_address_of_before_a_lost_ledger_never_gives_another_message(world):
    other = Links((KEY,), world.url, lambda entry: hashlib.sha256(b"what was number 1 then").digest(), lambda: NOW)
    status, _, body = await world.get(other.url(1, None))
    assert (status, b"ann" in body) == (404, False)


async def test_an_attachment_that_the_message_does_not_have_is_not_there(world):
    assert (await world.get(world.links.url(1, "ab" * 32)))[0] == 404
    assert (await world.get(world.links.url(2, SHA)))[0] == 404


async def test_a_message_without_octets_has_no_address(world):
    with pytest.raises(LookupError):
        world.links.url(99, None)


@pytest.mark.parametrize(
    "path", ["signed/1", "signed/1/x/raw", "signed/x/" + "a" * 64 + "/raw", "signed/1/" + "a" * 64 + "/../raw"]
)
async def test_what_is_no_such_path_is_nothing(world, path):
    assert (await world.get(world.url + path))[0] in (303, 401, 404)


async def test_only_fetching_is_served(world):
    url = world.links.url(1, None)
    assert [(await world.get(url, method))[0] for method in ("HEAD", "POST", "DELETE")] == [405, 405, 405]


async def test_downloads_at_a_time_are_bounded_and_the_rest_is_told_to_come_back(world, monkeypatch):
    monkeypatch.setattr(signed, "WAITING", 2)
    go, reading, most = asyncio.Event(), 0, 0
    part = world.signed._part

    async def slow(*asked):
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await go.wait()
        reading -= 1
        return await part(*asked)

    monkeypatch.setattr(world.signed, "_part", slow)
    asking = [asyncio.create_task(world.get(world.links.url(1, None))) for _ in range(8)]
    done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
    while len(done) < 2:
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED, timeout=0.01)
    assert [task.result()[0] for task in done] == [503, 503]
    assert done.pop().result()[1]["Retry-After"] == "2"
    go.set()
    assert sorted(status for status, *_ in await asyncio.gather(*asking)) == [200] * 6 + [503] * 2
    assert most == signed.AT_ONCE


async def test_without_a_public_url_nothing_is_served(admin):
    assert (await admin.get("/signed/1/" + "a" * 64 + "/raw", token=None))[0] in (303, 401, 404)
