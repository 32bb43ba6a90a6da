"""What operators and users read names everything there is, and nothing that is not."""

import argparse
import re
from pathlib import Path

from listener.admin.health import account_row
from listener.admin.metrics import Metrics
from listener.commands.arguments import parser
from listener.series import PREFIX, SERIES
from listener.status import AccountState, AccountStatus

DOCS = Path(__file__).parent.parent / "docs"
OPERATIONS = (DOCS / "operations.md").read_text()
COMMANDS = (DOCS / "commands.md").read_text()
SUFFIX = {"counter": "_total", "info": "_info"}


def section(page, title):
    return page.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def first_column(text):
    return {name for row in re.findall(r"^\| (`.*?) \|", text, re.M) for name in re.findall(r"`([^`]+)`", row)}


def commands():
    (choices,) = (action for action in parser()._actions if isinstance(action, argparse._SubParsersAction))
    return choices.choices


def test_every_metric_is_made_from_the_table_and_documented_with_its_labels():
    made = {family.name + SUFFIX.get(family.type, "") for family in Metrics().registry.collect()}
    assert {name for name in made if name.startswith(PREFIX)} == {PREFIX + series.name for series in SERIES}
    rows = {row.split("`")[1]: row for row in section(OPERATIONS, "Metrics").splitlines() if row.startswith(f"| `{PREFIX}")}
    assert set(rows) == {PREFIX + series.name for series in SERIES}
    for series in SERIES:
        assert all(f"`{label}`" in rows[PREFIX + series.name] for label in series.labels), series.name


def test_every_state_of_an_account_is_documented():
    assert first_column(section(OPERATIONS, "States of an account")) == set(AccountState)


def test_every_fact_of_an_account_is_documented():
    row = account_row(AccountStatus("a", "imap"), None, 0.0)
    assert set(row) <= set(re.findall(r"`(\w+)`", section(OPERATIONS, "Health")))


def test_every_command_is_documented_with_its_arguments():
    documented = re.findall(r"^\| `(.+?)`(?:, `(.+?)`)? \|", COMMANDS, re.M)
    lines = {words.split()[0]: f"{words} {more}" for words, more in documented}
    assert set(lines) == set(commands())
    for name, command in commands().items():
        for action in command._actions:
            for option in set(action.option_strings) - {"-h", "--help", "--config", "--json"}:
                assert option in lines[name], f"{name} {option}"
            if isinstance(action, argparse._SubParsersAction):
                assert all(word in lines[name] for word in action.choices)
            elif not action.option_strings:
                assert (action.metavar or action.dest) in lines[name], f"{name} {action.metavar}"


def test_every_command_says_what_it_does_in_its_help():
    for name, command in commands().items():
        assert command.description, name
        assert all(action.help or not action.option_strings for action in command._actions), name
