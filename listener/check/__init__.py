"""What is wrong with an account's connection: each step by itself, with its time, what the server said and what to change.

`check_account` is an async generator, so that the command line and the console can show each step as it happens. It only
reads: folders are opened with EXAMINE, no mail is fetched or sent. A failed step ends its side (receiver or sender); the other
side is still tried. It connects with the daemon's own code, so a check that passes means something.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

from ..config import Account, ReceiverProtocol, SenderProtocol
from ..config.files import account_warnings
from ..config.presets import providers
from ..credentials import SkewOf, TokenOf
from ..errors import AccountFailure, AuthenticationRefused
from . import graph, imap, pop3, smtp
from .steps import Step, Steps, Watch

__all__ = ["Step", "check_account"]


async def check_account(
    account: Account,
    token_of: TokenOf,
    *,
    now: Callable[[], float] = time.time,
    skew_of: SkewOf = lambda profile: None,
) -> Steps:
    """What the settings should be looked at for, then every step of the receiver, then of the sender.

    `skew_of` is asked once there is a token, and what it says of clocks is told. Raises nothing that is the account's or the
    server's fault.
    """
    for setting, said in account_warnings(account, datetime.fromtimestamp(now(), UTC).date()):
        yield Step("sender" if setting.startswith("sender") else "receiver", "settings", True, 0.0, said, setting=setting)
    sides = [_receiver(Watch("receiver", lambda: skew_of(account.receiver.oauth or "")), account, token_of, now)]
    if (sender := account.sender) is not None:
        sides.append(_sender(Watch("sender", lambda: skew_of(sender.oauth or "")), account, token_of, now))
    for side in sides:
        async with aclosing(side):
            async for step in side:
                yield step


async def _receiver(watch: Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    ways = {ReceiverProtocol.IMAP: imap.receiver, ReceiverProtocol.POP3: pop3.receiver, ReceiverProtocol.GRAPH: graph.receiver}
    way = ways[account.receiver.protocol]
    async for step in _guarded(watch, account, way(watch, account, token_of, now)):
        yield step


async def _sender(watch: Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    ways = {SenderProtocol.SMTP: smtp.sender, SenderProtocol.GRAPH: graph.sender}
    if account.sender is not None:
        async for step in _guarded(watch, account, ways[account.sender.protocol](watch, account, token_of, now)):
            yield step


async def _guarded(watch: Watch, account: Account, steps: Steps) -> Steps:
    """What the steps raise becomes a failed step, the last one of this side."""
    async with aclosing(steps):
        try:
            async for step in steps:
                yield step
        except AuthenticationRefused as error:
            yield _with_providers_hint(watch.failed(error), account)
        except AccountFailure as error:
            yield watch.failed(error)


def _with_providers_hint(step: Step, account: Account) -> Step:
    provider = providers().get(account.provider)
    hints = [hint for hint in (step.hint, provider.hint if provider else "") if hint]
    return replace(step, hint="; ".join(hints))
