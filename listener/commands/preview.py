"""`listener preview ACCOUNT`: which messages would be processed, and how. Changes nothing, neither there nor here.

Beside a running daemon that one is asked, because it has the ledger; it opens a second session, read-only. Otherwise the
ledger is opened under its lock; where there is none yet, none is made.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from ..admin.sockets import CONTROL_SOCKET
from ..config import Account, Config
from ..ledger import LEDGER, Ledger
from ..preview import Known, NothingKnown
from ..preview import preview as dry_run
from ..telemetry import configure
from .control import CommandFailed, RemoteCall, daemon_answers
from .printing import Printer
from .settings import configuration
from .tokens import tokens

COLUMNS = ("received_at", "outcome", "kind", "case", "why", "rule", "from", "subject", "reply")


def preview(arguments: argparse.Namespace) -> int:
    """`listener preview ACCOUNT [--since …] [--limit N]`."""
    configure(sys.stderr, level=logging.WARNING)
    config = configuration(arguments)
    state_dir = config.listener.state_dir
    account = config.account(arguments.account)
    if daemon_answers(state_dir):
        call = RemoteCall(state_dir / CONTROL_SOCKET)
        rows = call("preview", account=arguments.account, since=arguments.since, limit=arguments.limit)
    elif account is None:
        raise CommandFailed(f"no account {arguments.account!r} in the files; one of the console needs the daemon")
    else:
        rows = asyncio.run(_local(config, account, arguments.since, arguments.limit))
    printer = Printer(as_json=arguments.json)
    shown = rows if arguments.json else map(_for_people, rows)
    printer.rows(shown, COLUMNS, empty="no message would be processed")
    return 0


def _for_people(row: Mapping[str, Any]) -> dict[str, Any]:
    reply = row.get("reply")
    return dict(row) | {"reply": f"{'yes' if reply['send'] else 'no'}: {reply['why']}" if reply else ""}


async def _local(config: Config, account: Account, since: float | None, limit: int) -> list[dict[str, Any]]:
    state_dir = config.listener.state_dir
    async with AsyncExitStack() as stack:
        ledger = None
        if (state_dir / LEDGER).exists():
            ledger = await Ledger.open(state_dir, expect_state=config.listener.expect_state)
            stack.push_async_callback(ledger.close)
        known: Known = ledger or NothingKnown()
        given = await stack.enter_async_context(tokens(config, [account], ledger))
        return await dry_run(account, config, known, given.token_of, since=since, limit=limit)
