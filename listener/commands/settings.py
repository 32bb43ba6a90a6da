"""Which configuration a command reads: `--config`, else `$LISTENER_CONFIG`, else `listener.toml` here, else `/etc/listener`."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

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


def configuration(arguments: argparse.Namespace) -> Config:
    """Everything, checked but for the files it names: the daemon reads them, not we. Raises ConfigurationError."""
    from ..config.load import load

    return load(find(arguments.config), check_files=False)
