"""Which configuration a command reads: `--config`, else `$LISTENER_CONFIG`, else `listener.toml` here, else `/etc/listener`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ConfigurationError, Fault

if TYPE_CHECKING:
    from ..config import Config  # half a second of pydantic, which `health` does without

HERE = Path("listener.toml")
SYSTEM = Path("/etc/listener/listener.toml")


def find(given: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """The file to read; whether it is there is for the reader to say."""
    named = given or environment.get("LISTENER_CONFIG")
    if named:
        return Path(named).absolute()
    return HERE.absolute() if HERE.exists() else SYSTEM


def needed(given: str | None, environment: Mapping[str, str] = os.environ) -> Path:
    """As `find`. Raises ConfigurationError where none was named and none is at the usual places."""
    path = find(given, environment)
    if path == SYSTEM and not path.exists():
        todo = "name yours with --config FILE or $LISTENER_CONFIG, or write one: two lines are enough, see the README"
        raise ConfigurationError([Fault("", f"no configuration: neither {HERE} is here nor {SYSTEM}; {todo}")])
    return path


def configuration(arguments: argparse.Namespace) -> Config:
    """Everything, checked but for the files it names: the daemon reads them, not we. Raises ConfigurationError."""
    from ..config.load import load

    return load(needed(arguments.config), check_files=False)
