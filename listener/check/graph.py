"""The steps of Microsoft Graph, as receiver and as sender: permissions, clock, refusal, folders, delta. Reads only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..config import Account
from ..credentials import TokenOf, credentials_of, endpoint_of
from ..errors import FolderMissing, PermanentFailure
from ..mailbox import Folder
from ..protocols.connection import Connection
from ..protocols.endpoint import Endpoint
from ..protocols.graph.grants import granted
from ..protocols.graph.mailbox import GraphMailbox, GraphSettings
from ..protocols.graph.probing import clock_hint, is_refused
from ..protocols.graph.sending import GraphSender
from ..protocols.sasl import Credentials
from .reaching import reach, secret, secured
from .steps import Step, Steps, Watch, few

_SHUT = "receiver.must_be_refused"


async def receiver(watch: Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "receiver"), credentials_of(account, "receiver", token_of)
    async for step in _reach(watch, endpoint, credentials, now):
        yield step
    watch.begin("sign-in")
    mailbox = account.receiver.user_principal_name or account.receiver.user
    settings = GraphSettings(tuple(account.receiver.folders), read_only=True)
    session = await GraphMailbox.open(endpoint, mailbox, credentials.ask, settings, now=now)
    try:
        grants = granted(await credentials.ask())
        lacking = account.receiver.after != "keep" and "Mail.Read" in grants and "Mail.ReadWrite" not in grants
        hint = "without Mail.ReadWrite nothing can be marked, moved or deleted: grant it, or set after" if lacking else ""
        said = f"the mailbox {mailbox} answers" + (f"; the token grants {few(grants)}" if grants else "")
        yield watch.ok(said, hint, "receiver.after" if hint else "")
        watch.begin("clock")
        yield watch.ok("the server's clock was compared with ours", clock_hint(session.client.skew))
        if account.receiver.must_be_refused is not None:
            yield await _shut(watch, endpoint, account.receiver.must_be_refused, credentials)
        for folder in account.receiver.folders:
            watch.begin("folder")
            yield watch.ok(f'"{folder}": {await session.count(Folder(folder))} messages')
            watch.begin("delta")
            yield watch.ok(f"the server lists its changes, {await session.first_page(Folder(folder))} on the first page")
        if account.receiver.move_to is not None:
            watch.begin("move target")
            try:
                await session.count(Folder(account.receiver.move_to))
            except FolderMissing as error:
                yield replace(watch.failed(error), setting="receiver.after")
            else:
                yield watch.ok(f'"{account.receiver.move_to}" is there')
    finally:
        await session.close()


async def _shut(watch: Watch, endpoint: Endpoint, mailbox: str, credentials: Credentials) -> Step:
    """Another mailbox, which this application must not be able to read (R-54)."""
    watch.begin("refusal")
    try:
        shut = await is_refused(endpoint, mailbox, credentials.ask)
    except PermanentFailure as error:
        raise PermanentFailure(error.reason, setting=_SHUT, hint="this proves nothing: name a mailbox that exists") from error
    if not shut:
        said = f"the mailbox {mailbox} can be read with this account's token, and must not be"
        raise PermanentFailure(said, setting=_SHUT, hint="limit the application to its mailboxes: RBAC for Applications")
    return watch.ok(f"the mailbox {mailbox} is refused, as it must be")


async def sender(watch: Watch, account: Account, token_of: TokenOf, now: Callable[[], float]) -> Steps:
    endpoint, credentials = endpoint_of(account, "sender"), credentials_of(account, "sender", token_of)
    async for step in _reach(watch, endpoint, credentials, now):
        yield step
    watch.begin("sign-in")
    session = await GraphSender.open(endpoint, credentials.user, credentials.ask)
    try:
        await session.check()
        grants = granted(await credentials.ask())
        lacking = grants and "Mail.Send" not in grants
        hint = "the token does not say Mail.Send: grant it, unless a role assignment in Exchange does" if lacking else ""
        yield watch.ok(f"the mailbox {credentials.user} answers; nothing was sent", hint, "sender.oauth" if hint else "")
    finally:
        await session.close()


async def _reach(watch: Watch, endpoint: Endpoint, credentials: Credentials, now: Callable[[], float]) -> Steps:
    async for step in reach(watch, endpoint):
        yield step
    watch.begin("tls")
    connection = await Connection.open(endpoint)
    connection.close()
    yield secured(watch, endpoint, connection.facts, now)
    yield await secret(watch, credentials)
