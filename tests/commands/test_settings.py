"""Which configuration a command reads, and what it says when there is none."""

from pathlib import Path

import pytest

from listener.commands import settings
from listener.errors import ConfigurationError


def test_a_named_file_comes_before_the_environment_and_that_before_the_usual_places(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "listener.toml").touch()
    environment = {"LISTENER_CONFIG": "/of/the/environment.toml"}
    assert settings.find("/named.toml", environment) == Path("/named.toml")
    assert settings.find(None, environment) == Path("/of/the/environment.toml")
    assert settings.find(None, {}) == tmp_path / "listener.toml"


def test_without_any_the_error_says_where_it_looked_and_what_to_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "SYSTEM", tmp_path / "etc" / "listener.toml")
    with pytest.raises(ConfigurationError, match=r"^no configuration: neither listener\.toml is here nor .* --config FILE"):
        settings.needed(None, {})


def test_a_named_file_that_is_not_there_is_named_by_its_reader(tmp_path):
    assert settings.needed(str(tmp_path / "nowhere.toml"), {}) == tmp_path / "nowhere.toml"
