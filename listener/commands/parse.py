"""`listener parse PATH…`: wires the command line to the engine in `parsing/command.py`.

Messages are read as nobody's: no verdict is trusted. With `--config` or `--account` they are read as that account would
read them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ..message import Trust
from ..parsing.command import parse_paths
from .control import CommandFailed
from .settings import configuration

if TYPE_CHECKING:
    from ..config import Account, Config


def parse(arguments: argparse.Namespace) -> int:
    """Exit 0, or 1 when a path could not be read. Raises ConfigurationError, or CommandFailed when no account is meant."""
    attachments = Path(arguments.attachments) if arguments.attachments else None
    trust = _as_account(arguments) if arguments.config or arguments.account else Trust()
    return parse_paths(arguments.path, attachments, trust=trust)


def _as_account(arguments: argparse.Namespace) -> Trust:
    from ..protocols.opening import trust_of  # not needed, nor its sessions, where no account is meant

    return trust_of(account_meant(configuration(arguments), arguments.account))


def account_meant(config: Config, named: str | None) -> Account:
    """The one of that name, or the only one. Raises CommandFailed."""
    found = [account for account in config.accounts if named in (None, account.id)]
    if len(found) == 1:
        return found[0]
    known = ", ".join(account.id for account in config.accounts) or "none"
    what = f"no account {named!r}" if named else "which account's trust and reply markers? name one with --account"
    raise CommandFailed(f"{what}; this configuration has: {known}")
