"""The daemon against a real Dovecot over POP3: TLS and STLS, kept or deleted, and unique-ids given anew."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemon import Daemon, eventually

from dovecot.mail import batch, message
from dovecot.server import Dovecot
from dovecot.test_imap import ledger_has, settled

pytestmark = pytest.mark.dovecot


def account(server: Dovecot, user: str, *, receiver: str = "", start: str = "all") -> str:
    return f"""
[[accounts]]
id = "support"
address = "support@example.com"
start = "{start}"
[accounts.receiver]
protocol = "pop3"
host = "localhost"
port = {server.pop3s}
user = "{user}"
password_file = "password"
truststore_file = "{server.ca_file}"
poll_interval = "1s"
{receiver}
"""


def left(dovecot: Dovecot, user: str) -> int:
    return len(dovecot.doveadm("search", "-u", user, "mailbox", "INBOX", "all").splitlines())


async def test_kept_mail_is_filed_once_however_often_it_is_listed(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 300))
    async with Daemon(tmp_path, account(dovecot, user)) as daemon:
        await eventually(settled(daemon, 300))
        dovecot.deliver(user, batch(300, 5))
        await eventually(settled(daemon, 305))
        assert daemon.count("SELECT count(*) FROM cases") == 305
        assert left(dovecot, user) == 305


async def test_deleted_mail_is_gone_only_once_it_is_stored(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 400))
    daemon = Daemon(tmp_path, account(dovecot, user, receiver='after = "delete"'))
    await daemon.start(ready=False)
    await eventually(lambda: ledger_has(daemon, 1))
    await daemon.kill()
    assert daemon.count("SELECT count(*) FROM raw") + left(dovecot, user) >= 400, "each is here or there"
    async with daemon:
        await eventually(settled(daemon, 400))
        await eventually(lambda: left(dovecot, user) == 0)
        assert daemon.count("SELECT count(*) FROM cases") == 400


async def test_start_now_leaves_what_is_there(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 10))
    async with Daemon(tmp_path, account(dovecot, user, start="now")) as daemon:
        await eventually(lambda: daemon.count("SELECT count(*) FROM baselines"))
        dovecot.deliver(user, batch(10, 2))
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 2)
        assert daemon.count("SELECT count(*) FROM entries WHERE reason = 'before_baseline'") == 10


async def test_unique_ids_given_anew_double_nothing(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 60))
    async with Daemon(tmp_path, account(dovecot, user)) as daemon:
        await eventually(settled(daemon, 60))
        await daemon.stop()
        dovecot.doveadm("mailbox", "update", "-u", user, "--uid-validity", "31337", "INBOX")
        dovecot.deliver(user, batch(60, 3))
        await daemon.start()
        await eventually(lambda: daemon.count("SELECT count(*) FROM cases") == 63)
        await eventually(settled(daemon, 63))


async def test_stls_is_taken_up(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, [message(1)])
    async with Daemon(tmp_path, in_clear(dovecot, user)) as daemon:
        await eventually(settled(daemon, 1))


@pytest.mark.long
async def test_a_wrong_password_fails_the_account_by_name(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    daemon = Daemon(tmp_path, in_clear(dovecot, user))
    (tmp_path / "password").write_text("nonsense")
    async with daemon:
        await eventually(lambda: refused(daemon))
        assert "nonsense" not in daemon.log()


def in_clear(dovecot: Dovecot, user: str) -> str:
    """The account on the port where TLS begins by STLS."""
    return account(dovecot, user, receiver='security = "starttls"').replace(f"port = {dovecot.pop3s}", f"port = {dovecot.pop3}")


async def refused(daemon: Daemon) -> bool:
    row = await daemon.account("support")
    return row["state"] == "auth_failed" and "server says" in row["last_error"]
