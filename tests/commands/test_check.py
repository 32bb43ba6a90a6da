"""`listener check`: every fault of the configuration at once, then every step of every account, in words or as JSON."""

import asyncio
import json

import pytest

from listener.testing import ImapServer
from listener.testing.oauth import TokenServer


@pytest.fixture
def connected(config):
    """The configuration with the account at a server on loopback; takes the server's port."""

    def write(port, user="u"):
        config.write_text(config.read_text().replace('user = "u"', f'user = "{user}"\nport = {port}'))

    return write


async def checked(listener, *words):
    return await asyncio.to_thread(listener, "check", *words)


async def test_every_step_of_a_working_account_is_told_with_its_time(listener, connected):
    async with ImapServer(users={"u": "secret"}) as server:
        connected(server.port)
        code, out, err = await checked(listener, "--json")
    steps = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert all(step["ok"] and step["account"] == "support" and step["seconds"] >= 0 for step in steps)
    assert {"dns", "tcp", "sign-in", "folder", "idle"} <= {step["name"] for step in steps}


async def test_a_refused_password_names_the_setting_and_exits_1(listener, connected):
    async with ImapServer(users={"u": "another"}) as server:
        connected(server.port)
        code, out, _ = await checked(listener)
    assert code == 1
    (failed,) = (line for line in out.splitlines() if "FAILED" in line)
    assert "sign-in" in failed
    assert "[receiver.user]" in failed


async def test_only_the_accounts_named_are_checked(listener, connected):
    async with ImapServer(users={"u": "secret"}) as server:
        connected(server.port)
        code, out, _ = await checked(listener, "support")
    assert code == 0
    assert out.startswith("support\n")


def test_an_unknown_account_gets_a_sentence(listener, config):
    assert listener("check", "nobody") == (1, "", "listener: no account 'nobody' in the configuration\n")


def test_offline_connects_to_nothing(listener, config):
    code, out, err = listener("check", "--offline")
    assert (code, out.splitlines()[-1], err) == (0, "the configuration is fine; accounts: 1", "")


ODD = "receiver.insecure: password and mail cross the network in clear text"


@pytest.fixture
def two_odd_accounts(config):
    """Both cross the network in clear text."""
    text = config.read_text().replace('host = "127.0.0.1"', 'host = "mail.example.com"\ninsecure = true')
    head, account = text.split("[[accounts]]")
    config.write_text(f"{head}[[accounts]]{account}[[accounts]]{account.replace('support', 'sales')}")


def test_offline_says_what_each_accounts_settings_should_be_looked_at_for(listener, two_odd_accounts):
    code, out, err = listener("check", "--offline")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if ODD in line] == [f"warning: {id}: {ODD}" for id in ("support", "sales")]


def test_offline_says_it_as_json_and_of_the_accounts_named_only(listener, two_odd_accounts):
    _, out, _ = listener("check", "--offline", "--json", "sales")
    said = [row for row in map(json.loads, out.splitlines()) if "warning" in row]
    assert {row["account"] for row in said} == {"sales"}
    setting, warning = ODD.split(": ")
    assert {"ok": True, "account": "sales", "setting": setting, "warning": warning} in said


def test_all_faults_as_json_and_exit_78(listener, config):
    config.write_text(config.read_text().replace('security = "none"', 'security = "perhaps"\nfolder = "INBOX"'))
    code, out, _ = listener("check", "--json")
    faults = [json.loads(line) for line in out.splitlines()]
    assert code == 78
    assert len(faults) == 2
    assert all(fault["file"] == str(config) and fault["line"] and not fault["ok"] for fault in faults)


def test_a_hook_that_cannot_be_imported_is_a_fault(listener, config):
    config.write_text(config.read_text().replace('id = "support"', 'id = "support"\nhooks = ["python:no_such_module:Hook"]'))
    code, _, err = listener("check", "--offline")
    assert code == 78
    assert "no_such_module" in err


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_warnings_that_concern_no_single_account_come_first_and_are_no_failure(listener, config, words):
    config.write_text(config.read_text() + '[webhook.crm]\nurl = "https://crm.example.com/"\n')
    code, out, _ = listener("check", "--offline", *words)
    first, *_, last = out.splitlines()
    said = "webhook.crm: no account uses it"
    assert code == 0
    assert (json.loads(first) == {"ok": True, "warning": said}) if words else (first == f"warning: {said}")
    assert "the configuration is fine" in last


async def test_without_the_daemon_accounts_of_the_console_are_told_to_be_untested(listener, filled, connected):
    async with ImapServer(users={"u": "secret"}) as server:
        connected(server.port)
        code, out, _ = await checked(listener)
    assert code == 0
    assert out.splitlines()[-1].startswith("accounts made in the console are tested by the daemon")


def test_an_unknown_account_may_be_one_of_the_console(listener, filled):
    assert listener("check", "nobody")[2] == (
        "listener: no account 'nobody' in the configuration; one of the console needs the daemon\n"
    )


async def test_an_issuers_clock_that_differs_is_told_at_the_token(listener, config):
    async with ImapServer(users={"u": "unused"}, tokens={"u": "access-1"}) as server, TokenServer() as issuer:
        issuer.answer(headers={"Date": "Wed, 01 Jan 2020 00:00:00 GMT"}, json={"access_token": "access-1"})
        profile = f'[oauth.idp]\ngrant = "password"\nissuer = "custom"\ntoken_url = "{issuer.url}"\nclient_id = "me"\n'
        text = config.read_text().replace('password_file = "password"', f'oauth = "idp"\nport = {server.port}')
        config.write_text(f'{text}{profile}user = "u"\npassword_file = "password"\n')
        code, out, err = await checked(listener)
    assert (code, err) == (0, "")
    (step,) = (line for line in out.splitlines() if "receiver token" in line)
    assert "ahead of the issuer's: set it" in step
