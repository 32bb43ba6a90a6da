"""`listener parse PATH…`: wires the command line to the engine in `parsing/command.py`."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..parsing.command import parse_paths


def parse(arguments: argparse.Namespace) -> int:
    """Exit 0, or 1 when a path could not be read."""
    return parse_paths(arguments.path, Path(arguments.attachments) if arguments.attachments else None)
