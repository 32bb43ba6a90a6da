"""`listener health`: exit 0 or 1, from the control socket, else from the addresses that the configuration names."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager

import pytest

from listener.admin.api import Api
from listener.admin.health import Health
from listener.admin.metrics import Metrics
from listener.admin.server import AdminServer
from listener.admin.verbs import Ledgerwise, Verbs
from listener.config import Admin
from listener.ledger import Ledger


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@asynccontextmanager
async def daemon(config, **bind):
    """The admin part of a daemon, as this configuration would have it."""
    state = config.parent / "state"
    ledger = await Ledger.open(state)
    health = Health(ledger, lambda: iter(()))
    server = AdminServer(Api(health, Metrics(), Verbs(ledger, Ledgerwise(ledger, {})), b"token"))
    await server.start(Admin(**({"bind": "127.0.0.1:0"} | bind)), state)
    try:
        yield health
    finally:
        await server.stop()
        await ledger.close()


@pytest.fixture
def ask(listener):
    return lambda *words: asyncio.to_thread(listener, "health", *words)


async def test_a_daemon_that_is_well_is_exit_0_and_silence(config, ask):
    async with daemon(config):
        assert await ask("--live") == (0, "", "")
        assert await ask("--ready") == (0, "", "")


async def test_a_daemon_that_is_not_says_why(config, ask):
    async with daemon(config) as health:
        health.draining = True
        assert await ask("--live") == (0, "", "")
        assert await ask("--ready") == (1, "", "listener: draining\n")
        code, out, _ = await ask("--ready", "--json")
        assert (code, json.loads(out)) == (1, {"probe": "readyz", "ok": False, "reasons": ["draining"]})


@pytest.mark.parametrize("setting", ["bind", "probe_bind"])
async def test_without_the_control_socket_the_configured_address_is_asked(config, ask, setting):
    address = f"127.0.0.1:{free_port()}"
    text = config.read_text().replace('bind = "127.0.0.1:0"', f'{setting} = "{address}"')
    config.write_text(text)
    async with daemon(config, **{setting: address}):
        (config.parent / "state" / "control.sock").unlink()
        assert await ask("--live") == (0, "", "")


async def test_a_configuration_that_became_wrong_is_no_reason_to_call_a_daemon_sick(config, ask):
    async with daemon(config):
        config.write_text(config.read_text() + "colour = 1\n")
        assert await ask("--live") == (0, "", "")


async def test_no_daemon_is_exit_1(config, ask):
    assert await ask("--live") == (1, "", "listener: no daemon answers: No such file or directory\n")
