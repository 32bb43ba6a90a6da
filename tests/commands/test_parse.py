"""`listener parse` as nobody, and as an account of a configuration."""

import json

import pytest

VERDICT = b"Authentication-Results: mx.example.com; dmarc=pass header.from=example.com\r\n"
LETTER = VERDICT + b"From: ann@example.com\r\nMessage-ID: <1@example.com>\r\n\r\nNew.\r\n== our line ==\r\nOld.\r\n"
MORE = """\
[[accounts]]
id = "sales"
reply_markers = ["== our line =="]
[accounts.receiver]
host = "127.0.0.1"
security = "none"
user = "sales"
password_file = "password"
[accounts.trust]
authserv_id = "mx.example.com"
"""


@pytest.fixture
def letter(tmp_path):
    path = tmp_path / "letter.eml"
    path.write_bytes(LETTER)
    return path


@pytest.fixture
def two(config):
    config.write_text(config.read_text() + MORE)
    return config


def read(said):
    code, out, _ = said
    assert code == 0
    message = json.loads(out)
    return message["authentication"]["verdict"], message["reply"]["text"].splitlines()[-1]


def test_it_reads_as_nobody_although_a_configuration_is_near(listener, two, letter):
    assert read(listener("parse", letter)) == ("unknown", "Old.")


def test_it_reads_as_the_account_that_is_named(listener, two, letter):
    assert read(listener("parse", letter, "--config", two, "--account", "sales")) == ("pass", "New.")
    assert read(listener("parse", letter, "--account", "sales")) == ("pass", "New.")


def test_the_only_account_needs_no_name(listener, config, letter):
    assert read(listener("--config", config, "parse", letter)) == ("unknown", "Old.")


@pytest.mark.parametrize(("words", "said"), [((), "which account's"), (("--account", "other"), "no account 'other'")])
def test_it_asks_which_account_where_there_are_several(listener, two, letter, words, said):
    code, out, err = listener("parse", letter, "--config", two, *words)
    assert (code, out) == (1, "")
    assert said in err
    assert "support, sales" in err
