"""What the running daemon measures and what systemd hears: progress is shown, standstill is not."""

import asyncio
import socket

import pytest
from supervised import configured, mail, supervised

from listener.errors import Throttled
from listener.status import AccountState


@pytest.fixture
def heard(tmp_path, monkeypatch):
    """All that systemd was told so far."""
    lines = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiving:
        receiving.bind(str(tmp_path / "notify"))
        receiving.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")

        def so_far():
            while True:
                try:
                    lines.extend(receiving.recv(4096).decode().splitlines())
                except BlockingIOError:
                    return lines

        yield so_far


def test_systemd_hears_that_we_are_alive_only_while_the_ledgers_thread_moves(tmp_path, heard):
    async def scenario(rig):
        await rig.eventually(lambda: heard().count("WATCHDOG=1") >= 3)
        rig.ledger.stalled = True
        await rig.eventually(lambda: rig.supervisor.health.not_live())
        before = heard().count("WATCHDOG=1")
        await asyncio.sleep(180.0)
        assert heard().count("WATCHDOG=1") == before
        rig.ledger.stalled = False
        await rig.eventually(lambda: heard().count("WATCHDOG=1") > before)

    assert supervised(configured(tmp_path, "one"), scenario) == 0
    assert any(line.startswith("STATUS=ok: 1 idle") for line in heard())
    assert [line for line in heard() if line in ("READY=1", "STOPPING=1")] == ["READY=1", "STOPPING=1"]


def test_the_way_of_a_message_is_measured_from_fetch_to_case(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: rig.counted("messages_filed_total") == 1)
        assert rig.counted("messages_staged_total", protocol="imap") == 1
        assert rig.counted("fetch_to_stage_seconds_count", protocol="imap") == 1
        assert rig.counted("db_commit_seconds_count") > 0
        await rig.eventually(lambda: rig.counted("event_loop_lag_seconds_count") > 0)

    assert supervised(configured(tmp_path, "one"), scenario) == 0


def test_ids_given_anew_are_counted_with_their_cause(tmp_path):
    async def scenario(rig):
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: rig.counted("messages_filed_total") == 1)
        rig.store("one")["INBOX"].renumber(7)
        rig.supervisor._fleet._members["one"].runner.wake()
        await rig.eventually(lambda: rig.counted("reconciles_total", protocol="imap", cause="uidvalidity") == 1)

    assert supervised(configured(tmp_path, "one"), scenario) == 0


def test_patience_that_a_server_asks_for_is_counted_in_times_and_seconds(tmp_path):
    async def throttle(rig, number):
        if number == 1:
            raise Throttled("too many requests", retry_after=30.0)

    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)
        about = {"provider": "custom", "reason": "retry_after"}
        assert rig.counted("throttled_total", **about) == 1
        assert 30.0 <= rig.counted("throttle_wait_seconds_total", **about) <= 33.0
        assert rig.counted("reconnects_total", provider="custom", reason="throttled") == 1

    assert supervised(configured(tmp_path, "one"), scenario, behaviour={"one": throttle}) == 0
