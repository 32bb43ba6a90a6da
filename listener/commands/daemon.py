"""The commands around the daemon itself: `run`, `demo`, `schema`."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from datetime import date

import structlog

from ..config.files import warnings
from ..config.load import load
from ..errors import Fault
from .settings import find

log = structlog.get_logger(__name__)


def run(arguments: argparse.Namespace) -> int:
    """`listener run`: the daemon, until a signal ends it."""
    from ..supervisor import Supervisor
    from ..telemetry import configure

    configure(sys.stderr, is_terminal=False if arguments.json else None)
    path = find(arguments.config)
    config = load(path, account_trouble=_trouble)
    for said in warnings(config, date.today()):
        log.warning("configuration.warning", said=said)

    async def daemon() -> int:
        return await Supervisor(config, reread=lambda: load(path, account_trouble=_trouble)).run()

    return asyncio.run(daemon())


def _trouble(fault: Fault) -> None:
    """One account's missing password file does not stop the others."""
    log.warning("account.unready", fault=str(fault))


def demo(arguments: argparse.Namespace) -> int:
    """`listener demo`."""
    from ..demo import run_demo
    from ..telemetry import configure

    configure(sys.stderr, level=logging.WARNING)  # the demo tells its own story
    return asyncio.run(run_demo(arguments.seconds, sys.stdout))


def schema(arguments: argparse.Namespace) -> int:
    """`listener schema`."""
    from ..config import json_schema

    print(json.dumps(json_schema(), indent=None if arguments.json else 2, ensure_ascii=False))
    return 0
