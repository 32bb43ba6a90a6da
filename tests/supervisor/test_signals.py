"""SIGTERM drains in a fixed order, a second one ends at once; SIGHUP restarts what changed and nothing else."""

import asyncio
import os
import signal

import pytest
from structlog.testing import capture_logs
from supervised import Stuck, configured, mail, supervised

from listener.errors import ConfigurationError, Fault
from listener.status import AccountState
from listener.testing.mailbox import FakeMailbox


def with_hooks(config, *hooks, of=0):
    changed = config.accounts[of].model_copy(update={"hooks": hooks})
    return config.model_copy(update={"accounts": (*config.accounts[:of], changed, *config.accounts[of + 1 :])})


class Noting(FakeMailbox):
    """Notes when it is closed."""

    def __init__(self, store, notes):
        super().__init__(store)
        self.notes = notes

    async def close(self):
        self.notes.append("mailbox")
        return await super().close()


# --- SIGTERM ----------------------------------------------------------------------------------------------------------


def test_sigterm_drains_in_the_order_hooks_mailboxes_ledger(tmp_path):
    notes = []
    host = Stuck()

    async def noting(rig, number):
        return Noting(rig.store("one"), notes)

    async def scenario(rig):
        rig.supervisor._notifier.stopping = lambda status: notes.append("STOPPING=1")
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: host.calls)
        close, stop = rig.ledger.close, host.stop

        async def closing():
            notes.append("ledger")
            await close()

        async def stopping():
            notes.append("hooks")
            await stop()

        rig.ledger.close, host.stop = closing, stopping
        os.kill(os.getpid(), signal.SIGTERM)
        await rig.eventually(lambda: rig.supervisor.health.draining)
        assert (await rig.get("/readyz"))[0] == 503
        assert (await rig.get("/livez"))[0] == 200
        rig.store("one").deliver("INBOX", mail(2))
        await asyncio.sleep(3)
        assert len(await rig.ledger.messages()) == 1, "nothing is fetched any more"
        host.go.set()

    config = with_hooks(configured(tmp_path, "one"), "python:stuck")
    assert supervised(config, scenario, hosts={"python:stuck": host}, behaviour={"one": noting}) == 0
    assert notes == ["STOPPING=1", "hooks", "mailbox", "ledger"]


def test_a_hook_that_does_not_end_is_cut_short_after_its_grace_and_is_due_again(tmp_path):
    host = Stuck()
    config = with_hooks(configured(tmp_path, "one"), "python:stuck")

    async def interrupted(rig):
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: host.calls)
        began = rig.loop.time()
        rig.supervisor.terminate()
        await rig.eventually(lambda: host.stopped)
        assert 29 < rig.loop.time() - began < 45

    async def again(rig):
        host.go.set()
        await rig.eventually(lambda: len(host.calls) == 2)

    assert supervised(config, interrupted, hosts={"python:stuck": host}) == 0
    assert supervised(config, again, hosts={"python:stuck": host}) == 0


def test_a_message_in_flight_is_stored_before_the_session_ends(tmp_path):
    class Slow(FakeMailbox):
        async def fetch(self, listings, *, limit):
            await asyncio.sleep(5)
            async for fetched in super().fetch(listings, limit=limit):
                yield fetched

    async def slow(rig, number):
        return Slow(rig.store("one"))

    async def scenario(rig):
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: rig.status("one").state == AccountState.RECEIVING)
        rig.supervisor.terminate()

    async def look(rig):
        assert len(await rig.ledger.messages()) == 1

    config = configured(tmp_path, "one")
    assert supervised(config, scenario, behaviour={"one": slow}) == 0
    assert supervised(config, look) == 0


def test_a_server_that_never_hands_over_is_not_waited_for_longer_than_ten_seconds(tmp_path):
    class Dead(FakeMailbox):
        async def fetch(self, listings, *, limit):
            await asyncio.Event().wait()
            yield

    async def dead(rig, number):
        return Dead(rig.store("one"))

    async def scenario(rig):
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: rig.status("one").state == AccountState.RECEIVING)
        began, status = rig.loop.time(), rig.status("one")
        rig.supervisor.terminate()
        await rig.eventually(lambda: status.state == AccountState.STOPPED)
        assert rig.loop.time() - began < 15

    assert supervised(configured(tmp_path, "one"), scenario, behaviour={"one": dead}) == 0


def test_no_session_is_begun_while_draining(tmp_path):
    host = Stuck()

    async def scenario(rig):
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: host.calls)
        rig.supervisor.terminate()
        await rig.eventually(lambda: rig.supervisor.health.draining)
        rig.mailboxes["one"].lose()
        await asyncio.sleep(20)
        assert rig.count("one") == 1
        host.go.set()

    config = with_hooks(configured(tmp_path, "one"), "python:stuck")
    assert supervised(config, scenario, hosts={"python:stuck": host}) == 0


def test_the_second_sigterm_ends_at_once(tmp_path):
    host = Stuck()

    async def scenario(rig):
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: host.calls)
        os.kill(os.getpid(), signal.SIGTERM)
        await rig.eventually(lambda: rig.supervisor.health.draining)
        os.kill(os.getpid(), signal.SIGTERM)
        await rig.eventually(lambda: rig.ended_at_once)
        assert rig.ended_at_once == [1]
        host.go.set()

    supervised(with_hooks(configured(tmp_path, "one"), "python:stuck"), scenario, hosts={"python:stuck": host})


# --- SIGHUP -----------------------------------------------------------------------------------------------------------


async def all_idle(rig):
    await rig.eventually(lambda: all(s.state == AccountState.IDLE for s in rig.supervisor.health.statuses()))


def changed(config, id, **update):
    accounts = (
        a.model_copy(update={"receiver": a.receiver.model_copy(update=update)}) if a.id == id else a for a in config.accounts
    )
    return config.model_copy(update={"accounts": tuple(accounts)})


def test_a_reload_reconnects_only_the_one_of_a_hundred_accounts_that_changed(tmp_path):
    config = configured(tmp_path, *(f"a{n}" for n in range(100)))

    async def scenario(rig):
        await all_idle(rig)
        rig.logins.clear()
        rig.reread = lambda: changed(config, "a42", user="another")
        os.kill(os.getpid(), signal.SIGHUP)
        await rig.eventually(lambda: rig.logins)
        await asyncio.sleep(60)
        assert [id for id, _ in rig.logins] == ["a42"]
        assert [s.id for s in rig.supervisor.health.statuses()] == [a.id for a in config.accounts]

    assert supervised(config, scenario) == 0


def test_a_reload_ends_removed_accounts_and_starts_added_ones(tmp_path):
    before, after = configured(tmp_path, "one", "two"), configured(tmp_path, "two", "three")

    async def scenario(rig):
        await all_idle(rig)
        rig.reread = lambda: after
        rig.supervisor.reload()
        await rig.eventually(lambda: rig.count("three"))
        await all_idle(rig)
        assert [s.id for s in rig.supervisor.health.statuses()] == ["two", "three"]
        assert rig.count("two") == 1
        assert rig.mailboxes["one"]._closed

    assert supervised(before, scenario) == 0


def test_an_invalid_configuration_changes_nothing_and_every_fault_is_logged(tmp_path):
    def refuse():
        raise ConfigurationError([Fault("a", "is wrong", "f.toml", 3), Fault("b", "is worse", "f.toml", 5)])

    async def scenario(rig):
        await all_idle(rig)
        rig.reread = refuse
        with capture_logs() as logs:
            rig.supervisor.reload()
            await asyncio.sleep(20)
        said = [line["fault"] for line in logs if line["event"] == "reload.refused"]
        assert said == ["f.toml:3: a: is wrong", "f.toml:5: b: is worse"]
        assert rig.count("one") == 1
        assert rig.status("one").state == AccountState.IDLE

    assert supervised(configured(tmp_path, "one"), scenario) == 0


def test_a_hook_that_cannot_start_refuses_the_whole_reload(tmp_path):
    class Broken(Stuck):
        async def start(self):
            raise ConfigurationError([Fault("accounts.one.hooks", "no such module")])

    config = configured(tmp_path, "one")

    async def scenario(rig):
        await all_idle(rig)
        rig.reread = lambda: with_hooks(changed(config, "one", user="another"), "python:broken")
        rig.supervisor.reload()
        await asyncio.sleep(20)
        assert rig.count("one") == 1
        assert rig.supervisor.config is config

    assert supervised(config, scenario, hosts={"python:broken": Broken()}) == 0


def test_mail_of_a_removed_account_is_still_handled_by_its_hooks(tmp_path):
    host = Stuck()
    before = with_hooks(configured(tmp_path, "one", "two"), "python:stuck")
    after = configured(tmp_path, "two")

    async def scenario(rig):
        for number in range(20):
            rig.store("one").deliver("INBOX", mail(number))
        await rig.eventually(lambda: host.calls)
        rig.reread = lambda: after
        rig.supervisor.reload()
        await rig.eventually(lambda: [s.id for s in rig.supervisor.health.statuses()] == ["two"])
        host.go.set()
        await asyncio.sleep(10)
        assert {row["state"] for row in await rig.ledger.messages()} == {"done"}
        assert len(host.calls) == 20

    assert supervised(before, scenario, hosts={"python:stuck": host}) == 0


def test_a_new_hook_is_used_from_the_reload_on_and_a_removed_one_is_stopped(tmp_path):
    old, new = Stuck(), Stuck()
    old.go.set()
    new.go.set()
    before = with_hooks(configured(tmp_path, "one"), "python:old")

    async def scenario(rig):
        rig.store("one").deliver("INBOX", mail(1))
        await rig.eventually(lambda: old.calls)
        rig.reread = lambda: with_hooks(before, "python:new")
        rig.supervisor.reload()
        await rig.eventually(lambda: old.stopped)
        await all_idle(rig)
        rig.store("one").deliver("INBOX", mail(2))
        await rig.eventually(lambda: new.calls)
        assert len(old.calls) == 1

    assert supervised(before, scenario, hosts={"python:old": old, "python:new": new}) == 0


@pytest.mark.parametrize("table", ["listener", "admin"])
def test_settings_that_need_a_restart_say_so_and_keep_their_old_value(tmp_path, table):
    config = configured(tmp_path, "one")
    update = {"listener": {"state_dir": tmp_path / "other"}, "admin": {"probe_bind": "127.0.0.1:0"}}[table]
    new = config.model_copy(update={table: getattr(config, table).model_copy(update=update)})

    async def scenario(rig):
        await all_idle(rig)
        rig.reread = lambda: new
        with capture_logs() as logs:
            rig.supervisor.reload()
            await asyncio.sleep(20)
        assert "reload.restart_needed" in [line["event"] for line in logs]
        assert getattr(rig.supervisor.config, table) == getattr(config, table)
        assert rig.count("one") == 1

    assert supervised(config, scenario) == 0


def test_limits_that_all_accounts_share_say_that_they_need_a_restart(tmp_path):
    config = configured(tmp_path, "one")

    async def scenario(rig):
        await all_idle(rig)
        rig.reread = lambda: configured(tmp_path, "one", limits={"login_rate": 3})
        with capture_logs() as logs:
            rig.supervisor.reload()
            await asyncio.sleep(20)
        assert [line["settings"] for line in logs if line["event"] == "reload.restart_needed"] == [["login_rate"]]

    assert supervised(config, scenario) == 0
