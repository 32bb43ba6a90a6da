"""The steps of an SMTP sender, up to its sign-in. Nothing is sent."""

from __future__ import annotations

from collections.abc import Callable

from ..config import Account
from ..credentials import TokenOf, credentials_of, endpoint_of
from ..protocols import smtp as sending
from ..protocols.endpoint import Security
from .reaching import reach, secret, secured
from .steps import Steps, Watch


async def sender(watch: Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "sender"), credentials_of(account, "sender", token_of)
    async for step in reach(watch, endpoint):
        yield step
    watch.begin("tls" if endpoint.security != Security.NONE else "greeting")
    client = await sending.connect(endpoint)
    try:
        yield secured(watch, endpoint, sending.facts(client), now)
        yield await secret(watch, credentials)
        watch.begin("sign-in")
        await sending.authenticate(client, endpoint, credentials)
        yield watch.ok(f"signed in as {credentials.user}; nothing was sent")
    finally:
        await sending.leave(client)
