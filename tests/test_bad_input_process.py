"""What may go wrong around the real process: one line says what it is and how to mend it, the exit code is as documented, and a
daemon that was running keeps running."""

import asyncio
import json
import os
import resource
import signal
import socket
import sqlite3
import sys
from contextlib import closing

import pytest
from conftest import needs
from daemon import Daemon, eventually

from listener.testing import ImapServer, make_message

TRY_AGAIN, CONFIGURATION = 75, 78


def account(port):
    return (
        f'[[accounts]]\nid = "support"\nstart = "all"\n[accounts.receiver]\nhost = "127.0.0.1"\nport = {port}\n'
        'security = "none"\nuser = "u"\npassword_file = "password"\n'
    )


async def refused(daemon, *before):
    """Start it: exit code and the reasons that it gave, one line each."""
    with daemon.log_file.open("ab") as log:
        words = (*before, sys.executable, "-m", "listener", "run", "--config", str(daemon.config))
        process = await asyncio.create_subprocess_exec(*words, stderr=log, stdout=log, env={**os.environ, **daemon.env})
    code = await asyncio.wait_for(process.wait(), 60)
    assert "Traceback" not in daemon.log()
    said = [line["error"] for line in daemon.events("daemon.refused")]
    return code, said or [line for line in daemon.log().splitlines() if line.startswith("listener: ")]


@pytest.fixture
async def server():
    async with ImapServer(users={"u": "secret"}) as running:
        yield running


@pytest.mark.long
async def test_a_ledger_of_a_newer_version_is_left_alone(tmp_path, server):
    async with Daemon(tmp_path / "d", account(server.port)) as daemon:
        await daemon.stop()
    with closing(sqlite3.connect(daemon.state / "ledger.sqlite3")) as ledger:
        (known,) = ledger.execute("PRAGMA user_version").fetchone()
        ledger.execute("PRAGMA user_version = 9999")
    octets = (daemon.state / "ledger.sqlite3").read_bytes()
    code, (said,) = await refused(daemon)
    assert code == TRY_AGAIN
    assert f"has version 9999, this Listener knows {known}: start the newer Listener again" in said
    assert (daemon.state / "ledger.sqlite3").read_bytes() == octets


WITHOUT_ROOTS_RIGHT = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search")
"""Root may write anywhere; without this capability it is held to modes as others are."""


@needs("setpriv", "util-linux", where=os.geteuid() == 0)  # root is held to no mode without it
async def test_a_read_only_state_directory_is_named_with_who_cannot_write_it(tmp_path, server):
    daemon = Daemon(tmp_path / "d", account(server.port))
    daemon.state.mkdir()
    daemon.state.chmod(0o500)
    code, (said,) = await refused(daemon, *(WITHOUT_ROOTS_RIGHT if os.geteuid() == 0 else ()))
    daemon.state.chmod(0o700)
    assert code == CONFIGURATION
    assert said == (
        f"listener.state_dir: {daemon.state} cannot be used: Permission denied; give a directory that Listener may write to"
    )


@pytest.mark.parametrize(("setting", "section"), [("token_file", "admin"), ("key_file", "listener")])
async def test_a_missing_credential_of_the_daemon_itself_is_a_fault_of_the_configuration(tmp_path, server, setting, section):
    daemon = Daemon(tmp_path / "d", account(server.port))
    text = daemon.config.read_text()
    daemon.config.write_text(text.replace(f"[{section}]\n", f'[{section}]\n{setting} = "nowhere"\n'))
    code, (said,) = await refused(daemon)
    assert code == CONFIGURATION
    assert f"{section}.{setting}: there is no file {tmp_path}/d/nowhere, nor a credential of that name" in said


@pytest.mark.parametrize("setting", ["bind", "probe_bind"])
async def test_a_port_in_use_is_named_with_the_setting_to_change(tmp_path, server, setting):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        daemon = Daemon(tmp_path / "d", account(server.port))
        places = {"bind": "127.0.0.1:0", "probe_bind": "127.0.0.1:0"} | {setting: place}
        lines = "".join(f'{name} = "{bound}"\n' for name, bound in places.items())
        daemon.config.write_text(daemon.config.read_text().replace('bind = "127.0.0.1:0"\n', lines))
        code, (said,) = await refused(daemon)
    assert code == TRY_AGAIN
    mend = "end what has it (`ss -ltnp` shows who), or name another"
    assert said == f"admin.{setting}: cannot listen on {place}: address already in use; {mend}"


@pytest.mark.long
async def test_a_lost_ledger_is_refused_once_there_was_one(tmp_path, server):
    env = {"LISTENER_BEGUN": str(tmp_path / "begun")}
    async with Daemon(tmp_path / "d", account(server.port), env=env) as daemon:
        await daemon.stop()
    for file in daemon.state.glob("ledger.sqlite3*"):
        file.unlink()
    code, (said,) = await refused(daemon)
    assert code == CONFIGURATION
    assert "is not there, and expect_state = true says that it should be: restore it" in said
    assert any(str(tmp_path / "begun") in line["said"] for line in daemon.events("configuration.warning"))


async def test_a_broken_reload_a_backup_onto_itself_and_a_full_disk_leave_a_running_daemon_running(tmp_path, server):
    async with Daemon(tmp_path / "d", account(server.port)) as daemon:
        server.deliver("INBOX", make_message(subject="Before"))
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 1)

        daemon.config.write_text(daemon.config.read_text() + 'colour = "red"\nport = 99999999\n')
        daemon.process.send_signal(signal.SIGHUP)
        faults = await eventually(lambda: daemon.events("reload.refused"))
        assert all(f"{daemon.config}:" in line["fault"] for line in faults)
        daemon.write(account(server.port))

        for target in (daemon.state / "ledger.sqlite3", daemon.state / "copy.sqlite3", daemon.config):
            code, said = await daemon.command("backup", str(target))
            assert code == 1
            assert said.count("\n") == 1, said
            assert str(target) in said
        code, said = await daemon.command("backup", str(tmp_path / "copy.sqlite3"))
        assert code == 0, said

        await check_a_full_disk(daemon, server)
        assert await daemon.stop() == 0
        assert "Traceback" not in daemon.log()


async def check_a_full_disk(daemon, server):
    """No file of the process may grow: to it that is a full disk."""
    least = min(path.stat().st_size for path in daemon.state.glob("ledger.sqlite3*"))
    unlimited = resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (min(least, 4096), unlimited[1]))
    server.deliver("INBOX", make_message(subject="While it is full"))
    await eventually(lambda: not_ready(daemon))
    assert (await daemon.request("GET", "/livez"))[0] == 200
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, unlimited)
    await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 2)
    assert (await daemon.request("GET", "/readyz"))[0] == 200


async def not_ready(daemon):
    status, said = await daemon.request("GET", "/readyz")
    return status == 503 and "ledger not writable" in json.dumps(said)
