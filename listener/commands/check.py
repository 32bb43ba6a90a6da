"""`listener check`: every fault of the configuration at once; its warnings; then, step by step, what each connection does.

Reads only. Exit 0, 78 when the configuration is at fault, 1 when a connection is.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict

from ..check import Step, check_account
from ..config import Account, Config
from ..config.files import process_warnings
from ..config.load import load
from ..credentials import TokenOf
from ..errors import ConfigurationError
from ..hooks.loading import PREFIX
from ..hooks.loading import load as load_hook
from ..outbox.templating import template_faults
from .control import CommandFailed
from .printing import Printer
from .settings import find
from .tokens import tokens

AT_ONCE = 8
"""Accounts that are checked at the same time."""


def check(arguments: argparse.Namespace) -> int:
    """`listener check [ACCOUNT…] [--offline]`."""
    printer = Printer(as_json=arguments.json)
    try:
        config = load(find(arguments.config), check_hook=_hook_trouble)
        if faults := template_faults(config):
            raise ConfigurationError(faults)
    except ConfigurationError as error:
        if not arguments.json:
            raise
        for fault in error.faults:
            printer.json({"ok": False, **asdict(fault)})
        return 78
    chosen = _chosen(config, arguments.account)
    for said in process_warnings(config):
        printer.json({"ok": True, "warning": said}) if arguments.json else printer.line(f"warning: {said}")
    if arguments.offline:
        said = f"the configuration is fine; accounts: {len(config.accounts)}"
        printer.json({"ok": True, "said": said}) if arguments.json else printer.line(said)
        return 0
    return 0 if asyncio.run(_check_all(config, chosen, printer)) else 1


def _hook_trouble(name: str) -> str | None:
    """What is wrong with a Python hook; None: it can be imported and used."""
    try:
        load_hook(name if name.startswith(PREFIX) else PREFIX + name, "")
    except ConfigurationError as error:
        return "; ".join(fault.reason for fault in error.faults)
    return None


def _chosen(config: Config, ids: Sequence[str]) -> list[Account]:
    unknown = [id for id in ids if config.account(id) is None]
    if unknown:
        raise CommandFailed(f"no account {unknown[0]!r} in the configuration")
    return [account for account in config.accounts if not ids or account.id in ids]


async def _check_all(config: Config, accounts: Sequence[Account], printer: Printer) -> bool:
    """Side by side, printed one after the other as their steps come. True: every step was fine."""
    room = asyncio.Semaphore(AT_ONCE)
    checks = [(account, asyncio.Queue[Step | None]()) for account in accounts]
    fine = True
    async with tokens(config, accounts) as token_of, asyncio.TaskGroup() as group:
        for account, steps in checks:
            group.create_task(_fill(account, token_of, steps, room))
        for account, steps in checks:
            if not printer.as_json:
                printer.line(account.id)
            async for step in _until_none(steps):
                fine = fine and step.ok
                _print(account, step, printer)
    return fine


async def _fill(account: Account, token_of: TokenOf, steps: asyncio.Queue[Step | None], room: asyncio.Semaphore) -> None:
    async with room, aclosing(check_account(account, token_of)) as checking:
        async for step in checking:
            steps.put_nowait(step)
    steps.put_nowait(None)


async def _until_none(steps: asyncio.Queue[Step | None]) -> AsyncIterator[Step]:
    while (step := await steps.get()) is not None:
        yield step


def _print(account: Account, step: Step, printer: Printer) -> None:
    if printer.as_json:
        printer.json({"account": account.id, **asdict(step), "seconds": round(step.seconds, 3)})
        return
    setting = f" [{step.setting}]" if step.setting else ""
    hint = f"; {step.hint}" if step.hint else ""
    name = f"{step.side} {step.name}"
    printer.line(f"  {'ok' if step.ok else 'FAILED':<7}{name:<24}{step.seconds * 1000:7.0f} ms  {step.said}{hint}{setting}")
