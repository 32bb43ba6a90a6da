"""The steps of a POP3 receiver: capabilities, sign-in, the maildrop's list. Nothing is retrieved or marked as deleted."""

from __future__ import annotations

from collections.abc import Callable

from ..config import Account
from ..credentials import TokenOf, credentials_of, endpoint_of
from ..protocols.endpoint import Security
from ..protocols.pop3 import sign_in
from ..protocols.pop3.reading import read_maildrop
from .reaching import reach, secret, secured
from .steps import Steps, Watch, few


async def receiver(watch: Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "receiver"), credentials_of(account, "receiver", token_of)
    async for step in reach(watch, endpoint):
        yield step
    watch.begin("tls" if endpoint.security != Security.NONE else "greeting")
    session = await sign_in.connect(endpoint)
    try:
        yield secured(watch, endpoint, session.connection.facts, now)
        watch.begin("capabilities")
        yield watch.ok(few(sorted(session.capabilities)) or "the server does not say")
        yield await secret(watch, credentials)
        watch.begin("sign-in")
        await sign_in.authenticate(session, credentials)
        yield watch.ok(f"signed in as {credentials.user}")
        watch.begin("maildrop")
        drops = await read_maildrop(session)
        nameless = sum(drop.uidl is None for drop in drops)
        hint = f"{nameless} without a unique-id of their own are fetched each time to be recognised" if nameless else ""
        yield watch.ok(f"{len(drops)} messages, {sum(drop.size for drop in drops)} octets", hint)
    finally:
        await session.quit()  # nothing was marked as deleted
