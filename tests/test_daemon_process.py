"""The real process, as an operator has it: signals, the command line beside it, a second daemon, a bad configuration."""

import asyncio
import json
import signal
import socket
import sys

import pytest
from daemon import Daemon, eventually

from listener.testing import ImapServer, make_message


def account(port, id="support", **more):
    extra = "".join(f"{name} = {json.dumps(value)}\n" for name, value in more.items())
    return (
        f'[[accounts]]\nid = "{id}"\nstart = "all"\n[accounts.receiver]\nhost = "127.0.0.1"\nport = {port}\n'
        f'security = "none"\nuser = "u"\npassword_file = "password"\n{extra}'
    )


async def listener(daemon, *words):
    """Run a command beside it: exit code, standard output, standard error."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "listener", *words, "--config", str(daemon.config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
async def told(tmp_path):
    """The lines that systemd would have been sent."""
    lines = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind(str(tmp_path / "notify"))
        receiving.setblocking(False)
        loop = asyncio.get_running_loop()
        loop.add_reader(receiving, lambda: lines.extend(receiving.recv(4096).decode().splitlines()))
        yield lines
        loop.remove_reader(receiving)


@pytest.fixture
async def server():
    async with ImapServer(users={"u": "secret"}) as running:
        yield running


async def test_a_day_in_the_life_of_a_daemon(server, told, tmp_path):
    server.deliver("INBOX", make_message(subject="One"))
    env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
    async with Daemon(tmp_path / "d", account(server.port), env=env) as daemon:
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'"))

        code, out, err = await listener(daemon, "messages", "--json")
        assert (code, err) == (0, "")
        assert [json.loads(line)["subject"] for line in out.splitlines()] == ["One"]
        assert await listener(daemon, "health", "--live") == (0, "", "")
        assert await listener(daemon, "health", "--ready") == (0, "", "")

        code, _, err = await listener(daemon, "run")
        assert code == 75
        (refused,) = (line for line in map(json.loads, err.splitlines()) if line["event"] == "daemon.refused")
        assert str(daemon.process.pid) in refused["error"]

        assert (await listener(daemon, "pause", "support"))[:2] == (0, "support: paused\n")
        await eventually(lambda: server.counters.open == 0)
        assert (await listener(daemon, "resume", "support"))[0] == 0
        await eventually(lambda: server.counters.open == 1)

        good = daemon.config.read_text()
        daemon.config.write_text(good + "colour = 1\n")
        daemon.process.send_signal(signal.SIGHUP)
        await eventually(lambda: daemon.events("reload.refused"))
        assert server.counters.open == 1

        daemon.config.write_text(good + 'poll_interval = "90s"\n')
        logins = server.counters.logins
        daemon.process.send_signal(signal.SIGHUP)
        await eventually(lambda: daemon.events("reload.applied"))
        await eventually(lambda: server.counters.logins == logins + 1)

        assert await daemon.stop() == 0
        assert daemon.events("daemon.stopped")[-1]["code"] == 0
        assert "Traceback" not in daemon.log()
        states = [line for line in told if line in ("READY=1", "RELOADING=1", "STOPPING=1")]
        assert states == ["READY=1", *["RELOADING=1", "READY=1"] * 2, "STOPPING=1"]
        code, _, err = await listener(daemon, "health", "--live")
        assert (code, err) == (1, "listener: no daemon answers: No such file or directory\n")


async def test_a_configuration_with_faults_is_refused_with_every_one_of_them(tmp_path):
    daemon = Daemon(tmp_path / "d", account(1, colour="red") + account(1))
    await daemon.start(ready=False)
    assert await asyncio.wait_for(daemon.process.wait(), 30) == 78
    assert "colour" in daemon.log()
    assert "Traceback" not in daemon.log()


async def test_an_account_whose_password_file_is_missing_does_not_stop_the_others(server, tmp_path):
    bad = account(server.port, "bad").replace('"password"', '"nowhere"')
    async with Daemon(tmp_path / "d", account(server.port) + bad) as daemon:
        await eventually(lambda: server.counters.logins)
        row = await eventually(lambda: in_trouble(daemon))
        assert "nowhere" in row["last_error"]


async def in_trouble(daemon):
    row = await daemon.account("bad")
    return row if row["last_error"] else None
