"""Accounts made in the console: kept, merged with the files, applied at once, refused with every fault at its field."""

import asyncio

import pytest
from accounts_house import CANARY, USER, lived_in, mail, settings

from listener.errors import ConfigurationError, Refused
from listener.ledger import EditedMeanwhile
from listener.testing.imap import ImapServer

FILE_ACCOUNT = """
[[accounts]]
id = "fromfile"
start = "all"
[accounts.receiver]
host = "127.0.0.1"
port = {port}
security = "none"
user = "support@example.com"
password_file = "password"
"""


def fields(error):
    return {fault.setting for fault in error.value.faults}


async def test_a_new_account_waits_until_it_is_switched_on_and_then_receives(house, server):
    server.deliver("INBOX", mail(1))
    made = await house.made(server, on=False)
    assert (made["source"], made["version"], made["paused"], made["editable"]) == ("ledger", 1, True, True)
    await house.until(lambda: house.state("support") == "stopped")
    assert server.counters.logins == 0
    await house.verbs.resume("support")
    (row,) = await house.filed(1)
    assert row["account"] == "support"


async def test_it_is_there_after_a_restart_of_the_daemon_still_paused_with_its_password(house, server):
    await house.made(server, on=False)
    await house.again()
    assert house.state("support") in ("starting", "stopped")
    await house.verbs.resume("support")
    await house.until(lambda: house.state("support") == "idle")


async def test_changing_one_account_leaves_the_sessions_of_the_others_alone(house, server):
    async with ImapServer(users={USER: CANARY}) as other:
        await house.made(server)
        await house.made(other, "sales")
        await house.until(lambda: house.state("support") == house.state("sales") == "idle")
        renamed = settings(server, name="New name", password={"set": True})
        changed = await house.verbs.update_account("support", {"settings": renamed, "version": 1})
        await house.until(lambda: server.counters.logins == 2 and house.state("support") == "idle")
        assert (changed["version"], changed["name"], changed["paused"]) == (2, "New name", False)
        assert other.counters.connections == 1


async def test_a_new_password_is_used_at_once(house, server):
    server.users[USER] = "the new one"
    await house.made(server)
    await house.until(lambda: server.counters.refused_logins)
    await house.verbs.update_account("support", {"settings": settings(server, password="the new one"), "version": 1})
    await house.until(lambda: house.state("support") == "idle")


async def test_an_edit_of_what_was_edited_meanwhile_is_refused_and_says_the_present_version(house, server):
    await house.made(server)
    await house.verbs.update_account("support", {"settings": settings(server, name="First"), "version": 1})
    with pytest.raises(EditedMeanwhile) as refused:
        await house.verbs.update_account("support", {"settings": settings(server, name="Second"), "version": 1})
    assert refused.value.version == 2
    assert (await house.verbs.account("support"))["name"] == "First"


async def test_of_two_edits_at_the_same_time_one_is_refused(house, server):
    await house.made(server)
    edits = [house.verbs.update_account("support", {"settings": settings(server, name=n), "version": 1}) for n in ("A", "B")]
    done = await asyncio.gather(*edits, return_exceptions=True)
    assert sorted(type(one).__name__ for one in done) == ["EditedMeanwhile", "dict"]


async def test_every_fault_is_told_at_once_at_its_field_and_nothing_is_kept(house, server):
    wrong = settings(server, id="not good!", password="", hooks=["webhook:nowhere"], after="never")
    wrong["receiver"] |= {"port": 99999, "security": "tsl", "truststore": "no certificate", "foldrs": ["INBOX"]}
    with pytest.raises(ConfigurationError) as refused:
        await house.verbs.create_account({"settings": wrong})
    assert fields(refused) >= {
        *("id", "hooks[0]", "after", "receiver.port", "receiver.security", "receiver.foldrs", "receiver.password"),
        "receiver.truststore",
    }
    assert not any("_file" in fault.reason for fault in refused.value.faults)
    assert house.book.ids("account") == []


async def test_an_id_that_a_file_has_is_a_fault_at_the_field_whatever_its_case(tmp_path, server):
    async with lived_in(tmp_path, FILE_ACCOUNT.format(port=server.port)) as house:
        with pytest.raises(ConfigurationError) as refused:
            await house.verbs.create_account({"settings": settings(server, "FromFile")})
        assert fields(refused) == {"id"}
        assert "listener.toml:" in refused.value.faults[0].reason


async def test_an_account_of_a_file_is_shown_with_its_place_and_cannot_be_edited(tmp_path, server):
    async with lived_in(tmp_path, FILE_ACCOUNT.format(port=server.port)) as house:
        shown = await house.verbs.account("fromfile")
        assert (shown["source"], shown["editable"], shown["version"]) == ("file", False, None)
        assert shown["file"].startswith(str(house.file))
        assert shown["settings"]["receiver"]["password_file"] == str(tmp_path / "password")
        before = house.file.read_text()
        from listener.admin.routes import BadRequest

        with pytest.raises(BadRequest, match=r"listener\.toml"):
            await house.verbs.update_account("fromfile", {"settings": settings(server, "fromfile"), "version": 1})
        assert house.file.read_text() == before
        assert [row["source"] for row in await house.verbs.accounts()] == ["file"]


async def test_at_a_reload_one_id_in_a_file_and_in_the_ledger_is_a_fault_and_everything_goes_on_as_it_was(house, server, capfd):
    await house.made(server)
    await house.until(lambda: house.state("support") == "idle")
    house.write(FILE_ACCOUNT.format(port=server.port).replace("fromfile", "support"))
    await house.reload()
    assert (await house.verbs.account("support"))["source"] == "ledger"
    assert "account.support.id" in capfd.readouterr().out
    assert server.counters.logins == 1


async def test_at_the_start_the_ones_of_the_ledger_is_parked_with_the_reason_and_the_daemon_starts(house, server):
    await house.made(server)
    house.write(FILE_ACCOUNT.format(port=server.port).replace("fromfile", "support"))
    await house.again()
    await house.until(lambda: house.state("support") == "idle")
    shown = await house.verbs.account("support")
    assert shown["source"] == "file"
    assert "remove one of them" in shown["parked"]
    await house.verbs.delete_account("support", shown["version"])
    assert (await house.verbs.account("support"))["parked"] is None


async def test_what_cannot_run_any_more_is_parked_and_shown_and_the_others_run(house, server):
    house.write('[webhook.crm]\nurl = "https://crm.example.com/in"\n')
    await house.reload()
    await house.made(server, hooks=["webhook:crm"])
    await house.made(server, "sales")
    house.write()
    await house.again()
    assert house.state("support") == "parked"
    assert "webhook.crm" in house.error("support")
    await house.until(lambda: house.state("sales") == "idle")
    mended = settings(server, password={"set": True})
    await house.verbs.update_account("support", {"settings": mended, "version": 1})
    await house.until(lambda: house.state("support") == "idle")


async def test_a_reload_that_would_break_a_kept_account_is_refused(house, server, capfd):
    house.write('[webhook.crm]\nurl = "https://crm.example.com/in"\n')
    await house.reload()
    await house.made(server, hooks=["webhook:crm"])
    house.write()
    await house.reload()
    assert "account.support.hooks[0]" in capfd.readouterr().out
    assert "crm" in house.daemon.config.webhook


async def test_deleting_an_account_ends_its_session_keeps_its_mail_and_guards_its_id(house, server):
    server.deliver("INBOX", mail(1))
    await house.made(server)
    await house.filed(1)
    await house.verbs.delete_account("support", 1)
    assert house.state("support") is None
    assert [row["account"] for row in await house.ledger.messages()] == ["support"]
    assert await house.ledger.secret("account/support/receiver.password") is None
    with pytest.raises(Refused, match="history goes on"):
        await house.verbs.create_account({"settings": settings(server)})
    server.deliver("INBOX", mail(2))
    await house.verbs.create_account({"settings": settings(server), "continue_history": True})
    await house.verbs.resume("support")
    assert [row["subject"] for row in await house.filed(2)] == ["number 1", "number 2"]


async def test_restart_opens_another_session_of_that_account_alone(house, server):
    await house.made(server)
    await house.until(lambda: house.state("support") == "idle")
    await house.verbs.restart("support")
    await house.until(lambda: server.counters.logins == 2 and house.state("support") == "idle")


async def test_a_kept_secret_goes_with_the_way_of_signing_in_that_it_was_for(house, server):
    await house.verbs.create_profile({"settings": profile()})
    await house.made(server, on=False)
    by_profile = settings(server)
    del by_profile["receiver"]["password"]
    by_profile["receiver"]["oauth"] = "entra"
    await house.verbs.update_account("support", {"settings": by_profile, "version": 1})
    assert house.kept("support").secrets == {}
    assert await house.ledger.secret("account/support/receiver.password") is None


def profile(**more):
    base = {"id": "entra", "grant": "client_credentials", "issuer": "custom", "client_id": "me"}
    return base | {"token_url": "https://127.0.0.1:1/token", "client_secret": CANARY} | more


async def test_a_profile_that_is_used_cannot_be_deleted_and_says_by_whom(house, server):
    made = await house.verbs.create_profile({"settings": profile()})
    assert made["settings"]["client_secret"] == {"set": True}
    await house.made(server, on=False, receiver={"oauth": "entra", "password": None})
    assert (await house.verbs.profile("entra"))["used_by"] == ["support"]
    with pytest.raises(Refused, match="support"):
        await house.verbs.delete_profile("entra", 1)
    await house.verbs.delete_account("support", 1)
    await house.verbs.delete_profile("entra", 1)
    assert await house.verbs.profiles() == []


async def test_a_check_says_what_presets_fill_in_and_every_fault_without_keeping_anything(house):
    wanted = {"id": "g", "provider": "gmail", "address": "a@gmail.com", "receiver": {}}
    found = await house.verbs.check_account({"settings": wanted})
    assert found["effective"]["receiver"]["host"] == "imap.gmail.com"
    assert [fault["field"] for fault in found["faults"]] == ["receiver.password"]
    assert house.book.ids("account") == []


async def test_no_secret_is_in_the_ledgers_file_in_a_log_or_in_an_answer(house, server, capfd, tmp_path):
    import json

    made = await house.made(server)
    await house.until(lambda: house.state("support") == "idle")
    await house.verbs.create_profile({"settings": profile()})
    wrong = settings(server, id="other", after="never")
    with pytest.raises(ConfigurationError) as refused:
        await house.verbs.create_account({"settings": wrong})
    answers = [made, await house.verbs.account("support"), await house.verbs.profiles(), await house.verbs.accounts()]
    answers += [await house.verbs.export_account("support"), await house.ledger.account_events("support")]
    answers += [await house.ledger.access.audit(limit=100) if hasattr(house.ledger.access, "audit") else []]
    said = json.dumps(answers, default=str) + repr(house.daemon.config) + str(refused.value) + repr(house.kept("support"))
    out, err = capfd.readouterr()
    octets = b"".join(path.read_bytes() for path in (tmp_path / "state").iterdir() if path.is_file())
    assert CANARY not in said + out + err
    assert CANARY.encode() not in octets


async def test_a_template_that_cannot_be_used_is_refused_at_its_field_and_one_that_can_is_kept(house, server):
    sender = {"host": "127.0.0.1", "port": 1, "security": "none", "user": USER, "password": CANARY}
    broken = settings(server, address=USER, sender=sender, reply={"template": "{{ case"})
    with pytest.raises(ConfigurationError) as refused:
        await house.verbs.create_account({"settings": broken})
    assert fields(refused) == {"reply.template"}
    assert house.book.ids("account") == []
    good = settings(server, address=USER, sender=sender, reply={"template": "Thank you."})
    made = await house.verbs.create_account({"settings": good})
    assert made["settings"]["reply"]["template"] == "Thank you."
    assert made["settings"]["sender"]["password"] == {"set": True}


async def test_a_change_that_the_storage_refuses_changes_nothing(house, server, monkeypatch):
    from listener.errors import LedgerFull

    await house.made(server)
    await house.until(lambda: house.state("support") == "idle")

    async def full(*args):
        raise LedgerFull("no room")

    monkeypatch.setattr(house.ledger.kept, "change", full)
    with pytest.raises(LedgerFull):
        await house.verbs.update_account("support", {"settings": settings(server, name="New"), "version": 1})
    assert (await house.verbs.account("support"))["name"] == "The support desk"
    assert house.state("support") == "idle"
    assert server.counters.logins == 1


async def test_who_gives_up_waiting_for_a_change_finds_it_whole_all_the_same(house, server):
    await house.made(server)
    await house.until(lambda: house.state("support") == "idle")
    edit = house.verbs.update_account("support", {"settings": settings(server, name="New"), "version": 1})
    waiting = asyncio.create_task(edit)
    await house.until(lambda: house.daemon._steering.lock.locked())
    waiting.cancel()
    await asyncio.wait({waiting})
    shown = await house.verbs.account("support")
    assert (shown["name"], shown["version"]) in (("New", 2), ("The support desk", 1))
    assert house.daemon.config.account("support").name == shown["name"]
    await house.until(lambda: house.state("support") == "idle")


async def test_every_order_is_in_the_audit_by_who_gave_it_and_without_values(house, server):
    verbs = house.verbs.by("alice")
    await verbs.create_account({"settings": settings(server)})
    await verbs.delete_account("support", 1)
    audit = await house.verbs.audit()
    assert {(row["who"], row["action"]) for row in audit} >= {("alice", "account.create"), ("alice", "account.delete")}
    assert CANARY not in str(audit)


async def test_after_the_key_was_changed_the_account_signs_in_as_before(house, server):
    await house.made(server)
    await house.until(lambda: house.state("support") == "idle")
    assert (await house.verbs.rotate_key())["sealed"] == 1
    await house.verbs.restart("support")
    await house.until(lambda: server.counters.logins == 2 and house.state("support") == "idle")


async def test_without_the_key_the_account_says_so_and_a_password_given_anew_mends_it(house, server):
    await house.made(server)
    await house.stop()
    for key in (house.folder / "state").glob("listener-key*"):
        key.unlink()
    await house.start()
    await house.until(lambda: "cannot be opened with the present key" in (house.error("support") or ""))
    await house.verbs.update_account("support", {"settings": settings(server), "version": 1})
    await house.until(lambda: house.state("support") == "idle")


async def test_a_sealed_secret_cannot_be_put_in_the_place_of_anothers(house, server):
    await house.made(server, "one", on=False)
    await house.made(server, "two", on=False)
    stolen = await house.ledger.secret("account/one/receiver.password")
    await house.ledger.set_secret("account/two/receiver.password", stolen)
    await house.verbs.resume("two")
    await house.until(lambda: "cannot be opened" in (house.error("two") or ""))
    assert server.counters.logins == 0
