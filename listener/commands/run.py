"""`listener run`, from its first line: told to end while the rest still loads, it ends well, as it does later by draining.

Imports nothing heavy: what comes before the handler is the interpreter's own start.
"""

from __future__ import annotations

import argparse
import os
import signal
from typing import NoReturn


def run(arguments: argparse.Namespace) -> int:
    """Exit codes: 0, 75 (the ledger is held, or failed), 78 (configuration)."""
    signal.signal(signal.SIGTERM, _end)  # until the supervisor has handlers of its own, with something to drain
    from .daemon import run as daemon

    return daemon(arguments)


def _end(number: int, frame: object) -> NoReturn:
    """At once: nothing is open yet, and an exception might be swallowed by what is being imported."""
    os._exit(0)
