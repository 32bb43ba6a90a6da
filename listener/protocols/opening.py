"""From an account's settings to a signed-in mailbox: which protocol, where, as whom.

Called by the supervisor for each session, and by `preview` with `read_only`. Another protocol is one more function in `_OPEN`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from ..config import Account, Config, ReceiverProtocol
from ..config.account import TOPMOST
from ..credentials import TokenOf, credentials_of, endpoint_of
from ..errors import PermanentFailure
from ..mailbox import Mailbox
from ..message.model import Trust
from .graph.mailbox import GraphMailbox, GraphSettings
from .imap.acknowledging import After
from .imap.mailbox import ImapMailbox, ImapSettings
from .pop3.mailbox import Pop3Mailbox, Pop3Settings

Trace = Callable[[str, bytes | str], None]
"""Told a direction (`C` or `>` ours, `S` or `<` theirs) and one line, without secrets, literals and texts of messages."""

log = structlog.get_logger(__name__)


async def open_mailbox(
    account: Account, config: Config, token_of: TokenOf, *, read_only: bool = False, trace: Trace | None = None
) -> Mailbox:
    """A session of the account's receiver, signed in; `token_of` gives access tokens where it signs in by a profile.

    `trace` is told what is said. Raises TransientFailure or PermanentFailure.
    """
    protocol = account.receiver.protocol
    if protocol not in _OPEN:
        said = f"this version does not receive by {protocol.value}"
        raise PermanentFailure(said, setting="receiver.protocol", hint='use "imap", or a newer version')
    return await _OPEN[protocol](account, config, token_of, read_only, trace)


async def _open_imap(account: Account, config: Config, token_of: TokenOf, read_only: bool, trace: Trace | None) -> Mailbox:
    receiver = account.receiver
    settings = ImapSettings(
        folders=tuple(receiver.folders),
        after=After.parse(receiver.after),
        poll_interval=receiver.poll_interval,
        idle_renewal=receiver.idle_interval,
        read_only=read_only,
    )

    def notice(text: str) -> None:
        log.info("server.said", account=account.id, said=text)

    endpoint, credentials = endpoint_of(account, "receiver"), credentials_of(account, "receiver", token_of)
    return await ImapMailbox.open(endpoint, credentials, settings, notice=notice, trace=trace)


async def _open_pop3(account: Account, config: Config, token_of: TokenOf, read_only: bool, trace: Trace | None) -> Mailbox:
    settings = Pop3Settings(
        delete=account.receiver.after == "delete" and not read_only, max_message=int(config.limits.max_message)
    )
    endpoint, credentials = endpoint_of(account, "receiver"), credentials_of(account, "receiver", token_of)
    return await Pop3Mailbox.open(endpoint, credentials, settings, trace=trace)


async def _open_graph(account: Account, config: Config, token_of: TokenOf, read_only: bool, trace: Trace | None) -> Mailbox:
    receiver = account.receiver
    settings = GraphSettings(
        folders=tuple(receiver.folders),
        after=After.parse(receiver.after),
        poll_interval=receiver.poll_interval,
        read_only=read_only,
    )

    def notice(text: str) -> None:
        log.info("server.said", account=account.id, said=text)

    endpoint, credentials = endpoint_of(account, "receiver"), credentials_of(account, "receiver", token_of)
    mailbox = receiver.user_principal_name or receiver.user
    return await GraphMailbox.open(endpoint, mailbox, credentials.ask, settings, client={"trace": trace}, notice=notice)


def trust_of(account: Account) -> Trust:
    """Whose verdicts on senders this account believes."""
    said = account.trust
    return Trust(
        authserv_id=None if said.authserv_id == TOPMOST else said.authserv_id,
        topmost_without_id=said.authserv_id == TOPMOST,
        own_received=said.own_received,
        own_results=said.own_results,
        verify_dkim=said.verify_dkim,
        reply_markers=account.reply_markers,
    )


_OPEN: dict[ReceiverProtocol, Callable[[Account, Config, TokenOf, bool, Trace | None], Awaitable[Mailbox]]] = {
    ReceiverProtocol.IMAP: _open_imap,
    ReceiverProtocol.POP3: _open_pop3,
    ReceiverProtocol.GRAPH: _open_graph,
}
