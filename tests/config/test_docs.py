"""What is generated from the settings is what lies in the repository, and the examples are configurations that load."""

import re
import tomllib
from pathlib import Path

import pytest

from listener.config import Config
from listener.config.docs import generated, uncommented, with_tables
from listener.config.faults import tables
from listener.config.load import load
from listener.config.presets import providers

ROOT = Path(__file__).parents[2]
PROFILE = """
[oauth.entra]
grant = "client_credentials"
issuer = "microsoft"
tenant = "t"
client_id = "c"
client_secret_file = "secret"
"""


@pytest.mark.parametrize("path", [path.relative_to(ROOT) for path in generated(ROOT)], ids=str)
def test_a_generated_file_is_up_to_date(path: Path) -> None:
    assert (ROOT / path).read_text() == generated(ROOT)[ROOT / path], "run: python -m listener.config.docs"


def settings() -> list[tuple[str, str, object]]:
    return [(title, name, field) for title, model in tables(Config) for name, field in model.model_fields.items()]


def test_every_setting_has_prose_that_ends_like_a_sentence() -> None:
    bare = [f"{title} {name}" for title, name, field in settings() if not re.search(r"[.)]$", field.description or "")]
    assert bare == []


def test_every_setting_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text()
    for title, model in tables(Config):
        section = page.split(f"\n## `{title}`\n")[1].split("\n## ")[0]
        for name, field in model.model_fields.items():
            assert f"| `{name}` |" in section or f"{name}]" in page, (title, name, field)


def with_secrets(text: str, folder: Path) -> str:
    """Make every file that the text names."""
    for name in re.findall(r'^(?:\w+_file|template) = "([^"]+)"', text, re.MULTILINE):
        (folder / name).write_text("x")
    return text


def test_the_example_file_loads_as_it_is(tmp_path: Path) -> None:
    text = with_secrets((ROOT / "config" / "listener.example.toml").read_text(), tmp_path)
    (tmp_path / "listener.toml").write_text(text)
    assert [account.id for account in load(tmp_path / "listener.toml", environment={}).accounts] == ["support"]


def test_the_example_file_has_every_setting_once_when_switched_on() -> None:
    everything = tomllib.loads("\n".join(uncommented((ROOT / "config" / "listener.example.toml").read_text())))
    for title, model in tables(Config):
        table = everything
        for key in title.strip("[]").replace(".NAME", "").split("."):
            table = table[key][0] if isinstance(table[key], list) else table[key]
        if title.endswith(".NAME]"):
            (table,) = table.values()
        wanted = {name for name in model.model_fields if f"[{title.strip('[]')}.{name}]" not in dict(tables(Config))}
        assert wanted <= table.keys(), title


def test_switched_on_each_example_value_is_of_the_right_kind(tmp_path: Path) -> None:
    text = "\n".join(uncommented((ROOT / "config" / "listener.example.toml").read_text()))
    text = text.replace('accounts_dir = "accounts"', "").replace("[accounts.reply]", "[accounts.reply]")
    everything = tomllib.loads(text)
    assert Config.model_validate(everything, context={"base": tmp_path}).accounts[0].receiver.oauth == "entra"


@pytest.mark.parametrize("path", sorted((ROOT / "config" / "accounts").glob("*.toml")), ids=lambda path: path.name)
def test_each_account_example_loads(path: Path, tmp_path: Path) -> None:
    accounts = tmp_path / "accounts"
    accounts.mkdir()
    (accounts / path.name).write_text(with_secrets(path.read_text(), accounts))
    (tmp_path / "secret").write_text("x")
    (tmp_path / "listener.toml").write_text('[listener]\naccounts_dir = "accounts"\n' + PROFILE)
    (account,) = load(tmp_path / "listener.toml", environment={}).accounts
    assert account.receiver.host
    assert account.receiver.user


def test_toml_in_the_documents_loads(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "providers.md").read_text()
    for number, block in enumerate(re.findall(r"```toml\n(.*?)```", page, re.DOTALL)):
        (tmp_path / f"{number}.toml").write_text(with_secrets(block, tmp_path))
        assert load(tmp_path / f"{number}.toml", environment={}).accounts


def test_a_page_without_its_marks_is_noticed() -> None:
    with pytest.raises(ValueError, match="generated: presets"):
        with_tables("# A page\n", {"presets": "x"})


# --- presets ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", providers())
def test_a_preset_is_protected_and_dated(name: str) -> None:
    provider = providers()[name]
    for way in (*provider.imap, *provider.pop3, *provider.smtp):
        assert way.security != "none"
        assert way.auth
    for ways in (provider.imap, provider.pop3):
        assert all(way.security == "tls" for way in ways[:1]), "TLS from the first octet comes first"
    assert provider.source
    assert provider.checked_on.year >= 2026


def test_the_presets_cover_what_the_account_page_offers() -> None:
    assert {"gmail", "microsoft365", "outlook", "yahoo", "icloud", "fastmail", "zoho", "custom"} <= providers().keys()


def test_no_domain_belongs_to_two_presets() -> None:
    domains = [domain for provider in providers().values() for domain in provider.domains]
    assert len(domains) == len(set(domains))
