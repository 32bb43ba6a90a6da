"""Whatever goes wrong: one line, no traceback, and the exit code of the contract."""

import asyncio
import json
import os
import subprocess
import sys

import pytest

from listener import __version__
from listener.commands.settings import SYSTEM, find
from listener.ledger import Ledger

LISTENER = [sys.executable, "-m", "listener"]


def test_the_version(listener):
    code, out, _ = listener("--version")
    assert (code, out.count("\n")) == (0, 1)
    assert out.startswith(f"listener {__version__} (Python 3.")


@pytest.mark.parametrize(
    "words", [[], ["frobnicate"], ["messages", "--colour"], ["messages", "--limit", "0"], ["health"], ["explain"]]
)
def test_a_wrong_command_line_is_one_line_and_exit_78(listener, words):
    code, out, err = listener(*words)
    assert (code, out) == (78, "")
    assert err.startswith("listener: ")
    assert len(err.splitlines()) == 1


def test_a_wrong_configuration_lists_every_fault_with_file_and_line(listener, config):
    config.write_text(config.read_text().replace('security = "none"', 'security = "perhaps"\nfolder = "INBOX"'))
    code, out, err = listener("messages", "--config", config)
    assert (code, out) == (78, "")
    assert len(err.splitlines()) == 2
    assert all(line.startswith(f"listener: {config}:") for line in err.splitlines())


@pytest.mark.parametrize("command", ["run", "accounts", "check"])
def test_a_missing_configuration_is_said_by_name(listener, command):
    code, _, err = listener(command, "--config", "nowhere.toml")
    assert code == 78
    assert "nowhere.toml" in err


def test_a_ledger_that_another_process_holds_is_exit_75(listener, config):
    async def hold_and_ask():
        ledger = await Ledger.open(config.parent / "state")
        try:
            return await asyncio.to_thread(listener, "messages")
        finally:
            await ledger.close()

    code, out, err = asyncio.run(hold_and_ask())
    assert (code, out) == (75, "")
    assert len(err.splitlines()) == 1
    assert str(os.getpid()) in err


def test_a_fault_of_ours_is_one_line_that_can_be_reported(listener, config, monkeypatch):
    def broken(config):
        raise ZeroDivisionError("boom")

    monkeypatch.setattr("listener.commands.asking._local", broken)
    code, _, err = listener("messages")
    assert code == 1
    assert err.startswith("listener: internal error, please report: ZeroDivisionError: boom (test_main.py:")
    assert "Traceback" not in err


def test_a_reader_that_had_enough_is_no_error(filled):
    asked = subprocess.Popen(
        [*LISTENER, "messages", "--json", "--config", filled], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    asked.stdout.close()
    assert asked.stderr.read() == b""
    asked.stderr.close()
    assert asked.wait() == 0


def test_an_ascii_terminal_gets_escapes_and_no_error(filled):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    for words in (["messages"], ["messages", "--json"]):
        ran = subprocess.run([*LISTENER, *words, "--config", filled], capture_output=True, env=environment, check=True)
        assert ran.stderr == b""
        ran.stdout.decode("ascii")


def test_the_schema_is_json(listener):
    code, out, _ = listener("schema")
    assert code == 0
    assert json.loads(out)["properties"].keys() >= {"listener", "admin", "accounts"}


def test_the_configuration_may_stand_before_the_command_or_after_it(listener, config):
    said = [listener("--config", "nowhere.toml", "accounts"), listener("accounts", "--config", "nowhere.toml")]
    assert [code for code, _, _ in said] == [78, 78]
    assert said[0] == said[1]
    assert listener("--config", "nowhere.toml", "accounts", "--config", config)[0] == 0
    assert listener("tokens", "--config", config, "list")[0] == 0


@pytest.mark.parametrize("words", [["--config", "x.toml", "demo"], ["demo", "--config", "x.toml"]])
def test_the_demo_ignores_no_configuration_but_refuses_it(listener, words):
    code, out, err = listener(*words)
    assert (code, out) == (78, "")
    assert "leave --config away" in err


def test_the_schema_suggests_the_names_of_a_given_configuration(listener, config):
    config.write_text(config.read_text() + '[command.archive]\nargv = ["/bin/true"]\n')
    code, out, _ = listener("schema", "--config", config)
    hooks = json.loads(out)["$defs"]["Account"]["properties"]["hooks"]
    assert (code, hooks["items"]["examples"]) == (0, ["command:archive"])


def test_the_configuration_is_looked_for_in_the_documented_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find(None, {}) == SYSTEM
    (tmp_path / "listener.toml").touch()
    assert find(None, {}) == tmp_path / "listener.toml"
    assert find(None, {"LISTENER_CONFIG": "/x.toml"}).as_posix() == "/x.toml"
    assert find("y.toml", {"LISTENER_CONFIG": "/x.toml"}) == tmp_path / "y.toml"


def test_health_starts_without_what_is_slow():
    heavy = {"pydantic", "aiohttp", "sqlite3", "structlog", "rich", "jinja2"}
    code = "import sys; from listener.commands import health, arguments; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not heavy & set(loaded)
