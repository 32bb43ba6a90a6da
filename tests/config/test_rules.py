"""Rules as settings: read, refused by name and line, and warned of where they can never fire."""

from datetime import date

import pytest

from listener.config import Flood
from listener.config.files import warnings
from listener.config.load import load
from listener.errors import ConfigurationError

HEAD = """\
[[accounts]]
id = "support"
[accounts.receiver]
host = "imap.example.com"
user = "support@example.com"
password_file = "password"
"""


@pytest.fixture
def read(tmp_path):
    """The configuration with these lines behind an account."""
    (tmp_path / "password").write_text("secret")
    (tmp_path / "password").chmod(0o600)

    def reading(more):
        (tmp_path / "listener.toml").write_text(HEAD + more)
        return load(tmp_path / "listener.toml", environment={})

    return reading


def faults(read, more):
    """Line (from the first of `more`), setting and sentence of each."""
    with pytest.raises(ConfigurationError) as refused:
        read(more)
    return [(fault.line - HEAD.count("\n"), fault.setting, fault.reason) for fault in refused.value.faults]


def test_rules_of_an_account_and_of_all_are_read_in_order(read):
    config = read("""
[[accounts.rules]]
name = "programs"
when = { attachment_extensions = [".EXE", "tar.gz"], size_over = "1MB" }
then = "quarantine"
reason = "programs by mail"
[[accounts.rules]]
name = "rest"
then = "accept"
[accounts.flood]
messages = 0
[[rules]]
name = "lists"
when.kind = ["list"]
then = "ignore"
""")
    programs, rest = config.accounts[0].rules
    assert (programs.name, programs.then, programs.reason) == ("programs", "quarantine", "programs by mail")
    assert (programs.when.attachment_extensions, programs.when.size_over) == (("exe", "tar.gz"), 1_000_000)
    assert (rest.when.always, rest.reason) == (True, "rest")
    assert [rule.when.kind for rule in config.rules] == [("list",)]
    assert config.accounts[0].flood.messages == 0


def test_without_rules_everything_is_accepted_but_floods(read):
    account = read("").accounts[0]
    assert account.rules == ()
    assert account.flood == Flood(messages=15, within="10m", release_after="10m")


@pytest.mark.parametrize(
    ("written", "line", "setting", "says"),
    [
        ('when = { knd = ["list"] }', 3, "when.knd", 'Did you mean "kind"'),
        ("when = { kind = [] }", 3, "when.kind", "at least 1"),
        ('when = { kind = ["spam"] }', 3, "when.kind", '"spam" is not possible; write "message", "auto_reply"'),
        ('when = { authentication = ["maybe"] }', 3, "when.authentication", 'write "pass", "fail", "unknown"'),
        ('when = { flags = ["odd"] }', 3, "when.flags", "name_shows_address"),
        ('when = { sender = ["a b@example.com"] }', 3, "when.sender", "write addresses, domains or patterns"),
        ('when = { sender = ["a@b@c"] }', 3, "when.sender", "write addresses"),
        ('when = { sender = ["*a*a*a*a*a*a*a*a*a*"] }', 3, "when.sender", "may have 8 stars"),
        ('when = { sender = "ann@example.com" }', 3, "when.sender", "write a list in brackets"),
        ("when = { size_over = 5 }", 3, "when.size_over", "write a size with its unit"),
        ("when = { attachments_over = -1 }", 3, "when.attachments_over", "must be at least 0"),
        ('when = { attachment_extensions = ["*"] }', 3, "when.attachment_extensions", "write the ends of file names"),
        ('when = { attachment_types = ["pdf"] }', 3, "when.attachment_types", "write content types"),
        ('when = { header = ["X Spam"] }', 3, "when.header", "write the name of a header field"),
        ('when = { subject_contains = [" "] }', 3, "when.subject_contains", "is empty"),
        ('wen = { kind = ["list"] }', 3, "wen", 'Did you mean "when"'),
        ('reason = ""', 3, "reason", "is empty"),
    ],
)
@pytest.mark.parametrize("table", ["accounts.rules", "rules"])
def test_what_a_rule_cannot_mean_is_a_fault_with_its_line(read, table, written, line, setting, says):
    where = "accounts[0].rules[0]" if table == "accounts.rules" else "rules[0]"
    found = faults(read, f'[[{table}]]\nname = "one"\n{written}\nthen = "ignore"\n')
    [(at, named, reason)] = found
    assert (at, named) == (line, f"{where}.{setting}")
    assert says in reason


def test_every_fault_of_every_rule_is_told_at_once(read):
    found = faults(
        read,
        '[[accounts.rules]]\nname = "no / slash"\nthen = "drop"\n[[rules]]\nthen = "ignore"\nwhen = { kind = ["x"] }\n'
        "[accounts.flood]\nmessages = -1\n".replace("[accounts.flood]\nmessages = -1\n", ""),
    )
    assert {setting for _, setting, _ in found} == {
        "accounts[0].rules[0].name",
        "accounts[0].rules[0].then",
        "rules[0].name",
        "rules[0].when.kind",
    }


def test_two_rules_of_one_name_could_not_be_told_apart(read):
    one = '[[rules]]\nname = "one"\nthen = "ignore"\nwhen = { kind = ["list"] }\n'
    assert faults(read, one + one) == [
        (6, "rules[1].name", '"one" is the name of a rule above it: explain could not tell them apart')
    ]


@pytest.mark.parametrize("written", ["rules = 5\n", "rules = [1]\n"])
def test_rules_that_are_no_tables_are_a_fault(read, written, tmp_path):
    (tmp_path / "listener.toml").write_text(written + HEAD)
    with pytest.raises(ConfigurationError, match="write each rule as a table of its own"):
        load(tmp_path / "listener.toml", environment={})


def test_a_rule_behind_one_that_always_holds_is_warned_of(read):
    always = '[[{}]]\nname = "all"\nthen = "accept"\n'
    never = '[[{}]]\nname = "late"\nwhen.kind = ["list"]\nthen = "ignore"\n'
    said = warnings(read(always.format("accounts.rules") + never.format("accounts.rules")), date(2026, 11, 22))
    assert [one for one in said if "rules" in one] == [
        'support: rules: "late" can never fire: "all" before it always holds',
    ]
    said = warnings(read(always.format("rules") + never.format("rules")), date(2026, 11, 22))
    assert [one for one in said if "rules" in one] == ['rules: "late" can never fire: "all" before it always holds']
    said = warnings(read(always.format("accounts.rules") + never.format("rules")), date(2026, 11, 22))
    assert [one for one in said if "rules" in one] == [
        'support: rules: the general rules can never fire: "all" before them always holds'
    ]
