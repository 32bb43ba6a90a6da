"""An account of the console as a configuration file and back: the same settings, and never a secret."""

import asyncio
import tomllib

import pytest
from accounts_house import CANARY, mail, settings
from hypothesis import given
from hypothesis import strategies as st

from listener.accounts.toml import exported, imported
from listener.config.load import load
from listener.errors import ConfigurationError
from listener.ledger import Kept

WHOLE = {
    "name": 'The "support" desk ☎ \\ tab',
    "provider": "custom",
    "address": "support@example.com",
    "start": "since:2026-01-31",
    "hooks": ["webhook:crm"],
    "receiver": {"host": "imap.example.com", "port": 993, "folders": ["INBOX", "Été"], "poll_interval": "2m"},
    "sender": {"host": "smtp.example.com", "security": "starttls"},
    "trust": {"authserv_id": "mx.example.com"},
}
HOOK = '[webhook.crm]\nurl = "https://crm.example.com/in"\n'


def kept(**more):
    return Kept("support", 3, WHOLE | more, {"receiver.password": 1, "sender.password": 2}, 0.0)


def loaded(folder, text):
    """Through the loader, as a file of `accounts_dir`, its secrets put beside it as the comments say."""
    (folder / "accounts").mkdir()
    (folder / "accounts" / "support.toml").write_text(text.replace("# password_file", "password_file"))
    for name in ("support-receiver-password", "support-sender-password"):
        (folder / "accounts" / name).write_text("hush")
    (folder / "listener.toml").write_text(f'[listener]\naccounts_dir = "accounts"\n{HOOK}')
    return load(folder / "listener.toml", environment={}).account("support")


def test_what_is_exported_is_loaded_again_as_the_same_account(tmp_path):
    account = loaded(tmp_path, exported(kept()))
    assert account.name == WHOLE["name"]
    assert account.receiver.folders == ("INBOX", "Été")
    assert account.receiver.poll_interval == 120
    assert account.sender.port == 587
    assert account.receiver.password_file == tmp_path / "accounts" / "support-receiver-password"


def test_no_secret_is_written_and_each_is_named_in_a_comment(tmp_path):
    text = exported(kept())
    assert '# password_file = "support-receiver-password"' in text
    assert '# password_file = "support-sender-password"' in text
    assert "password" not in str(tomllib.loads(text))


def test_a_trust_store_and_rules_come_along_as_what_they_are():
    rules = [{"name": "spam", "action": "ignore", "when": {"subject": ["*viagra*"]}}, {"name": "b", "action": "file"}]
    receiver = WHOLE["receiver"] | {"truststore": "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"}
    text = exported(kept(receiver=receiver, rules=rules))
    assert tomllib.loads(text)["rules"] == rules
    assert '# truststore_file = "support-receiver-truststore.pem"' in text
    assert "#   -----BEGIN CERTIFICATE-----" in text


texts = st.text(max_size=20).filter(lambda text: "\r" not in text)


@given(st.dictionaries(texts.filter(bool), st.one_of(texts, st.booleans(), st.integers(-(2**53), 2**53), st.lists(texts))))
def test_whatever_settings_hold_is_written_as_toml_that_means_the_same(found):
    found = {key: value for key, value in found.items() if key not in ("id",)}
    try:
        for text in [*found, *[v for v in found.values() if isinstance(v, str)]]:
            text.encode()
    except UnicodeEncodeError:
        return
    assert tomllib.loads(exported(Kept("x", 1, found, {}, 0.0))) == {"id": "x", **found}


def test_an_import_takes_the_settings_and_leaves_files_out():
    given = '[[accounts]]\nid = "a"\n[accounts.receiver]\nhost = "h"\npassword_file = "/etc/passwd"\n'
    assert imported(given) == {"id": "a", "receiver": {"host": "h"}}
    assert imported('id = "a"\n[receiver]\nhost = "h"\n') == {"id": "a", "receiver": {"host": "h"}}


@pytest.mark.parametrize(
    "text", ["not toml", "[[accounts]]\nid='a'\n[[accounts]]\nid='b'\n", "x = " + "[" * 5000, "a" * 300_000]
)
def test_what_cannot_be_imported_is_refused_in_words(text):
    with pytest.raises(ConfigurationError) as refused:
        imported(text)
    assert refused.value.faults[0].setting == "toml"


async def test_the_command_prints_it_beside_the_daemon_and_without_one(house, server):
    """An account is exported, deleted, and goes on from the file: nothing is filed twice."""
    server.deliver("INBOX", mail(1))
    await house.made(server)
    await house.filed(1)
    text = (await house.verbs.export_account("support"))["toml"]
    assert CANARY not in text
    await house.verbs.delete_account("support", 1)
    (house.folder / "accounts").mkdir()
    (house.folder / "accounts" / "support.toml").write_text(text.replace("# password_file", "password_file"))
    (house.folder / "accounts" / "support-receiver-password").write_text(CANARY)
    house.file.write_text(house.file.read_text().replace("[listener]\n", '[listener]\naccounts_dir = "accounts"\n'))
    await house.reload()
    server.deliver("INBOX", mail(2))
    rows = await house.filed(2)
    assert [row["subject"] for row in rows] == ["number 1", "number 2"]
    shown = await house.verbs.account("support")
    assert shown["source"] == "file"


@pytest.mark.long
async def test_the_command_line_shows_source_and_export(house, server):
    import sys

    await house.made(server, on=False, name="Exported")

    async def said(*words):
        command = (sys.executable, "-m", "listener", *words, "--config", str(house.file))
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        return (await process.communicate())[0].decode()

    assert "ledger" in await said("accounts")
    beside = await said("accounts", "export", "support")
    assert settings(server)["receiver"]["user"] in beside
    await house.stop()
    assert await said("accounts", "export", "support") == beside
    assert "ledger" in await said("accounts")
    await house.start()
