"""`listener check`: every fault of the configuration at once; its warnings; then, step by step, what each connection does.

Accounts made in the console are tested by the running daemon, which has their secrets. Reads only. Exit 0, 78 when the
configuration is at fault, 1 when a connection is.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from datetime import UTC, datetime

from ..check import Step, check_account
from ..config import Account, Config
from ..config.files import account_warnings, process_warnings
from ..config.load import load
from ..errors import ConfigurationError
from ..hooks.loading import PREFIX
from ..hooks.loading import load as load_hook
from ..outbox.templating import template_faults
from .control import CommandFailed
from .kept_accounts import KeptAccounts, of_the_daemon
from .printing import Printer
from .settings import needed
from .tokens import Given, tokens

AT_ONCE = 8
"""Accounts that are checked at the same time."""


def check(arguments: argparse.Namespace) -> int:
    """`listener check [ACCOUNT…] [--offline]`."""
    printer = Printer(as_json=arguments.json)
    try:
        config = load(needed(arguments.config), check_hook=_hook_trouble)
        if faults := template_faults(config):
            raise ConfigurationError(faults)
    except ConfigurationError as error:
        if not arguments.json:
            raise
        for fault in error.faults:
            printer.json({"ok": False, **asdict(fault)})
        return 78
    kept = None if arguments.offline else of_the_daemon(config)
    chosen, chosen_kept = _chosen(config, kept, arguments.account)
    for said in process_warnings(config):
        printer.json({"ok": True, "warning": said}) if arguments.json else printer.line(f"warning: {said}")
    if arguments.offline:
        _say_what_is_odd(chosen, printer)
        _say(f"the configuration is fine; accounts: {len(config.accounts)}", printer)
        return 0
    fine = asyncio.run(_check_all(config, chosen, printer))
    return 0 if _check_kept(kept, chosen_kept, printer) and fine else 1


def _say_what_is_odd(accounts: Sequence[Account], printer: Printer) -> None:
    """What each account's settings should be looked at for; beside a connection that is its first step."""
    today = datetime.fromtimestamp(time.time(), UTC).date()
    for account in accounts:
        for setting, said in account_warnings(account, today):
            if printer.as_json:
                printer.json({"ok": True, "account": account.id, "setting": setting, "warning": said})
            else:
                printer.line(f"warning: {account.id}: {setting}: {said}")


def _say(said: str, printer: Printer) -> None:
    printer.json({"ok": True, "said": said}) if printer.as_json else printer.line(said)


def _hook_trouble(name: str) -> str | None:
    """What is wrong with a Python hook; None: it can be imported and used."""
    try:
        load_hook(name if name.startswith(PREFIX) else PREFIX + name, "")
    except ConfigurationError as error:
        return "; ".join(fault.reason for fault in error.faults)
    return None


def _chosen(config: Config, kept: KeptAccounts | None, ids: Sequence[str]) -> tuple[list[Account], list[str]]:
    """Accounts of the files, and ids of the console's: those named, else all."""
    there = kept.ids if kept is not None else []
    unknown = [id for id in ids if config.account(id) is None and id not in there]
    if unknown:
        where = " in the configuration" + ("; one of the console needs the daemon" if kept and not kept.can_be_tested else "")
        raise CommandFailed(f"no account {unknown[0]!r}{where}")
    return [account for account in config.accounts if not ids or account.id in ids], [
        id for id in there if not ids or id in ids
    ]


def _check_kept(kept: KeptAccounts | None, ids: Sequence[str], printer: Printer) -> bool:
    """Those of the console, one after the other. True: every step was fine."""
    if kept is not None and not kept.can_be_tested:
        _say("accounts made in the console are tested by the daemon, which does not run: start it and check again", printer)
    fine = True
    for id in ids if kept is not None else ():
        if not printer.as_json:
            printer.line(id)
        for step in kept.steps(id) if kept else ():
            fine = fine and step.ok
            _print(id, step, printer)
    return fine


async def _check_all(config: Config, accounts: Sequence[Account], printer: Printer) -> bool:
    """Side by side, printed one after the other as their steps come. True: every step was fine."""
    room = asyncio.Semaphore(AT_ONCE)
    checks = [(account, asyncio.Queue[Step | None]()) for account in accounts]
    fine = True
    async with tokens(config, accounts) as given, asyncio.TaskGroup() as group:
        for account, steps in checks:
            group.create_task(_fill(account, given, steps, room))
        for account, steps in checks:
            if not printer.as_json:
                printer.line(account.id)
            async for step in _until_none(steps):
                fine = fine and step.ok
                _print(account.id, step, printer)
    return fine


async def _fill(account: Account, given: Given, steps: asyncio.Queue[Step | None], room: asyncio.Semaphore) -> None:
    async with room, aclosing(check_account(account, given.token_of, skew_of=given.skew_of)) as checking:
        async for step in checking:
            steps.put_nowait(step)
    steps.put_nowait(None)


async def _until_none(steps: asyncio.Queue[Step | None]) -> AsyncIterator[Step]:
    while (step := await steps.get()) is not None:
        yield step


def _print(account: str, step: Step, printer: Printer) -> None:
    if printer.as_json:
        printer.json({"account": account, **asdict(step), "seconds": round(step.seconds, 3)})
        return
    setting = f" [{step.setting}]" if step.setting else ""
    hint = f"; {step.hint}" if step.hint else ""
    name = f"{step.side} {step.name}"
    printer.line(f"  {'ok' if step.ok else 'FAILED':<7}{name:<24}{step.seconds * 1000:7.0f} ms  {step.said}{hint}{setting}")
