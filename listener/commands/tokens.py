"""Access tokens for the commands that connect: `check` and `preview`.

Most grants give a token for the asking. A refresh token may change with each use, and whoever uses it must keep the new one:
that is the daemon where one runs, asked over its control socket; else the ledger is opened under its lock for that one secret.
Where neither is there yet, the first refresh token is left for the daemon's first start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

from ..admin.sockets import CONTROL_SOCKET
from ..config import Account, Config, Grant
from ..credentials import SkewOf, TokenOf
from ..credentials.oauth import Tokens
from ..errors import LedgerError, PermanentFailure
from ..ledger import LEDGER, Ledger
from ..supervisor.seams import make_tokens
from .control import CommandFailed, RemoteCall, daemon_answers


@dataclass(frozen=True, slots=True)
class Given:
    """`skew_of` knows the profiles that were asked from here; a daemon that was asked compares clocks itself, and logs it."""

    token_of: TokenOf
    skew_of: SkewOf


@asynccontextmanager
async def tokens(config: Config, accounts: Sequence[Account], ledger: Ledger | None = None) -> AsyncIterator[Given]:
    """What gives tokens to sessions of these accounts; `ledger` is one that is open already.

    Raises LedgerError, ConfigurationError.
    """
    async with AsyncExitStack() as stack:
        changing = {name for name in _used(accounts) if _changes(config, name)}
        keeper = await _keeper(config, ledger, stack) if changing else None
        plain = Tokens(config.oauth, _Nowhere())
        stack.push_async_callback(plain.close)

        def token_of(profile: str, user: str, protocol: str) -> Callable[[], Awaitable[str]]:
            use = keeper if keeper is not None and profile in changing else plain.token_of
            return use(profile, user, protocol)

        yield Given(token_of, plain.skew)


def _used(accounts: Sequence[Account]) -> set[str]:
    return {side.oauth for account in accounts for side in (account.receiver, account.sender) if side and side.oauth}


def _changes(config: Config, name: str) -> bool:
    profile = config.oauth.get(name)
    return profile is not None and profile.grant is Grant.REFRESH_TOKEN


async def _keeper(config: Config, ledger: Ledger | None, stack: AsyncExitStack) -> TokenOf:
    """Who can use a refresh token and keep the next one."""
    state_dir = config.listener.state_dir
    if ledger is None:
        if await asyncio.to_thread(daemon_answers, state_dir):
            return _asking(RemoteCall(state_dir / CONTROL_SOCKET))
        if not (state_dir / LEDGER).exists():
            return _not_yet
        ledger = await Ledger.open(state_dir, expect_state=config.listener.expect_state)
        stack.push_async_callback(ledger.close)
    kept = make_tokens(config, ledger)
    stack.push_async_callback(kept.close)
    return kept.token_of


def _asking(call: RemoteCall) -> TokenOf:
    def token_of(profile: str, user: str, protocol: str) -> Callable[[], Awaitable[str]]:
        async def token() -> str:
            try:
                answer = await asyncio.to_thread(call, "token", profile=profile, user=user, protocol=protocol)
            except (CommandFailed, LedgerError) as error:
                raise PermanentFailure(f"the daemon gives no token: {error}", setting=f"oauth.{profile}") from error
            if "access_token" in answer:
                return str(answer["access_token"])
            raise PermanentFailure(f"the daemon says: {answer['reason']}", setting=answer["setting"], hint=answer["hint"])

        return token

    return token_of


def _not_yet(profile: str, user: str, protocol: str) -> Callable[[], Awaitable[str]]:
    async def refuse() -> NoReturn:
        raise PermanentFailure(
            "the refresh token was not used: it may change with the first use, and only the daemon can keep the next one",
            setting=f"oauth.{profile}.refresh_token_file",
            hint="start the daemon, then check again",
        )

    return refuse


class _Nowhere:
    """Keeps nothing: grants without a refresh token have nothing to keep."""

    async def load(self, name: str) -> str | None:
        return None

    async def save(self, name: str, value: str) -> None:
        raise PermanentFailure(f"{name} cannot be kept here", setting=name)
