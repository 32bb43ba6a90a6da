"""Every fault is named: file, line, setting, and what to write; all of them at once, and never a secret."""

import os
from datetime import date
from pathlib import Path

import pytest
import trustme

from listener.config.files import warnings
from listener.config.load import load
from listener.errors import ConfigurationError, Fault

HEAD = '[[accounts]]\nid = "a"\naddress = "a@example.com"\n'
GOOD = HEAD + '[accounts.receiver]\nhost = "h.example"\npassword_file = "secret"\n'
SENDER = '[accounts.sender]\nhost = "s.example"\npassword_file = "secret"\n'
PROFILE = '[oauth.p]\ngrant = "client_credentials"\nissuer = "microsoft"\ntenant = "t"\nclient_id = "c"\n'
R = "accounts[0].receiver."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("x")
    return tmp_path


def faults(folder: Path, text: str, **options) -> tuple[Fault, ...]:
    path = folder / "listener.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as raised:
        load(path, environment={}, **options)
    return raised.value.faults


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def with_oauth(profile: str) -> str:
    return replaced('password_file = "secret"', 'oauth = "p"') + profile


@pytest.mark.parametrize(
    ("text", "line", "setting", "reason"),
    [
        # whom to believe
        (
            GOOD + "[accounts.trust]\nown_received = 1\n",
            8,
            "accounts[0].trust.own_received",
            "every sender could be its own witness",
        ),
        # one setting
        (GOOD + "polls = 1\n", 7, R + "polls", "is not a setting"),
        (GOOD + 'fodlers = ["INBOX"]\n', 7, R + "fodlers", 'Did you mean "folders"?'),
        (
            replaced('id = "a"', 'id = "a"\npoll_interval = "5s"'),
            3,
            "accounts[0].poll_interval",
            "belongs into [accounts.receiver]",
        ),
        (GOOD + 'password = "hunter2"\n', 7, R + "password", "password_file ="),
        (replaced('id = "a"', 'id = "a"\npasswort = "hunter2"'), 3, "accounts[0].passwort", "password_file ="),
        (GOOD + "port = '993'\n", 7, R + "port", "whole number, without quotes"),
        (GOOD + "port = 70000\n", 7, R + "port", "at most 65535"),
        (GOOD + "port = 0\n", 7, R + "port", "at least 1"),
        (GOOD + 'security = "ssl"\n', 7, R + "security", 'one of "tls", "starttls", "none"'),
        (GOOD + "poll_interval = 60\n", 7, R + "poll_interval", '"60s"'),
        (GOOD + 'idle_interval = "29m"\n', 7, R + "idle_interval", 'at most "28m"'),
        (GOOD + 'after = "move:"\n', 7, R + "after", "move:Processed"),
        (GOOD + "folders = []\n", 7, R + "folders", "at least 1"),
        (GOOD + 'folders = [\n"A",\n"B\\r\\nC"]\n', 7, R + "folders", "control characters"),
        (GOOD + 'folders = "INBOX"\n', 7, R + "folders", "list in brackets"),
        (GOOD + "insecure = 1\n", 7, R + "insecure", "true or false"),
        (GOOD + 'min_tls = "1.1"\n', 7, R + "min_tls", '"1.2", "1.3"'),
        (replaced("h.example", "imap://h.example"), 5, R + "host", "bare name"),
        (replaced("h.example", "h.example:993"), 5, R + "host", "port has its own setting"),
        (replaced('"secret"', "7"), 6, R + "password_file", "path of a file"),
        (replaced('"a"\n', '"a b"\n'), 2, "accounts[0].id", "letters, digits"),
        (replaced('id = "a"\n', ""), 1, "accounts[0].id", "is required"),
        (replaced("a@example.com", "Jo <a@example.com>"), 3, "accounts[0].address", "bare address"),
        (replaced('id = "a"', 'id = "a"\nstart = "since:yesterday"'), 3, "accounts[0].start", '"since:2026-01-31"'),
        ("[limits]\nmax_message = 5\n" + GOOD, 2, "limits.max_message", '"35MB"'),
        ("[limits]\nmax_message = '1KB'\n" + GOOD, 2, "limits.max_message", "at least"),
        ("[limits]\nlogin_rate = true\n" + GOOD, 2, "limits.login_rate", "a number"),
        ("[limits]\nparse_timeout = '-1s'\n" + GOOD, 2, "limits.parse_timeout", "duration"),
        ("[admin]\nbind = '8025'\n" + GOOD, 2, "admin.bind", "127.0.0.1:8025"),
        ("[listener]\nledger = 'mysql'\n" + GOOD, 2, "listener.ledger", 'one of "sqlite"'),
        ("[listner]\nx = 1\n" + GOOD, 1, "listner", 'Did you mean "listener"?'),
        ("listener = 3\n" + GOOD, 1, "listener", "write a table: [listener]"),
        ("accounts = 3\n", 1, "accounts", "[[accounts]]"),
        (GOOD + "[webhook]\ncrm = 'https://x'\n", 8, "webhook.crm", "[webhook.NAME]"),
        # settings that contradict each other
        (replaced('"a"\n', '"a"\nprovider = "gmial"\n'), 3, "accounts[0].provider", 'Did you mean "gmail"?'),
        (replaced('host = "h.example"\n', ""), 4, R + "host", "write the server's name"),
        (GOOD + 'port = 993\nsecurity = "starttls"\n', 7, R + "port", "contradicts security"),
        (GOOD + "port = 143\n", 7, R + "port", "contradicts security"),
        (GOOD + "port = 995\n", 7, R + "port", "the port of POP3"),
        (GOOD + 'security = "none"\n', 7, R + "security", "clear text"),
        (replaced('address = "a@example.com"\n', ""), 3, R + "user", "is required"),
        (replaced('password_file = "secret"\n', ""), 4, R + "password_file", "is required (or oauth)"),
        (GOOD + 'must_be_refused = "a@b.c"\n', 7, R + "must_be_refused", "with Microsoft Graph only"),
        (GOOD + 'oauth = "p"\nprotocol = "graph"\n', 8, R + "protocol", 'needs provider = "microsoft365"'),
        (with_oauth(""), 6, R + "oauth", "there is no [oauth.p]"),
        (GOOD + 'oauth = "p"\n' + PROFILE, 7, R + "oauth", "there is a password_file too: leave one of them out"),
        (GOOD + "use_sender_identity = true\n", 6, R + "password_file", "contradicts use_sender_identity"),
        (GOOD + "use_sender_identity = true\n", 7, R + "use_sender_identity", "there is no [accounts.sender]"),
        (GOOD + 'protocol = "pop3"\nafter = "seen"\n', 8, R + "after", '"keep" or "delete"'),
        (GOOD + 'protocol = "pop3"\nfolders = ["X"]\n', 8, R + "folders", "only one folder"),
        (GOOD + 'folders = ["inbox", "Inbox"]\n', 7, R + "folders", "twice"),
        (GOOD + 'after = "move:inbox"\n', 7, R + "after", "watched folder"),
        (
            replaced('"a"\n', '"a"\nprovider = "icloud"\n').replace('host = "h.example"', 'protocol = "pop3"'),
            5,
            R + "host",
            "no POP3",
        ),
        (
            replaced('"a"\n', '"a"\nprovider = "outlook"\n').replace('host = "h.example"\n', ""),
            6,
            R + "password_file",
            "takes no passwords",
        ),
        (
            replaced('"a"\n', '"a"\nhooks = ["webhook:crm"]\n') + "[webhook.crn]\nurl='https://x'\n",
            3,
            "accounts[0].hooks[0]",
            '"crn"?',
        ),
        (replaced('"a"\n', '"a"\nhooks = ["jira"]\n'), 3, "accounts[0].hooks[0]", '"python:module:Class"'),
        (replaced('"a"\n', '"a"\nhooks = ["python:a:B", "python:a:B"]\n'), 3, "accounts[0].hooks[1]", "twice"),
        (GOOD + '[accounts.reply]\ntemplate = "secret"\n', 7, "accounts[0].reply", "[accounts.sender]"),
        (GOOD + GOOD.replace('"a"', '"A"', 1), 8, "accounts[1].id", "another account"),
        ("[limits]\nfetch_budget = '10MB'\n" + GOOD, 2, "limits.fetch_budget", "below max_message"),
        ("[limits]\nbacklog = 5\n" + GOOD, 2, "limits.backlog", "below account_backlog"),
        ("[admin]\ncert_file = 'secret'\n" + GOOD, 1, "admin.key_file", "go together"),
        ("[admin]\nprobe_bind = '127.0.0.1:8025'\n" + GOOD, 2, "admin.probe_bind", "same as bind"),
        (GOOD + '[webhook.w]\nurl = "http://x.example/"\n', 8, "webhook.w.url", "allow_private"),
        (GOOD + '[webhook.w]\nurl = "ftp://x.example/"\n', 8, "webhook.w.url", "whole address"),
        (GOOD + '[command.c]\nargv = ["/no/such/program"]\n', 8, "command.c.argv", "no program"),
        (with_oauth(PROFILE), 7, "oauth.p.client_secret_file", "exactly one of"),
        (
            with_oauth(PROFILE.replace("microsoft", "custom") + 'client_secret_file = "secret"\n'),
            7,
            "oauth.p.token_url",
            "is required",
        ),
        (
            with_oauth(PROFILE + 'client_secret_file = "secret"\ntoken_url = "http://x.example"\n'),
            13,
            "oauth.p.token_url",
            "https",
        ),
        (
            with_oauth('[oauth.p]\ngrant = "jwt_bearer"\nissuer = "google"\n'),
            7,
            "oauth.p.service_account_file",
            "is required by grant",
        ),
        # files
        (replaced('"secret"', '"nothing"'), 6, R + "password_file", "there is no file"),
        (GOOD + 'truststore_file = "secret"\n', 7, R + "truststore_file", "no certificates in PEM form"),
        ('[listener]\naccounts_dir = "none"\n' + GOOD, 2, "listener.accounts_dir", "cannot be read"),
        # TOML itself
        (GOOD + "host = = 1\n", 7, "", "is not TOML"),
        (GOOD + 'id = "a\n', 7, "", "is not TOML"),
        (GOOD + 'host = "again"\n', 7, "", "is not TOML"),
    ],
)
def test_a_fault_is_named_with_its_line_and_what_to_write(
    folder: Path, text: str, line: int, setting: str, reason: str
) -> None:
    found = faults(folder, text)
    assert (setting, line) in [(fault.setting, fault.line) for fault in found]
    assert reason in " ".join(fault.reason for fault in found if fault.setting == setting)
    assert all(fault.file == str(folder / "listener.toml") for fault in found)


@pytest.mark.parametrize("table", ["reply", "canary", 'notify]\nto = ["team@example.com"]\n#'])
def test_what_needs_to_be_sent_needs_a_sender(folder: Path, table: str) -> None:
    (fault,) = faults(folder, GOOD + f"[accounts.{table}]\n")
    assert fault.line == 7
    assert "add [accounts.sender]" in fault.reason


def test_notifications_to_the_account_itself_would_be_its_next_mail(folder: Path) -> None:
    (fault,) = faults(folder, GOOD + SENDER + '[accounts.notify]\nto = ["team@example.com", "A@example.com"]\n')
    assert (fault.line, fault.setting) == (11, "accounts[0].notify.to")
    assert "own address" in fault.reason


def test_all_faults_come_at_once_in_the_order_of_the_file(folder: Path) -> None:
    text = (
        "[limits]\nmax_message = 1\n"
        + HEAD.replace("address", "adress")
        + '[accounts.receiver]\nport = 993\nsecurity = "starttls"\n'
    )
    text += 'password = "hunter2"\n' + HEAD
    found = faults(folder, text)
    assert [(fault.line, fault.setting) for fault in found] == [
        (2, "limits.max_message"),
        (5, "accounts[0].adress"),
        (6, R + "host"),
        (6, R + "user"),
        (7, R + "port"),
        (9, R + "password"),
        (10, "accounts[1].receiver"),
        (11, "accounts[1].id"),
    ]


def test_a_faulty_setting_brings_no_follow_up_faults(folder: Path) -> None:
    (fault,) = faults(folder, GOOD + 'security = "tsl"\nport = 143\n')
    assert fault.setting == R + "security"


def test_a_secret_written_into_the_file_is_in_no_fault(folder: Path) -> None:
    text = GOOD + 'password = "hunter2"\ntoken = "hunter2"\nport = "hunter2"\nfolders = ["hunter2\\n"]\n'
    text += '[oauth.p]\nclient_secret = "hunter2"\n'
    assert "hunter2" not in "\n".join(str(fault) for fault in faults(folder, text))


def test_faults_of_account_files_name_that_file(folder: Path) -> None:
    accounts = folder / "accounts"
    accounts.mkdir()
    (accounts / "b.toml").write_text('id = "b"\n[receiver]\nhost = "h.example"\nuser = "b"\npassword_file = "nothing"\n')
    (accounts / "c.toml").write_text("[[accounts]]\n")
    (accounts / "d.toml").write_text("id = \n")
    found = faults(folder, '[listener]\naccounts_dir = "accounts"\n' + GOOD)
    assert [(Path(fault.file).name, fault.line, fault.setting) for fault in found] == [
        ("b.toml", 5, "receiver.password_file"),
        ("c.toml", 1, "accounts"),
        ("d.toml", 1, ""),
    ]


@pytest.mark.parametrize(
    ("octets", "line", "reason"),
    [
        (b"# caf\xc3\xa9\n# caf\xe9\n", 2, "UTF-8"),
        (b"x = " + b"[" * 5000, 1, "nested too deeply|not TOML"),
        (b"#" * 4_000_001, 0, "larger than"),
    ],
)
def test_a_file_that_is_no_text_of_reasonable_size_is_a_fault(folder: Path, octets: bytes, line: int, reason: str) -> None:
    (folder / "listener.toml").write_bytes(octets)
    with pytest.raises(ConfigurationError, match=reason) as raised:
        load(folder / "listener.toml", environment={})
    assert raised.value.faults[0].line in (line, 0)


def test_a_missing_file_and_a_folder_in_its_place_are_faults(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml: cannot be read: No such file"):
        load(folder / "nowhere.toml", environment={})
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        load(folder, environment={})


def test_an_unreadable_secret_is_named_with_who_cannot_read_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    if os.geteuid() == 0:  # root may read everything
        real = Path.open
        monkeypatch.setattr(Path, "open", lambda path, *a, **k: refuse(path) if path.name == "secret" else real(path, *a, **k))
    else:
        (folder / "secret").chmod(0)
    (fault,) = faults(folder, GOOD)
    assert "is not readable by the user who runs this" in fault.reason


def test_a_secret_that_another_user_gives_us_through_its_group_is_well_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "secret").chmod(0o640)
    (folder / "listener.toml").write_text(GOOD)
    config = load(folder / "listener.toml")
    said = "lets others read this secret"
    assert any(said in line for line in warnings(config, date(2026, 1, 1)))
    monkeypatch.setattr(os, "geteuid", lambda: (folder / "secret").stat().st_uid + 1)
    assert not any(said in line for line in warnings(config, date(2026, 1, 1)))
    (folder / "secret").chmod(0o644)
    assert any(said in line for line in warnings(config, date(2026, 1, 1)))


def test_an_empty_secret_is_a_fault(folder: Path) -> None:
    (folder / "secret").write_text("\n")
    (fault,) = faults(folder, GOOD)
    assert "is empty" in fault.reason


def test_one_accounts_missing_secret_need_not_stop_the_others(folder: Path) -> None:
    told: list[Fault] = []
    (folder / "listener.toml").write_text(GOOD.replace('"secret"', '"nothing"') + GOOD.replace('"a"', '"b"'))
    config = load(folder / "listener.toml", environment={}, account_trouble=told.append)
    assert len(config.accounts) == 2
    assert [fault.setting for fault in told] == [R + "password_file"]


def test_a_hook_that_cannot_be_used_is_a_fault_at_its_place(folder: Path) -> None:
    text = replaced('"a"\n', '"a"\nhooks = ["python:good:Hook", "python:bad:Hook"]\n')
    (fault,) = faults(folder, text, check_hook=lambda hook: "cannot be imported" if "bad" in hook else None)
    assert (fault.setting, fault.line, fault.reason) == ("accounts[0].hooks[1]", 3, "cannot be imported")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.9.1", "::1", "[::1]"])
def test_clear_text_to_this_machine_is_allowed(folder: Path, host: str) -> None:
    (folder / "listener.toml").write_text(GOOD.replace("h.example", host) + 'security = "none"\n')
    assert load(folder / "listener.toml", environment={}).accounts[0].receiver.port == 143


@pytest.mark.parametrize("host", ["127.0.0.1.example.com", "localhost.example.com", "10.0.0.1", "0.0.0.0", "[::]"])
def test_what_only_looks_like_this_machine_is_not(folder: Path, host: str) -> None:
    (fault,) = faults(folder, GOOD.replace("h.example", host) + 'security = "none"\n')
    assert fault.setting == R + "security"


def test_what_works_but_should_be_looked_at_is_a_warning(folder: Path) -> None:
    (folder / "secret").chmod(0o644)
    text = replaced('"a"\n', '"a"\nprovider = "microsoft365"\n').replace(
        "host", "security = 'none'\ninsecure = true\nport = 143\nhost"
    )
    text += (
        '[accounts.reply]\ntemplate = "secret"\n'
        + SENDER
        + '[oauth.p]\ngrant = "password"\nissuer = "custom"\ntoken_url = "https://t.example"\nclient_id = "c"\n'
    )
    text += 'password_file = "secret"\n'
    (folder / "listener.toml").write_text(text)
    said = "\n".join(warnings(load(folder / "listener.toml", environment={}), date(2026, 11, 22)))
    for expected in ("clear text", "2026-12-31", "multi-factor", "no account uses it", "chmod 0600"):
        assert expected in said
    assert "authserv_id" not in said  # the preset knows


GMAIL_POP = replaced('"a"\n', '"a"\nprovider = "gmail"\n').replace("host = ", 'protocol = "pop3"\nhost = ')


def test_recent_mode_and_deletion_exclude_each_other(folder: Path) -> None:
    (fault,) = faults(folder, GMAIL_POP + 'user = "recent:a@example.com"\nafter = "delete"\n')
    assert fault.setting == R + "after"
    assert "recent:" in fault.reason


@pytest.mark.parametrize(("user", "warned"), [("a@example.com", True), ("recent:a@example.com", False)])
def test_gmails_pop_mode_is_warned_of(folder: Path, user: str, warned: bool) -> None:
    (folder / "listener.toml").write_text(GMAIL_POP + f'user = "{user}"\n')
    said = warnings(load(folder / "listener.toml", environment={}), date(2026, 1, 1))
    assert any("popped" in one for one in said) is warned


def test_without_a_trusted_server_name_a_warning_says_that_verdicts_are_unknown(folder: Path) -> None:
    (folder / "listener.toml").write_text(GOOD)
    assert any("authserv_id" in said for said in warnings(load(folder / "listener.toml", environment={}), date(2026, 1, 1)))


def test_a_certificate_and_a_key_that_do_not_belong_together_are_a_fault(folder: Path) -> None:
    made = [trustme.CA().issue_cert("x.example", key_type=trustme.KeyType.ECDSA) for _ in range(2)]
    (folder / "cert").write_bytes(b"".join(blob.bytes() for blob in made[0].cert_chain_pems))
    for number, cert in enumerate(made):
        (folder / f"key{number}").write_bytes(cert.private_key_pem.bytes())
    (folder / "good.toml").write_text('[admin]\ncert_file = "cert"\nkey_file = "key0"\n' + GOOD)
    assert load(folder / "good.toml", environment={}).admin.cert_file == folder / "cert"
    (fault,) = faults(folder, '[admin]\ncert_file = "cert"\nkey_file = "key1"\n' + GOOD)
    assert (fault.setting, fault.line) == ("admin.cert_file", 2)


@pytest.mark.parametrize(("url", "told"), [("https://mail.example.com", False), ("http://mail.example.com", True)])
def test_a_public_url_that_lets_others_read_along_is_told(folder: Path, url: str, told: bool) -> None:
    (folder / "listener.toml").write_text(GOOD + f'[admin]\npublic_url = "{url}"\n')
    said = warnings(load(folder / "listener.toml", environment={}), date(2026, 11, 22))
    assert any(one.startswith("admin.public_url:") for one in said) is told


def test_no_account_in_the_files_is_only_worth_a_word_because_they_are_made_in_the_console_too(folder: Path) -> None:
    (folder / "listener.toml").write_text("")
    said = "\n".join(warnings(load(folder / "listener.toml", environment={}), date(2026, 11, 22)))
    assert "no account in the files" in said
    assert "console" in said


def test_where_an_account_and_a_profile_stand_is_kept_for_people(folder: Path) -> None:
    (folder / "listener.toml").write_text(GOOD)
    places = load(folder / "listener.toml", environment={}).places
    assert all(place.startswith(f"{folder / 'listener.toml'}:") for place in places.values())
    assert [name for name in places if name.startswith("account/")]
