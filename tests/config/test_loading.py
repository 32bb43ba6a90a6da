"""What a configuration becomes once loaded: presets and defaults filled in, ready to use, comparable."""

import tomllib
from pathlib import Path

import pytest

from listener.config import Config, ReceiverProtocol, Security, changes, json_schema
from listener.config.load import load
from listener.config.presets import fill
from listener.errors import ConfigurationError

ONE = """
[listener]
state_dir = "state"

[[accounts]]
id = "support"
address = "support@example.com"
[accounts.receiver]
host = "imap.example.com"
password_file = "secret"
"""


@pytest.fixture
def write(tmp_path: Path):
    """Write a configuration beside a readable secret; gives its path."""
    (tmp_path / "secret").write_text("correct horse\n")

    def to(text: str, name: str = "listener.toml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    return to


def load_text(write, text: str, **environment: str) -> Config:
    return load(write(text), environment=environment)


def account(**receiver: str) -> str:
    lines = "\n".join(f"{key} = {value}" for key, value in receiver.items())
    return f'[[accounts]]\nid = "a"\naddress = "a@example.com"\n[accounts.receiver]\npassword_file = "secret"\n{lines}\n'


def test_a_minimal_account_is_ready_to_use(write) -> None:
    receiver = load_text(write, ONE).accounts[0].receiver
    assert (receiver.protocol, receiver.host, receiver.port) == (ReceiverProtocol.IMAP, "imap.example.com", 993)
    assert (receiver.security, receiver.min_tls, receiver.user) == (Security.TLS, "1.2", "support@example.com")
    assert (receiver.folders, receiver.after, receiver.poll_interval) == (("INBOX",), "seen", 60.0)


def test_everything_else_has_a_default(write) -> None:
    config = load_text(write, ONE)
    assert config.admin.bind == "127.0.0.1:8025"
    assert config.limits.max_message == 50_000_000
    assert config.limits.parse_memory == 6 * 50_000_000 + 256 * 1024**2
    assert config.accounts[0].name == "support"
    assert config.accounts[0].since is None


def test_paths_are_relative_to_the_file_that_names_them(write, tmp_path: Path) -> None:
    config = load_text(write, ONE)
    assert config.listener.state_dir == tmp_path / "state"
    assert config.accounts[0].receiver.password_file == tmp_path / "secret"


@pytest.mark.parametrize("name", ["secret", "credentials_secret"], ids=["alone", "from our unit's folder"])
def test_a_bare_name_is_a_systemd_credential_where_there_is_one(write, tmp_path: Path, name: str) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / name).write_text("x")
    config = load_text(write, ONE, CREDENTIALS_DIRECTORY=str(credentials))
    assert config.accounts[0].receiver.password_file == credentials / name


@pytest.mark.parametrize(
    ("protocol", "security", "port"),
    [("imap", "tls", 993), ("imap", "starttls", 143), ("pop3", "tls", 995), ("pop3", "starttls", 110)],
)
def test_the_port_follows_protocol_and_security(write, protocol: str, security: str, port: int) -> None:
    config = load_text(write, account(protocol=f'"{protocol}"', security=f'"{security}"', host='"mail.example.com"'))
    assert config.accounts[0].receiver.port == port


def test_pop3_keeps_mail_on_the_server_by_default(write) -> None:
    assert load_text(write, account(protocol='"pop3"', host='"h.example"')).accounts[0].receiver.after == "keep"


def test_a_preset_fills_what_is_left_out(write) -> None:
    text = '[[accounts]]\nid = "a"\nprovider = "icloud"\naddress = "jo@icloud.com"\n'
    text += '[accounts.receiver]\npassword_file = "secret"\n[accounts.sender]\npassword_file = "secret"\n'
    made = load_text(write, text).accounts[0]
    assert (made.receiver.host, made.receiver.port, made.receiver.user) == ("imap.mail.me.com", 993, "jo")
    assert made.sender is not None
    assert (made.sender.host, made.sender.port, made.sender.security) == ("smtp.mail.me.com", 587, "starttls")
    assert made.sender.user == "jo@icloud.com"


def test_own_values_win_over_the_preset(write) -> None:
    text = account(host='"imap.other.example"', port="1993", user='"someone"', idle_interval='"1m"')
    text = text.replace('id = "a"', 'id = "a"\nprovider = "yahoo"') + '[accounts.trust]\nauthserv_id = "mx.other.example"\n'
    made = load_text(write, text).accounts[0]
    assert (made.receiver.host, made.receiver.port, made.receiver.user) == ("imap.other.example", 1993, "someone")
    assert made.receiver.idle_interval == 60.0
    assert made.trust.authserv_id == "mx.other.example"


def test_another_security_than_the_presets_brings_its_own_port(write) -> None:
    text = account(security='"starttls"').replace('id = "a"', 'id = "a"\nprovider = "gmx"')
    receiver = load_text(write, text).accounts[0].receiver
    assert (receiver.host, receiver.port) == ("imap.gmx.net", 143)


def test_the_preset_says_whose_verdict_to_trust(write) -> None:
    text = account().replace('id = "a"', 'id = "a"\nprovider = "gmail"')
    assert load_text(write, text).accounts[0].trust.authserv_id == "mx.google.com"


def test_the_senders_identity_is_the_receivers_where_asked(write) -> None:
    text = '[[accounts]]\nid = "a"\naddress = "a@example.com"\n[accounts.receiver]\nhost = "h.example"\n'
    text += 'use_sender_identity = true\n[accounts.sender]\nhost = "s.example"\nuser = "robot"\npassword_file = "secret"\n'
    receiver = load_text(write, text).accounts[0].receiver
    assert receiver.user == "robot"
    assert receiver.password_file is not None
    assert receiver.password_file.name == "secret"


def test_each_account_may_have_a_file_of_its_own(write) -> None:
    write(
        'id = "b"\naddress = "b@example.com"\n[receiver]\nhost = "h.example"\npassword_file = "../secret"\n', "accounts/b.toml"
    )
    config = load_text(write, '[listener]\naccounts_dir = "accounts"\n' + account(host='"h.example"'))
    assert [made.id for made in config.accounts] == ["a", "b"]
    assert config.account("b") is config.accounts[1]
    assert config.account("c") is None


@pytest.mark.parametrize(
    ("start", "since"),
    [("now", None), ("all", 0.0), ("since:2026-01-01", 1767225600.0), ("since:2026-01-01T01:00:00+01:00", 1767225600.0)],
)
def test_start_says_from_when_mail_counts(write, start: str, since: float | None) -> None:
    text = account(host='"h.example"').replace('id = "a"', f'id = "a"\nstart = "{start}"')
    assert load_text(write, text).accounts[0].since == since


def test_the_folder_to_move_to_is_read_from_after(write) -> None:
    receiver = load_text(write, account(host='"h.example"', after='"move:Done & dusted/Ä"')).accounts[0].receiver
    assert receiver.move_to == "Done & dusted/Ä"


def test_loading_twice_gives_equal_configurations(write) -> None:
    assert load_text(write, ONE) == load_text(write, ONE)


TWO = ONE + account(host='"h.example"') + '[webhook.crm]\nurl = "https://crm.example.com/in"\n'


@pytest.mark.parametrize(
    ("edit", "added", "removed", "changed"),
    [
        (("nothing", "nothing"), set(), set(), set()),
        (('"h.example"', '"i.example"'), set(), set(), {"a"}),
        (('id = "a"', 'id = "z"'), {"z"}, {"a"}, set()),
        (('id = "support"', 'id = "support"\nhooks = ["webhook:crm"]'), set(), set(), {"support"}),
        (("[webhook", '[limits]\nmax_message = "1MB"\n[webhook'), set(), set(), {"a", "support"}),
        (("/in", "/out"), set(), set(), set()),
    ],
)
def test_a_reload_finds_what_changed(write, edit: tuple[str, str], added: set, removed: set, changed: set) -> None:
    found = changes(load_text(write, TWO), load_text(write, TWO.replace(*edit)))
    assert (found.added, found.removed, found.changed, found.restart_needed) == (added, removed, changed, False)


def test_a_hooks_table_belongs_to_the_accounts_that_name_it(write) -> None:
    named = TWO.replace('id = "support"', 'id = "support"\nhooks = ["webhook:crm"]')
    assert changes(load_text(write, named), load_text(write, named.replace("/in", "/out"))).changed == {"support"}


def test_the_process_settings_need_a_restart(write) -> None:
    assert changes(load_text(write, ONE), load_text(write, ONE.replace('"state"', '"other"'))).restart_needed


def test_a_configuration_cannot_be_changed_once_loaded(write) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_text(write, ONE).accounts[0].receiver.port = 1


def test_the_schema_describes_every_table_and_refuses_unknown_keys() -> None:
    schema = json_schema()
    assert {"Account", "Receiver", "Sender", "OAuthProfile", "Limits"} <= schema["$defs"].keys()
    assert all(table["additionalProperties"] is False for table in schema["$defs"].values() if table["type"] == "object")
    assert schema["$defs"]["Receiver"]["properties"]["poll_interval"]["type"] == "string"


def test_who_only_asks_the_daemon_need_not_read_its_secrets(write, tmp_path: Path) -> None:
    path = write(ONE)
    (tmp_path / "secret").unlink()
    with pytest.raises(ConfigurationError):
        load(path, environment={})
    assert load(path, environment={}, check_files=False).accounts[0].id


def test_what_mail_for_a_closed_case_does_is_a_setting(write) -> None:
    plain = load_text(write, ONE).accounts[0].cases
    assert (plain.closed, plain.reopen_within) == ("reopen", None)
    chosen = load_text(write, ONE + '[accounts.cases]\nclosed = "follow_up"\nreopen_within = "30d"\n').accounts[0].cases
    assert (chosen.closed, chosen.reopen_within) == ("follow_up", 30 * 86400.0)


def test_former_keys_must_be_there(write, tmp_path: Path) -> None:
    (tmp_path / "old-key").write_text("a long enough former key\n")
    text = ONE.replace('state_dir = "state"', 'state_dir = "state"\nold_key_files = ["old-key"]')
    assert load_text(write, text).listener.old_key_files == (tmp_path / "old-key",)
    with pytest.raises(ConfigurationError, match="gone-key"):
        load_text(write, text.replace("old-key", "gone-key"))


@pytest.mark.parametrize(
    ("provider", "said", "signed"),
    [
        ("gmail", "", True),
        ("gmail", "plus_address = false\n", False),
        ("yahoo", "", False),
        ("yahoo", "plus_address = true\n", True),
    ],
)
def test_reply_to_is_signed_where_the_preset_or_the_setting_allows(provider: str, said: str, signed: bool) -> None:
    account = {"id": "a", "provider": provider, "reply": tomllib.loads(said)}
    assert fill(account)["reply"].get("plus_address", False) is signed
