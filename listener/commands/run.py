"""`listener run`, from its first line: told to end while the rest still loads, it ends well, as the daemon does later.

Imports nothing heavy: what comes before the handler is the interpreter's own start.
"""

from __future__ import annotations

import argparse
import signal
from typing import NoReturn


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0, 75 (the ledger is held, or failed), 78 (configuration)."""
    signal.signal(signal.SIGTERM, _end)  # until the supervisor has handlers of its own, with something to drain
    from .daemon import run as daemon

    return daemon(arguments)


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(0)
