"""The commands around the daemon itself: `run`, `demo`, `schema`."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from datetime import date

import structlog

from ..config import Config
from ..config.files import warnings
from ..config.load import load
from ..errors import Fault
from .begun import expecting, hint, mark_of, remember
from .settings import needed

log = structlog.get_logger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """`listener run`: the daemon, until a signal ends it."""
    from ..ledger import LEDGER
    from ..supervisor import Supervisor
    from ..telemetry import configure

    configure(sys.stderr, is_terminal=False if arguments.json else None)
    path, mark = needed(arguments.config), mark_of(os.environ)

    def read() -> Config:
        return expecting(load(path, account_trouble=_trouble), mark)

    config = read()
    lost = [] if (config.listener.state_dir / LEDGER).exists() else [hint(mark)]
    for said in filter(None, [*warnings(config, date.today()), *lost]):
        log.warning("configuration.warning", said=said)

    async def daemon() -> int:
        return await Supervisor(config, reread=read, on_ready=lambda: remember(mark)).run()

    return asyncio.run(daemon())


def _trouble(fault: Fault) -> None:
    """One account's missing password file does not stop the others."""
    log.warning("account.unready", fault=str(fault))


def demo(arguments: argparse.Namespace) -> int:
    """`listener demo`."""
    from ..telemetry import configure
    from .demo import run_demo

    configure(sys.stderr, level=logging.WARNING)  # the demo tells its own story
    return asyncio.run(run_demo(arguments.seconds, sys.stdout))
