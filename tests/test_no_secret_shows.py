"""A secret set wherever one can be set is found nowhere else: no log, page, metric, command line, environment or ledger (R-86).

The daemon is made to need all of them, to fail with most of them, and to be watched closely while it does: servers that
repeat what they were told, a protocol trace, every page and list, the command line beside it.
"""

import asyncio
import contextlib
import json
import re
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from daemon import Daemon, eventually

from listener.testing import ImapServer, SmtpReceiver, make_message
from listener.testing.oauth import TokenServer

SECRETS = {
    name: f"canary-{number}-{name}-x7Qz"
    for number, name in enumerate(
        (
            *("receiver-password", "sender-password", "client-secret", "refresh-token", "webhook-key", "admin-token"),
            *("key-file", "otlp-header", "kept-password", "kept-client-secret", "wrong-password"),
        )
    )
}
TOML = """
[webhook.crm]
url = "http://127.0.0.1:{hook}/"
secret_file = "webhook-key"
allow_private = true
[oauth.idp]
grant = "refresh_token"
issuer = "custom"
token_url = "{token_url}"
client_id = "us"
client_secret_file = "client-secret"
refresh_token_file = "refresh-token"
scope = "mail"
[[accounts]]
id = "support"
address = "support@example.com"
start = "all"
hooks = ["webhook:crm"]
[accounts.receiver]
host = "127.0.0.1"
port = {imap}
security = "none"
user = "u"
password_file = "receiver-password"
[accounts.sender]
host = "127.0.0.1"
port = {smtp}
security = "none"
user = "support@example.com"
password_file = "sender-password"
[accounts.reply]
to = "anyone"
[[accounts]]
id = "wrong"
[accounts.receiver]
host = "127.0.0.1"
port = {imap}
security = "none"
user = "u"
password_file = "wrong-password"
[[accounts]]
id = "token"
[accounts.receiver]
host = "127.0.0.1"
port = {imap}
security = "none"
user = "t"
oauth = "idp"
"""
HEAD = """
token_file = "admin-token"
[otlp]
endpoint = "http://127.0.0.1:{hook}"
headers_file = "otlp-header"
[limits]
hook_attempts = 2
"""
LISTS = ("accounts", "messages", "cases", "replies", "tokens", "audit", "profiles", "quarantine", "dead", "openapi.json")
PAGES = (
    *("/", "/accounts", "/accounts/kept", "/profiles", "/profiles/kept", "/profiles/idp"),
    *("/messages", "/messages/1", "/cases", "/replies", "/audit", "/tokens"),
)
COMMANDS = ("check", "accounts --json", "explain 1", "preview support")


@contextlib.asynccontextmanager
async def rude_hook():
    """A webhook and collector that answers 500 with everything it was sent."""

    async def repeat(request):
        return web.Response(status=500, text=f"{dict(request.headers)} {await request.read()!r}")

    application = web.Application()
    application.router.add_route("*", "/{rest:.*}", repeat)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield site._server.sockets[0].getsockname()[1]
    finally:
        await runner.cleanup()


@pytest.fixture
def folder(tmp_path):
    """A configuration's folder with a file for each secret."""
    here = tmp_path / "d"
    here.mkdir()
    for name, secret in SECRETS.items():
        (here / name).write_text(f"api-key={secret}\n" if name == "otlp-header" else f"{secret}\n")
        (here / name).chmod(0o600)
    return here


def shown(text, where):
    """Which secrets are in it, plain or as JSON or base64 would write them."""
    octets = text if isinstance(text, bytes) else text.encode("utf-8", "replace")
    return [f"{name} in {where}" for name, secret in SECRETS.items() if secret.encode() in octets]


async def command(daemon, *words):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "listener", *words, "--config", str(daemon.config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    return out


async def kept_in_the_ledger(session, base, imap):
    """An account and a profile as the console makes them, with their secrets."""
    receiver = {"host": "127.0.0.1", "port": imap, "security": "none", "user": "u", "password": SECRETS["kept-password"]}
    profile = {"id": "kept", "grant": "client_credentials", "issuer": "custom", "token_url": "http://127.0.0.1:1/t"}
    profile |= {"client_id": "us", "client_secret": SECRETS["kept-client-secret"], "scope": "mail"}
    answers = []
    for path, settings in (("accounts", {"id": "kept", "receiver": receiver}), ("profiles", profile)):
        async with session.post(f"{base}/api/v1/{path}", json={"settings": settings}) as answer:
            text = await answer.text()
            assert answer.status == 200, text
            answers.append(text)
    return answers


async def test_a_secret_set_everywhere_is_found_nowhere(folder):
    async with (
        rude_hook() as hook,
        TokenServer() as issuer,
        ImapServer(users={"u": SECRETS["receiver-password"]}) as imap,
        SmtpReceiver(lambda _: None, users={"somebody": "else"}) as smtp,
    ):
        imap.script.on("LOGIN", reply=f"NO you said {SECRETS['wrong-password']}", times=1)
        issuer.refresh_token = "another"  # so that ours is refused
        imap.deliver("INBOX", make_message(subject="hello", sender="alice@example.net"))
        toml = TOML.format(hook=hook, token_url=issuer.url, imap=imap.port, smtp=smtp.port)
        daemon = Daemon(folder, toml, more=HEAD.format(hook=hook))
        daemon.config.write_text(daemon.config.read_text().replace("[listener]\n", '[listener]\nkey_file = "key-file"\n'))
        async with daemon:
            found = await everywhere(daemon, imap.port)
        found += shown(daemon.log(), "the log")
    assert found == []


async def everywhere(daemon, imap):
    pid = daemon.process.pid
    (base,) = {f"http://{event['admin'][0]}" for event in daemon.events("daemon.ready")}
    headers = {"Authorization": f"Bearer {SECRETS['admin-token']}", "Accept": "application/json"}
    found = []
    async with aiohttp.ClientSession(headers=headers) as session:
        for text in await kept_in_the_ledger(session, base, imap):
            found += shown(text, "an answer to who set it")
        await command(daemon, "trace", "support")
        await command(daemon, "resume", "support")
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'dead'"))
        for name in LISTS:
            found += shown(await read(session, f"{base}/api/v1/{name}"), name)
        for path in ("/healthz", "/metrics"):
            found += shown(await read(session, base + path), path)
        for settings in ("accounts/kept", "accounts/support", "accounts/kept/toml", "profiles/kept", "messages/1"):
            found += shown(await read(session, f"{base}/api/v1/{settings}"), settings)
    found += await pages(base)
    for words in COMMANDS:
        found += shown(await command(daemon, *words.split()), words)
    for name in ("cmdline", "environ"):
        found += shown(Path(f"/proc/{pid}/{name}").read_bytes(), name)
    for path in daemon.state.iterdir():
        if path.is_file() and path.name not in ("admin-token", "key"):
            found += shown(path.read_bytes(), path.name)
    return found


async def read(session, url):
    async with session.get(url) as answer:
        return await answer.text()


async def pages(base):
    """The console, signed in by the form."""
    found = []
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Accept": "text/html"}) as session:
        form = await read(session, f"{base}/login")
        hidden = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        fields = {**hidden, "token": SECRETS["admin-token"]}
        async with session.post(f"{base}/login", data=fields, headers={"Origin": base}) as answer:
            assert answer.status == 200, await answer.text()
        for path in PAGES:
            async with session.get(base + path) as answer:
                assert answer.status == 200, (path, answer.status)
                found += shown(await answer.text(), path)
    return found


def test_a_scan_sees_a_secret_that_shows():
    assert shown(json.dumps({"said": SECRETS["key-file"]}), "a page") == ["key-file in a page"]
