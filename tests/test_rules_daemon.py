"""Rules, floods and webhooks in the real daemon: a reload, a kill in the middle of a release, and links that are fetched."""

import asyncio
import json
import signal
import socket

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from daemon import Daemon, eventually

from listener.testing import ImapServer

ACCOUNT = """
[[accounts]]
id = "support"
start = "all"
hooks = {hooks}
[accounts.receiver]
host = "127.0.0.1"
security = "none"
port = {port}
user = "u"
password_file = "password"
[accounts.flood]
messages = {messages}
release_after = "{release}"
"""
NO_NEWS = '[[accounts.rules]]\nname = "no-news"\nthen = "ignore"\nreason = "read elsewhere"\nwhen.subject_contains = ["news"]\n'


def mail(number, subject="Help", sender="ann@example.com"):
    head = f"From: {sender}\r\nMessage-ID: <{number}@example.com>\r\nSubject: {subject} {number}\r\n"
    return f"{head}\r\nText {number}\r\n".encode()


def account(server, more="", messages=15, release="1d", hooks="[]"):
    return ACCOUNT.format(port=server.port, messages=messages, release=release, hooks=hooks) + more


@pytest.fixture
async def server():
    async with ImapServer(users={"u": "secret"}) as server:
        yield server


async def states(daemon):
    found = {}
    for row in await daemon.messages():
        found[row["reason"] or row["state"]] = found.get(row["reason"] or row["state"], 0) + 1
    return found


async def so(daemon, wanted):
    return await states(daemon) == wanted


@pytest.mark.long
async def test_a_reload_changes_what_is_done_with_later_mail_only(tmp_path, server):
    server.deliver("INBOX", mail(1, "News"))
    async with Daemon(tmp_path, account(server)) as daemon:
        await eventually(lambda: so(daemon, {"done": 1}))
        daemon.write(account(server, NO_NEWS))
        daemon.process.send_signal(signal.SIGHUP)
        await eventually(lambda: daemon.events("reload.applied"))
        server.deliver("INBOX", mail(2, "News"))
        await eventually(lambda: so(daemon, {"done": 1, "rule: read elsewhere": 1}))
        code, out = await daemon.command("explain", "2", "--json")
    assert code == 0
    (ignored,) = (event for event in json.loads(out)["events"] if event["kind"] == "message.ignored")
    assert (ignored["rule"], ignored["reason"]) == ("no-news", "rule: read elsewhere")


async def test_a_flood_is_held_and_a_kill_in_the_middle_of_its_release_loses_and_doubles_nothing(tmp_path, server):
    for number in range(1, 101):
        server.deliver("INBOX", mail(number))
    daemon = Daemon(tmp_path, account(server))
    await daemon.start()
    await eventually(lambda: so(daemon, {"done": 15, "flood": 85}))
    releasing = asyncio.create_task(daemon.command("release", "--reason", "flood", "--account", "support"))
    await eventually(lambda: not_all_held(daemon), pause=0.001)
    await daemon.kill()
    await releasing
    await daemon.start()
    code, out = await daemon.command("release", "--reason", "flood", "--sender", "ann@example.com")
    assert code == 0
    assert out.endswith(" released\n")
    await eventually(lambda: so(daemon, {"done": 100}))
    await daemon.stop()
    assert daemon.count("SELECT count(*) FROM cases") == 100
    assert daemon.count("SELECT count(DISTINCT case_id) FROM messages") == 100
    assert daemon.count("SELECT count(*) FROM held") == 0


async def not_all_held(daemon):
    return await asyncio.to_thread(daemon.count, "SELECT count(*) < 85 FROM entries WHERE reason = 'flood'")


@pytest.mark.long
async def test_what_is_held_is_released_by_itself(tmp_path, server):
    for number in range(1, 7):
        server.deliver("INBOX", mail(number))
    async with Daemon(tmp_path, account(server, messages=3, release="2s")) as daemon:
        await eventually(lambda: daemon.events("flood.released"))
        await eventually(lambda: so(daemon, {"done": 6}))
        subjects = [row["subject"] for row in reversed(await daemon.messages())]
    assert subjects == [f"Help {n}" for n in range(1, 7)]
    assert daemon.count("SELECT group_concat(subject, ',') FROM (SELECT subject FROM cases ORDER BY number)") == ",".join(
        subjects
    )


async def test_a_webhook_fetches_what_it_is_told_of_from_the_daemon(tmp_path, server):
    fetched = []

    async def receiver(request):
        told = await request.json()
        async with aiohttp.ClientSession() as session, session.get(told["raw_url"]) as answer:
            fetched.append((answer.status, await answer.read()))
        return web.json_response({"reference": "CRM-1", "note": "seen", "close": True})

    app = web.Application()
    app.router.add_post("/", receiver)
    crm = TestServer(app)
    await crm.start_server(shutdown_timeout=0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server.deliver("INBOX", mail(1))
    webhook = f'[webhook.crm]\nurl = "{crm.make_url("/")}"\nallow_private = true\n'
    daemon = Daemon(tmp_path, account(server, webhook, hooks='["webhook:crm"]'))
    text = daemon.config.read_text()
    daemon.config.write_text(
        text.replace('bind = "127.0.0.1:0"', f'bind = "127.0.0.1:{port}"\npublic_url = "http://127.0.0.1:{port}"')
    )
    async with daemon:
        await eventually(lambda: so(daemon, {"done": 1}))
        (case,) = await daemon.get("/cases")
        case = await daemon.get(f"/cases/{case['id']}")
        assert "has no effect" not in daemon.log()
    await crm.close()
    assert fetched == [(200, mail(1))]
    assert (case["status"], case["reference"]) == ("closed", "CRM-1")
    assert [(note["hook"], note["note"]) for note in case["notes"]] == [("webhook:crm", "seen")]
