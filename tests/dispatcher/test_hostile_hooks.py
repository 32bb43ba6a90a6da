"""Every kind of bad hook at once on one account: each is named, the message stays, and the good hook has it all the same."""

import asyncio
import sys

import pytest
import structlog
from aiohttp import web
from aiohttp.test_utils import TestServer

from listener.hooks.build import start_hosts, stop_hosts
from listener.hooks.command import CommandHost
from listener.hooks.python import PythonHost
from listener.hooks.webhook import WebhookHost
from tests.dispatcher.world import FakeHook, eventually, mail, receive

HOOKS = """
import sys, threading
release = threading.Event()
class Blocks:
    async def handle(self, message, case, entry): release.wait(30)
class Exits:
    async def handle(self, message, case, entry): sys.exit(1)
class Rubbish:
    async def handle(self, message, case, entry): return {"filed": True}
"""


@pytest.fixture
async def hostile(tmp_path, monkeypatch):
    """Hosts of the worst kind, started."""

    async def ten_megabytes(request):
        return web.Response(body=b"x" * 10_000_000)

    async def to_metadata(request):
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data/")

    app = web.Application()
    app.router.add_post("/large", ten_megabytes)
    app.router.add_post("/moved", to_metadata)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0)
    (tmp_path / "hostile_hooks.py").write_text(HOOKS)
    monkeypatch.syspath_prepend(tmp_path)
    hosts = [
        PythonHost("python:hostile_hooks:Blocks", timeout=0.3),
        PythonHost("python:hostile_hooks:Exits"),
        PythonHost("python:hostile_hooks:Rubbish"),
        CommandHost("command:floods", ["/usr/bin/yes"]),
        CommandHost("command:refuses", ["/bin/false"]),
        WebhookHost("webhook:large", str(server.make_url("/large")), allow_private=True),
        WebhookHost("webhook:moved", str(server.make_url("/moved")), allow_private=True),
    ]
    await start_hosts(hosts)
    yield hosts
    sys.modules.pop("hostile_hooks").release.set()
    await stop_hosts(hosts)
    await server.close()


async def test_each_fails_by_itself_and_is_named(ledger, dispatching, hostile):
    good = FakeHook("python:a:Good")
    with structlog.testing.capture_logs() as logs:
        async with dispatching(ledger, *hostile, good, hook_attempts=1):
            await receive(ledger, [mail(1)])
            await eventually(lambda: good.calls)
            row = await eventually(lambda: dead(ledger))
    ended = {delivery["hook"]: (delivery["state"], delivery["reason"]) for delivery in row["deliveries"]}
    assert ended.pop("python:a:Good") == ("done", None)
    assert {hook: state for hook, (state, _) in ended.items()} == dict.fromkeys((host.name for host in hostile), "dead")
    reasons = {hook: reason for hook, (_, reason) in ended.items()}
    assert "its thread was replaced" in reasons["python:hostile_hooks:Blocks"]
    assert "called exit: SystemExit: 1" in reasons["python:hostile_hooks:Exits"]
    assert "returned a value of type dict" in reasons["python:hostile_hooks:Rubbish"]
    assert "wrote more than" in reasons["command:floods"]
    assert reasons["command:refuses"] == "exit 1"
    assert "answered more than" in reasons["webhook:large"]
    assert "redirects are not followed" in reasons["webhook:moved"]
    assert [log["hook"] for log in logs if log["event"] == "hook.blocked"] == ["python:hostile_hooks:Blocks"]
    assert ledger.read_raw(1) == mail(1)


async def dead(ledger):
    row = await ledger.explain(1)
    return row if row["state"] == "dead" else None


async def test_a_webhook_that_acts_and_then_does_not_answer_sees_the_same_key_again(ledger, dispatching, clock):
    effects, never = {}, asyncio.Event()

    async def acts(request):
        key = request.headers["Idempotency-Key"]
        effects.setdefault(key, f"CRM-{len(effects) + 1}")
        if len(asked) == 0:
            asked.append(key)
            await never.wait()
        asked.append(key)
        return web.json_response({"reference": effects[key]})

    asked = []
    app = web.Application()
    app.router.add_post("/", acts)
    server = TestServer(app)
    await server.start_server(shutdown_timeout=0)
    host = WebhookHost("webhook:crm", str(server.make_url("/")), allow_private=True, timeout=0.2)
    await host.start()
    async with dispatching(ledger, host):
        await receive(ledger, [mail(1)])
        await eventually(lambda: retried(ledger, clock))
    await host.stop()
    await server.close()
    assert (len(asked), len(set(asked)), list(effects.values())) == (2, 1, ["CRM-1"])
    assert [case["reference"] for case in await ledger.cases()] == ["CRM-1"]


async def retried(ledger, clock):
    """Done; the clock is moved to each next attempt."""
    due = await ledger.next_due()
    if due is not None and due > clock.now:
        clock.now = due
        ledger.work.set()
    return (await ledger.explain(1))["state"] == "done"
