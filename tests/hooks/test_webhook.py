"""Webhooks: signed, bounded, and never to an address that was not vetted when the connection was made (R-75)."""

import asyncio
import hashlib
import hmac
import json
import socket
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver
from aiohttp.test_utils import TestServer

from listener.errors import ConfigurationError
from listener.hooks import Filed, HookFailed, HookRefused
from listener.hooks.webhook import MAX_ANSWER, WebhookHost, retry_after, url_fault

NOW = 1_800_000_000.0


@pytest.fixture
async def serve():
    """`await serve(handler)` → the URL of a server on loopback that answers every request by it."""
    servers = []

    async def start(handler):
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", handler)
        server = TestServer(app)
        await server.start_server(shutdown_timeout=0)
        servers.append(server)
        return str(server.make_url("/inbound"))

    yield start
    for server in servers:
        await server.close()


@pytest.fixture
async def webhook():
    hosts = []

    async def start(url, **settings):
        host = WebhookHost("webhook:crm", url, **{"allow_private": True, "timeout": 5.0, "clock": lambda: NOW} | settings)
        hosts.append(host)
        await host.start()
        return host

    yield start
    for host in hosts:
        await host.stop()


def answering(*answers):
    """A handler that gives these answers in turn, the last one for ever, and keeps what it was asked."""
    left = list(answers)

    async def handler(request):
        handler.requests.append((request.method, dict(request.headers), await request.read()))
        return (left.pop(0) if len(left) > 1 else left[0])()

    handler.requests = []
    return handler


def status(code, text="", **headers):
    return lambda: web.Response(status=code, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})


async def test_the_request_says_what_the_contract_says_and_is_signed(serve, webhook, message, case, entry):
    handler = answering(status(204))
    host = await webhook(
        await serve(handler),
        read_secret=lambda: b"hush",
        sign_url=lambda id, sha256: f"https://mail.example.com/{id}/{sha256 or 'raw'}?sig=x",
    )
    assert await host.handle(message, replace(case, reference="CRM-1"), entry) == Filed()
    [(method, headers, body)] = handler.requests
    assert (method, headers["Content-Type"], headers["Idempotency-Key"]) == ("POST", "application/json", "k" * 64)
    mac = hmac.new(b"hush", b"1800000000." + body, hashlib.sha256).hexdigest()
    assert headers["X-Listener-Signature"] == f"t=1800000000,v1={mac}"
    sent = json.loads(body)
    assert list(sent) == ["id", "account", "case", "message", "raw_url"]
    assert (sent["id"], sent["account"], sent["raw_url"]) == (7, "support", "https://mail.example.com/7/raw?sig=x")
    assert (sent["case"]["id"], sent["case"]["reference"], sent["case"]["is_new"]) == ("C-1", "CRM-1", True)
    [attachment] = sent["message"].pop("attachments")
    assert attachment.pop("url") == f"https://mail.example.com/7/{'ab' * 32}?sig=x"
    assert sent["message"] | {"attachments": [attachment]} == json.loads(json.dumps(message.as_json()))


async def test_without_public_url_and_secret_there_are_no_links_and_no_signature(serve, webhook, message, case, entry):
    handler = answering(status(200, "ok"))
    host = await webhook(await serve(handler))
    assert await host.handle(message, case, entry) == Filed()
    [(_, headers, body)] = handler.requests
    assert "X-Listener-Signature" not in headers
    assert json.loads(body)["raw_url"] is None
    assert json.loads(body)["message"]["attachments"][0]["url"] is None


async def test_a_large_message_with_odd_characters_arrives_whole(serve, webhook, message, case, entry):
    handler = answering(status(200))
    host = await webhook(await serve(handler))
    text = "ä\udcff\n" * 200_000
    await host.handle(replace(message, text=text), case, entry)
    assert json.loads(handler.requests[0][2])["message"]["text"] == text


async def test_the_answers_json_is_the_outcome(serve, webhook, message, case, entry):
    body = json.dumps({"reference": 42, "note": "noted", "close": True, "reply": "Thank you"})
    host = await webhook(await serve(answering(status(201, body))))
    assert await host.handle(message, case, entry) == Filed("42", "noted", True, "Thank you")


@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 410, 413, 422, 451])
async def test_a_4xx_is_refused_for_good_with_what_it_said(serve, webhook, message, case, entry, code):
    host = await webhook(await serve(answering(status(code, "no such\r\nqueue \x1b[31m" + "x" * 100_000))))
    with pytest.raises(HookRefused, match=rf"answered {code}: no such queue") as refusal:
        await host.handle(message, case, entry)
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("code", [408, 425, 429, 500, 502, 503, 504, 599])
async def test_what_may_pass_is_tried_again_and_not_before_it_asks(serve, webhook, message, case, entry, code):
    host = await webhook(await serve(answering(status(code, Retry_After="120"))))
    with pytest.raises(HookFailed, match=f"answered {code}") as failure:
        await host.handle(message, case, entry)
    assert failure.value.retry_after == 120.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("3600", 3600.0),
        (format_datetime(datetime.fromtimestamp(NOW + 90, UTC), usegmt=True), 90.0),
        (format_datetime(datetime.fromtimestamp(NOW - 90, UTC), usegmt=True), 0.0),
        ("soon", None),
        ("-5", None),
        ("٣", None),
        ("9" * 400, None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_else_nothing(value, seconds):
    assert retry_after(value, NOW) == seconds


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(serve, webhook, message, case, entry, code):
    elsewhere = answering(status(200))
    target = await serve(elsewhere)
    handler = answering(status(code, Location=target))
    host = await webhook(await serve(handler))
    with pytest.raises(HookFailed, match=f"answered {code}; redirects are not followed, .* webhook.crm.url"):
        await host.handle(message, case, entry)
    assert len(handler.requests) == 1
    assert elsewhere.requests == []


async def test_a_redirect_to_a_metadata_address_goes_nowhere(serve, webhook, message, case, entry):
    host = await webhook(await serve(answering(status(302, Location="http://169.254.169.254/latest/meta-data/"))))
    with pytest.raises(HookFailed, match="redirects are not followed"):
        await host.handle(message, case, entry)


async def test_an_answer_of_ten_megabytes_is_not_read_to_its_end(serve, webhook, message, case, entry):
    sent = 0

    async def handler(request):
        nonlocal sent
        answer = web.StreamResponse()
        await answer.prepare(request)
        for _ in range(1000):
            await answer.write(b"x" * 10_000)
            sent += 10_000
        return answer

    host = await webhook(await serve(handler))
    with pytest.raises(HookFailed, match=f"answered more than {MAX_ANSWER} octets"):
        await host.handle(message, case, entry)
    assert sent < 9_000_000


async def test_an_answer_that_never_ends_is_given_up(serve, webhook, message, case, entry):
    gone = asyncio.Event()

    async def handler(request):
        answer = web.StreamResponse()
        await answer.prepare(request)
        try:
            while True:
                await answer.write(b" ")
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    host = await webhook(await serve(handler), timeout=0.2)
    with pytest.raises(HookFailed, match=r"took longer than 0.2 s"):
        await host.handle(message, case, entry)
    await asyncio.wait_for(gone.wait(), 5)


async def test_an_answer_that_never_begins_is_given_up(serve, webhook, message, case, entry):
    async def handler(request):
        await asyncio.Event().wait()

    host = await webhook(await serve(handler), timeout=0.2)
    with pytest.raises(HookFailed, match=r"took longer than 0.2 s"):
        await host.handle(message, case, entry)


async def test_a_compressed_answer_is_not_unpacked(serve, webhook, message, case, entry):
    host = await webhook(await serve(answering(status(200, "bomb", Content_Encoding="gzip"))))
    with pytest.raises(HookFailed, match="compressed body"):
        await host.handle(message, case, entry)


async def test_a_server_that_is_not_there_is_a_failure_that_shows_no_secret_path(webhook, message, case, entry):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    host = await webhook(f"http://127.0.0.1:{port}/hooks/s3cret")
    with pytest.raises(HookFailed, match=r"could not be called: 127\.0\.0\.1: ") as failure:
        await host.handle(message, case, entry)
    assert "s3cret" not in str(failure.value)


async def test_a_server_that_speaks_nonsense_is_a_failure(webhook, message, case, entry):
    async def nonsense(reader, writer):
        await reader.readline()
        writer.write(b"220 mail.example.com ESMTP\r\n" * 10)
        writer.close()

    async with await asyncio.start_server(nonsense, "127.0.0.1", 0) as server:
        host = await webhook(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        with pytest.raises(HookFailed, match="could not be called"):
            await host.handle(message, case, entry)


class Zone(AbstractResolver):
    """A resolver that gives these addresses in turn, a list each, the last for ever."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = 0

    async def resolve(self, host, port=0, family=socket.AF_INET):
        self.asked += 1
        addresses = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        fixed = {"hostname": host, "port": port, "proto": 0, "flags": 0}
        return [fixed | {"host": a, "family": socket.AF_INET6 if ":" in a else socket.AF_INET} for a in addresses]

    async def close(self):
        pass


@pytest.mark.parametrize("address", ["169.254.169.254", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "0.0.0.0", "::"])
async def test_a_name_that_leads_to_a_forbidden_address_is_not_called(webhook, message, case, entry, address):
    host = await webhook("https://crm.example.com/", resolver=lambda: Zone([address]))
    with pytest.raises(HookFailed, match=f"crm.example.com: {address} is ") as failure:
        await host.handle(message, case, entry)
    assert failure.value.retry_after is None


async def test_loopback_is_forbidden_unless_allowed(webhook, message, case, entry):
    host = await webhook("https://crm.example.com/", allow_private=False, resolver=lambda: Zone(["127.0.0.1", "::1"]))
    with pytest.raises(HookFailed, match="allow_private is not set"):
        await host.handle(message, case, entry)


async def test_a_name_that_changes_its_address_after_the_check_is_caught(serve, webhook, message, case, entry):
    """DNS rebinding: every connection asks anew, and what was vetted is what is connected to."""
    handler = answering(status(500))
    port = (await serve(handler)).split(":")[2].split("/")[0]
    zone = Zone(["127.0.0.1"], ["169.254.169.254"])
    host = await webhook(f"http://crm.example.com:{port}/", resolver=lambda: zone)
    with pytest.raises(HookFailed, match="answered 500"):
        await host.handle(message, case, entry)
    await host.stop()
    await host.start()
    with pytest.raises(HookFailed, match="metadata"):
        await host.handle(message, case, entry)
    assert (zone.asked, len(handler.requests)) == (2, 1)


async def test_forbidden_addresses_beside_a_good_one_are_left_out(serve, webhook, message, case, entry):
    port = (await serve(answering(status(200)))).split(":")[2].split("/")[0]
    host = await webhook(f"http://crm.example.com:{port}/", resolver=lambda: Zone(["169.254.169.254", "127.0.0.1", "::"]))
    assert await host.handle(message, case, entry) == Filed()


async def test_the_socket_itself_is_vetted_should_a_name_be_an_address_after_all(webhook, message, case, entry, monkeypatch):
    monkeypatch.setattr("listener.hooks.webhook.url_fault", lambda url, allow_private: None)
    for url in ("http://2130706433:80/", "http://127.1:80/", "http://169.254.169.254/", "http://[::ffff:169.254.169.254]/"):
        host = await webhook(url)
        with pytest.raises(HookFailed, match=r"its url is not usable|is a cloud metadata address"):
            await host.handle(message, case, entry)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("crm.example.com", "write an address such as"),
        ("ftp://crm.example.com/", "write an address such as"),
        ("https:///inbound", "write an address such as"),
        ("https://crm.example.com:99999/", "is no URL"),
        ("http://crm.example.com/", "plain http is refused"),
        ("https://user:pass@crm.example.com/", "authenticate by secret_file"),
        ("https://localhost/", "localhost is refused"),
        ("https://127.0.0.1/", "allow_private is not set"),
        ("https://[::1]/", "allow_private is not set"),
        ("https://[::]/", "unspecified"),
        ("https://[::ffff:169.254.169.254]/", "metadata"),
        ("https://169.254.169.254/", "metadata"),
        ("https://2130706433/", "not a plain address"),
    ],
)
async def test_a_url_that_cannot_be_right_is_a_fault_at_start(url, says):
    with pytest.raises(ConfigurationError, match=says) as failure:
        await WebhookHost("webhook:crm", url).start()
    assert [fault.setting for fault in failure.value.faults] == ["webhook.crm.url"]


@pytest.mark.parametrize(
    "url", ["https://crm.example.com/inbound?tenant=1", "https://bücher.example/", "https://8.8.8.8:8443/"]
)
def test_a_good_url_has_no_fault(url):
    assert url_fault(url, allow_private=False) is None


def unreadable():
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(("read", "says"), [(unreadable, "cannot be read: Permission denied"), (lambda: b"", "is empty")])
async def test_a_secret_that_cannot_be_had_is_a_fault_at_start_and_a_failure_later(
    serve, webhook, message, case, entry, read, says
):
    with pytest.raises(ConfigurationError, match=f"webhook.crm.secret_file: {says}"):
        await WebhookHost("webhook:crm", "https://crm.example.com/", read_secret=read).start()
    secrets = [lambda: b"good", read]
    host = await webhook(await serve(answering(status(200))), read_secret=lambda: secrets.pop(0)())
    with pytest.raises(HookFailed, match=f"webhook.crm.secret_file: {says}"):
        await host.handle(message, case, entry)
