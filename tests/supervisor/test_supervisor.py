"""The daemon's life: an account's failure is its own, and whatever ends a task, it goes on."""

import asyncio
import itertools
import socket
from typing import ClassVar

import pytest
from structlog.testing import capture_logs
from supervised import TOKEN, Rig, Stuck, configured, mail, supervised

from listener.errors import AuthenticationRefused, ConnectionLost, LedgerFailed, LedgerFull
from listener.ledger import Ledger
from listener.status import AccountState
from listener.supervisor import Supervisor


async def received(rig: Rig, account: str, count: int) -> bool:
    rows = await rig.ledger.messages(account=account, limit=1000)
    return len(rows) == count


def test_mail_of_every_account_is_received_while_idling(tmp_path):
    async def scenario(rig):
        for number, account in enumerate(("one", "two")):
            await rig.eventually(lambda account=account: rig.status(account).state == AccountState.IDLE)
            rig.store(account).deliver("INBOX", mail(number))
        await asyncio.sleep(5)
        assert [row["state"] for row in await rig.ledger.messages()] == ["done", "done"]

    assert supervised(configured(tmp_path, "one", "two"), scenario) == 0


def test_one_failing_account_is_a_row_on_a_page_and_the_others_go_on(tmp_path):
    async def refuse(rig, number):
        raise AuthenticationRefused("wrong password", setting="receiver.password_file")

    async def scenario(rig):
        await rig.eventually(lambda: rig.status("bad").state == AccountState.AUTH_FAILED)
        rig.store("good").deliver("INBOX", mail(1))
        await asyncio.sleep(5)
        assert await received(rig, "good", 1)
        assert "wrong password" in rig.status("bad").last_error
        assert rig.status("bad").next_retry > rig.loop.wall()

    assert supervised(configured(tmp_path, "good", "bad"), scenario, behaviour={"bad": refuse}) == 0


@pytest.mark.parametrize("how", ["raise", "return", "cancel", "exit"])
def test_a_session_that_ends_in_any_way_is_followed_by_another(tmp_path, how):
    class Ends(ConnectionLost):
        pass

    async def behave(rig, number):
        if number > 4:
            return None
        if how == "raise":
            raise RuntimeError("a fault of ours")
        if how == "cancel":
            raise asyncio.CancelledError
        if how == "exit":
            raise GeneratorExit
        return ReturnsAtOnce()

    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE and rig.count("one") == 5)
        if how != "return":
            assert rig.counted("task_restarts_total", task="account") == 4

    assert supervised(configured(tmp_path, "one"), scenario, behaviour={"one": behave}) == 0


class ReturnsAtOnce:
    """A mailbox without anything in it, whose session is over at once."""

    remarks: ClassVar[dict] = {}
    login_delay = 0.0
    idle_since = certificate_expiry = clock_skew = None

    async def folders(self):
        return ()

    async def baseline(self, folder, since):
        raise AssertionError

    async def pages(self, since):
        return
        yield

    async def wait(self):
        return False

    async def close(self):
        return ()


def test_a_server_that_drops_after_sign_in_sees_at_most_twelve_sign_ins_in_ten_minutes(tmp_path):
    class Drops(ReturnsAtOnce):
        async def wait(self):
            raise ConnectionLost("dropped")

    async def behave(rig, number):
        return Drops()

    async def scenario(rig):
        await asyncio.sleep(600)
        assert 4 <= rig.count("one") <= 12

    assert supervised(configured(tmp_path, "one"), scenario, behaviour={"one": behave}) == 0


def test_back_off_begins_anew_after_five_minutes_of_proven_survival(tmp_path):
    class Survives(ReturnsAtOnce):
        async def wait(self):
            await asyncio.sleep(301)
            raise ConnectionLost("dropped")

    async def behave(rig, number):
        if number <= 8:
            raise ConnectionLost("unreachable")
        return Survives()

    async def scenario(rig):
        await rig.eventually(lambda: rig.count("one") == 11, 3_000, pause=5)
        times = [at for _, at in rig.logins]
        waits = [later - earlier for earlier, later in itertools.pairwise(times)]
        assert waits[7] > 20, waits
        assert all(wait <= 301 + 2.1 for wait in waits[8:]), waits

    assert supervised(configured(tmp_path, "one"), scenario, behaviour={"one": behave}) == 0


@pytest.mark.parametrize("how", ["raise", "return", "cancel"])
def test_the_dispatcher_is_restarted_whatever_ends_it(tmp_path, how):
    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)
        due = rig.ledger.due_entries
        calls = 0

        async def ends(*args):
            nonlocal calls
            calls += 1
            if calls > 3:
                return await due(*args)
            if how == "cancel":
                raise asyncio.CancelledError
            if how == "raise":
                raise RuntimeError("a fault of ours")
            for part in rig.supervisor._dispatcher._running:
                part.stop()
            return []

        rig.ledger.due_entries = ends
        rig.store("one").deliver("INBOX", mail(1))
        await asyncio.sleep(120)
        assert [row["state"] for row in await rig.ledger.messages()] == ["done"]
        assert rig.counted("task_restarts_total", task="dispatcher") == 3

    assert supervised(configured(tmp_path, "one"), scenario) == 0


def test_a_full_ledger_keeps_mail_on_the_server_and_recovers_without_a_restart(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)
        assert (await rig.get("/readyz"))[0] == 200
        rig.ledger.failing = LedgerFull("disk full")
        rig.store("one").deliver("INBOX", mail(1))
        await asyncio.sleep(120)
        assert (await rig.get("/readyz"))[0] == 503
        assert (await rig.get("/livez"))[0] == 200
        assert rig.count("one") <= 2, "the server is left alone meanwhile"
        assert not rig.store("one")["INBOX"].messages[1].flags
        rig.ledger.failing = None
        await asyncio.sleep(30)
        assert (await rig.get("/readyz"))[0] == 200
        assert await received(rig, "one", 1)

    assert supervised(configured(tmp_path, "one"), scenario) == 0


def test_a_failed_ledger_ends_the_process_so_that_the_next_one_begins_from_what_is_there(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)
        rig.ledger.failing = LedgerFailed("I/O error")
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: rig.supervisor.health.draining, 60)

    assert supervised(configured(tmp_path, "one"), scenario) == 75


def test_a_second_daemon_on_the_same_state_is_refused_in_one_line(tmp_path):
    config = configured(tmp_path, "one")

    async def hold_and_try():
        ledger = await Ledger.open(config.listener.state_dir)
        try:
            return await Supervisor(config).run()
        finally:
            await ledger.close()

    with capture_logs() as logs:
        assert asyncio.run(hold_and_try()) == 75
    assert [line["event"] for line in logs] == ["daemon.refused"]


def test_an_address_in_use_is_one_line_and_exit_75_and_leaves_nothing_locked(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = configured(tmp_path, "one")
        admin = config.admin.model_copy(update={"bind": f"127.0.0.1:{taken.getsockname()[1]}"})
        with capture_logs() as logs:
            assert asyncio.run(refused(config.model_copy(update={"admin": admin}))) == 75
    (line,) = (line for line in logs if line["event"] == "daemon.refused")
    assert line["error"].startswith("admin.bind: cannot listen on 127.0.0.1:")


def test_a_hook_that_cannot_be_used_is_exit_78_with_every_fault(tmp_path):
    config = configured(tmp_path, "one", hooks=["python:no_such_module:Hook", "webhook:nowhere"])
    with capture_logs() as logs:
        assert asyncio.run(refused(config)) == 78
    assert [line["error"] for line in logs if line["event"] == "daemon.refused"]


async def refused(config):
    """The exit code of a daemon that does not start; afterwards its ledger is free again."""
    code = await Supervisor(config).run()
    await (await Ledger.open(config.listener.state_dir)).close()
    return code


def test_too_much_unprocessed_mail_stops_fetching_that_account_only(tmp_path):
    host = Stuck()

    async def scenario(rig):
        for number in range(300):
            rig.store("full").deliver("INBOX", mail(number))
            rig.store("other").deliver("INBOX", mail(1000 + number))
        await asyncio.sleep(60)
        held = len(await rig.ledger.messages(account="full", limit=1000))
        assert 100 <= held < 300
        assert await received(rig, "other", 300)
        host.go.set()
        await asyncio.sleep(60)
        assert await received(rig, "full", 300)

    config = configured(tmp_path, "full", "other", limits={"account_backlog": 100})
    full = config.accounts[0].model_copy(update={"hooks": ("python:stuck",)})
    config = config.model_copy(update={"accounts": (full, config.accounts[1])})
    assert supervised(config, scenario, hosts={"python:stuck": host}) == 0


def test_too_much_unprocessed_mail_of_all_accounts_stops_fetching_for_all_until_there_is_room(tmp_path):
    host = Stuck()

    async def scenario(rig):
        for number in range(300):
            rig.store("one").deliver("INBOX", mail(number))
            rig.store("two").deliver("INBOX", mail(1000 + number))
        await asyncio.sleep(60)
        assert 100 <= len(await rig.ledger.messages(limit=1000)) <= 400
        host.go.set()
        await asyncio.sleep(60)
        assert len(await rig.ledger.messages(limit=1000)) == 600

    config = configured(tmp_path, "one", "two", limits={"backlog": 100}, hooks=["python:stuck"])
    assert supervised(config, scenario, hosts={"python:stuck": host}) == 0


def test_a_fault_in_the_accounts_own_loop_costs_that_account_some_seconds_only(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)
        runner = rig.supervisor._fleet._members["one"].runner
        real, runner._judge = runner._judge, None
        rig.mailboxes["one"].lose()
        await rig.eventually(lambda: rig.counted("task_restarts_total", task="account"))
        runner._judge = real
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)

    assert supervised(configured(tmp_path, "one"), scenario) == 0


def test_systemd_hears_that_we_are_alive_only_while_loop_supervisor_and_ledger_progress(tmp_path):
    async def scenario(rig):
        alive = []
        rig.supervisor._notifier.alive = lambda: alive.append(rig.loop.time())
        await asyncio.sleep(60)
        assert 10 <= len(alive) <= 13
        rig.ledger.stalled = True
        await asyncio.sleep(20)
        alive.clear()
        await asyncio.sleep(120)
        assert not alive
        rig.ledger.stalled = False
        await asyncio.sleep(30)
        assert alive

    assert supervised(configured(tmp_path, "one"), scenario) == 0


def test_an_old_error_is_forgotten_after_five_minutes_of_success_and_not_before(tmp_path):
    async def behave(rig, number):
        if number == 1:
            raise ConnectionLost("the line was cut")

    async def scenario(rig):
        await rig.eventually(lambda: rig.count("one") == 2)
        await asyncio.sleep(200)
        assert rig.status("one").last_error == "ConnectionLost: the line was cut"
        await asyncio.sleep(110)
        assert rig.status("one").last_error is None

    assert supervised(configured(tmp_path, "one"), scenario, behaviour={"one": behave}) == 0


def test_a_paused_account_opens_no_session_until_it_is_resumed_also_over_a_restart(tmp_path):
    config = configured(tmp_path, "one")

    async def pause(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)
        await rig.supervisor._fleet.pause("one")
        await rig.eventually(lambda: rig.status("one").state == AccountState.STOPPED, 5)
        assert rig.mailboxes["one"]._closed

    async def resume(rig):
        await asyncio.sleep(600)
        assert rig.count("one") == 0
        await rig.supervisor._fleet.resume("one")
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE, 5)

    assert supervised(config, pause) == 0
    assert supervised(config, resume) == 0


def test_resume_ends_a_back_off(tmp_path):
    async def behave(rig, number):
        if number <= 4:
            raise AuthenticationRefused("wrong password")

    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.AUTH_FAILED)
        await rig.supervisor._fleet.resume("one")
        await rig.eventually(lambda: rig.count("one") == 4, 5)
        await rig.supervisor._fleet.resume("one")
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE, 5)

    assert supervised(configured(tmp_path, "one"), scenario, behaviour={"one": behave}) == 0


def test_resume_leaves_a_session_that_runs_alone(tmp_path):
    async def scenario(rig):
        await rig.eventually(lambda: rig.status("one").state == AccountState.IDLE)
        await rig.supervisor._fleet.resume("one")
        await asyncio.sleep(60)
        assert rig.count("one") == 1

    assert supervised(configured(tmp_path, "one"), scenario) == 0


def test_a_released_message_is_fetched_at_once(tmp_path):
    async def scenario(rig):
        rig.store("one").deliver("INBOX", mail(1, "x" * 100_000))
        await asyncio.sleep(5)
        (row,) = await rig.ledger.messages()
        assert (row["state"], row["reason"]) == ("quarantined", "too_large")
        status, answer = await rig.get(f"/api/v1/messages/{row['id']}/release", method="POST", token=TOKEN)
        assert (status, answer["account"]) == (200, "one")
        await asyncio.sleep(5)
        assert [row["state"] for row in await rig.ledger.messages()] == ["done"]

    assert supervised(configured(tmp_path, "one", limits={"max_message": "64KiB"}), scenario) == 0
