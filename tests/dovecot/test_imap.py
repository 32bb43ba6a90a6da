"""The daemon against a real Dovecot over TLS: nothing lost, nothing doubled, whatever happens to the mailbox meanwhile."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from daemon import Daemon, eventually

from dovecot.mail import account, batch, message
from dovecot.server import Dovecot

pytestmark = pytest.mark.dovecot


def settled(daemon: Daemon, count: int):
    """True once so many entries are there and none of them waits."""

    def look() -> bool:
        total = daemon.count("SELECT count(*) FROM entries")
        assert total <= count, f"{total} entries, expected {count}"
        return total == count and not daemon.count("SELECT count(*) FROM entries WHERE state IN ('accepted', 'filed') OR owed")

    return look


def flags(dovecot: Dovecot, user: str, folder: str = "INBOX", what: str = "seen") -> int:
    found = dovecot.doveadm("search", "-u", user, "mailbox", folder, what)
    return len(found.splitlines())


async def test_two_thousand_messages_become_cases_each_once(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 1500))
    dovecot.deliver(user, (message(f"a{n}", answers=n) for n in range(500)))
    async with Daemon(tmp_path, account(dovecot, user)) as daemon:
        await eventually(settled(daemon, 2000))
        assert daemon.count("SELECT count(*) FROM cases") == 1500
        assert daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 2000
        assert daemon.count("SELECT count(DISTINCT message_id) FROM messages") == 2000
        assert flags(dovecot, user) == 2000
        rows = await daemon.messages()
        assert len(rows) == 2000
        assert {row["state"] for row in rows} == {"done"}


async def test_mail_that_arrives_while_idling_becomes_a_case_at_once(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, [message("old")])
    async with Daemon(tmp_path, account(dovecot, user, start="now")) as daemon:
        await eventually(lambda: daemon.count("SELECT count(*) FROM baselines"))
        await eventually(lambda: idle(daemon))
        dovecot.deliver(user, [message(1)])
        await eventually(settled(daemon, 1), deadline=10)
        (row,) = await daemon.messages()
        assert row["message_id"] == "m1@example.net"
        assert row["case"]
        assert flags(dovecot, user) == 1, "the old message is none of our business"


async def idle(daemon: Daemon, name: str = "support") -> bool:
    return (await daemon.account(name))["state"] == "idle"


async def test_a_kill_in_the_middle_loses_nothing_and_doubles_nothing(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 1200))
    daemon = Daemon(tmp_path, account(dovecot, user))
    for floor in (1, 300, 700):
        await daemon.start(ready=False)
        await eventually(lambda floor=floor: ledger_has(daemon, floor))
        await daemon.kill()
    async with daemon:
        await eventually(settled(daemon, 1200))
        assert daemon.count("SELECT count(*) FROM cases") == 1200
        assert flags(dovecot, user) == 1200


def ledger_has(daemon: Daemon, count: int) -> bool:
    try:
        return daemon.count("SELECT count(*) FROM entries") >= count
    except Exception:  # not made yet
        return False


async def test_new_uidvalidity_with_mail_arriving_meanwhile(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 500))
    async with Daemon(tmp_path, account(dovecot, user)) as daemon:
        await eventually(settled(daemon, 500))
        await daemon.stop()
        dovecot.deliver(user, batch(500, 2))
        dovecot.doveadm("mailbox", "update", "-u", user, "--uid-validity", "4242", "INBOX")
        dovecot.deliver(user, batch(502, 1))
        await daemon.start()
        await eventually(settled(daemon, 503))
        assert daemon.count("SELECT count(*) FROM cases") == 503
        assert daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 503
        assert flags(dovecot, user) == 503


async def test_new_uidvalidity_while_idling_needs_no_restart(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 50))
    async with Daemon(tmp_path, account(dovecot, user)) as daemon:
        await eventually(settled(daemon, 50))
        dovecot.doveadm("mailbox", "update", "-u", user, "--uid-validity", "777", "INBOX")
        dovecot.deliver(user, batch(50, 3))
        await eventually(settled(daemon, 53))
        assert daemon.count("SELECT count(*) FROM cases") == 53


async def test_mail_from_before_the_baseline_stays_unread_after_new_uidvalidity(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, batch(0, 20))
    async with Daemon(tmp_path, account(dovecot, user, start="now")) as daemon:
        await eventually(lambda: idle(daemon))
        await daemon.stop()
        dovecot.doveadm("mailbox", "update", "-u", user, "--uid-validity", "99", "INBOX")
        dovecot.deliver(user, batch(20, 2))
        await daemon.start()
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 2)
        assert daemon.count("SELECT count(*) FROM cases") == 2
        assert flags(dovecot, user) == 2


async def test_a_renamed_folder_parks_alone_and_comes_back(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 2))
    dovecot.deliver(user, batch(10, 2), folder="Side")
    receiver = 'folders = ["INBOX", "Side"]\npoll_interval = "1s"'
    async with Daemon(tmp_path, account(dovecot, user, receiver=receiver)) as daemon:
        await eventually(settled(daemon, 4))
        dovecot.doveadm("mailbox", "rename", "-u", user, "Side", "Elsewhere")
        dovecot.deliver(user, batch(2, 1))
        await eventually(settled(daemon, 5))
        await eventually(lambda: daemon.events("folder.missing"))
        dovecot.doveadm("mailbox", "rename", "-u", user, "Elsewhere", "Side")
        dovecot.deliver(user, batch(12, 1), folder="Side")
        await eventually(settled(daemon, 6))


@pytest.mark.long
async def test_the_only_folder_deleted_while_idling_parks_the_account(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 1), folder="Cases")
    async with Daemon(tmp_path, account(dovecot, user, receiver='folders = ["Cases"]\npoll_interval = "1s"')) as daemon:
        await eventually(settled(daemon, 1))
        dovecot.doveadm("mailbox", "delete", "-u", user, "Cases")
        await eventually(lambda: parked(daemon))
        status, _ = await daemon.request("GET", "/readyz")
        assert status == 200, "one account's folder is not the daemon's readiness"


async def parked(daemon: Daemon) -> bool:
    row = await daemon.account("support")
    return row["state"] == "parked" and "Cases" in (row["last_error"] or "")


async def test_a_kick_is_survived(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    async with Daemon(tmp_path, account(dovecot, user)) as daemon:
        dovecot.deliver(user, batch(0, 1))
        await eventually(settled(daemon, 1))
        await eventually(lambda: idle(daemon))
        dovecot.doveadm("kick", user)
        dovecot.deliver(user, batch(1, 1))
        await eventually(settled(daemon, 2))


async def test_a_large_message_is_held_in_bounded_memory(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    line = b"QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVowMTIzNDU2Nzg5QUJDREVGR0hJSktMTU5PUFFSU1Q=\r\n"
    head = message("big").replace(
        b"\r\n\r\n", b"\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n", 1
    )
    async with Daemon(tmp_path, account(dovecot, user)) as daemon:
        await eventually(lambda: idle(daemon))
        before = peak(daemon)
        dovecot.deliver(user, [head + line * (25_000_000 // len(line))])
        await eventually(settled(daemon, 1))
        (row,) = await daemon.messages()
        assert row["state"] == "done"
        assert peak(daemon) - before < 130_000, "kilobytes more than before, for 25 MB"


def peak(daemon: Daemon) -> int:
    """Highest resident memory so far, in kilobytes."""
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


async def test_a_message_above_the_limit_is_quarantined_with_its_header_and_released(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, [message("big", body="x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * 2000), message("small")])
    async with Daemon(tmp_path, account(dovecot, user), more='[limits]\nmax_message = "100KB"') as daemon:
        await eventually(settled(daemon, 2))
        (held,) = await daemon.messages(state="quarantined")
        assert held["reason"].startswith("too_large")
        assert held["message_id"] == "mbig@example.net"
        assert flags(dovecot, user) == 1, "what we do not have is not acknowledged"
        status, answer = await daemon.request("POST", f"/api/v1/messages/{held['id']}/release")
        assert status == 200, answer
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 2)
        await eventually(lambda: flags(dovecot, user) == 2)


@pytest.mark.parametrize(("after", "left", "seen"), [("keep", 3, 0), ("delete", 0, 0), ("move:Done & away/Größe", 0, 0)])
async def test_what_happens_on_the_server_afterwards(
    dovecot: Dovecot, user: str, tmp_path: Path, after: str, left: int, seen: int
) -> None:
    dovecot.deliver(user, batch(0, 3))
    target = after.removeprefix("move:") if after.startswith("move:") else None
    if target:
        dovecot.doveadm("mailbox", "create", "-u", user, target)
    async with Daemon(tmp_path, account(dovecot, user, receiver=f'after = "{after}"')) as daemon:
        await eventually(settled(daemon, 3))
        await eventually(lambda: flags(dovecot, user, what="all") == left)
        assert flags(dovecot, user) == seen
        if target:
            assert flags(dovecot, user, target, "all") == 3


async def test_folder_names_with_spaces_quotes_and_other_alphabets(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    names = ["Mit Leerzeichen", 'with "quotes"', "Eingänge", "日本語"]
    for number, name in enumerate(names):
        dovecot.doveadm("mailbox", "create", "-u", user, name)
        dovecot.doveadm_save(user, name, message(number))
    toml = "folders = [" + ", ".join("'" + name + "'" for name in names) + "]"
    async with Daemon(tmp_path, account(dovecot, user, receiver=toml)) as daemon:
        await eventually(settled(daemon, 4))
        assert {row["message_id"] for row in await daemon.messages()} == {f"m{n}@example.net" for n in range(4)}


@pytest.mark.long
async def test_one_account_with_a_wrong_password_leaves_the_other_alone(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("not it\n")
    (tmp_path / "wrong").chmod(0o600)
    refused = account(dovecot, "other", name="refused").replace('"password"', '"wrong"')
    dovecot.deliver(user, batch(0, 5))
    async with Daemon(tmp_path, account(dovecot, user) + refused) as daemon:
        await eventually(settled(daemon, 5))
        await eventually(lambda: failed(daemon))
        assert (await daemon.request("GET", "/readyz"))[0] == 200
        assert "not it" not in daemon.log()


async def failed(daemon: Daemon) -> bool:
    return (await daemon.account("refused"))["state"] == "auth_failed"


async def test_the_same_mail_in_two_folders_is_one_case(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, [message(1)])
    dovecot.deliver(user, [message(1)], folder="Copy")
    async with Daemon(tmp_path, account(dovecot, user, receiver='folders = ["INBOX", "Copy"]')) as daemon:
        await eventually(settled(daemon, 2))
        assert daemon.count("SELECT count(*) FROM cases") == 1
        states = sorted((row["state"], (row["reason"] or "").split()[0:1]) for row in await daemon.messages())
        assert states == [("done", []), ("ignored", ["duplicate"])]


@pytest.mark.long
async def test_a_second_daemon_on_the_same_state_refuses(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    async with Daemon(tmp_path, account(dovecot, user)) as daemon:
        second = Daemon(tmp_path / "second", account(dovecot, user))
        second.state = daemon.state
        second.write(account(dovecot, user))
        await second.start(ready=False)
        assert await second.process.wait() == 75
        assert str(daemon.process.pid) in second.log()
        assert "Traceback" not in second.log()


@pytest.mark.long
async def test_sigterm_drains_and_ends_with_zero(dovecot: Dovecot, user: str, tmp_path: Path) -> None:
    dovecot.deliver(user, batch(0, 300))
    async with Daemon(tmp_path, account(dovecot, user)) as daemon:
        await eventually(lambda: ledger_has(daemon, 1))
        assert await daemon.stop(signal.SIGTERM) == 0
        await daemon.start()
        await eventually(settled(daemon, 300))
        assert daemon.count("SELECT count(*) FROM cases") == 300


async def test_a_missing_target_folder_is_told_and_the_mail_moves_once_it_is_there(
    dovecot: Dovecot, user: str, tmp_path: Path
) -> None:
    dovecot.deliver(user, batch(0, 2))
    async with Daemon(tmp_path, account(dovecot, user, receiver='after = "move:Filed"')) as daemon:
        await eventually(lambda: daemon.count("SELECT count(*) FROM entries WHERE state = 'done'") == 2)
        await eventually(lambda: told_of(daemon, "Filed"))
        assert flags(dovecot, user, what="all") == 2
        dovecot.doveadm("mailbox", "create", "-u", user, "Filed")
        await daemon.stop()
        await daemon.start()
        await eventually(settled(daemon, 2))
        assert flags(dovecot, user, "Filed", "all") == 2


async def told_of(daemon: Daemon, what: str) -> bool:
    return what in ((await daemon.account("support"))["last_error"] or "")
