"""From an account's settings to a signed-in mailbox: which protocol, where, as whom.

Called by the supervisor for each session, and by `check` and `preview` with `read_only`. Another protocol is one more function
in `_OPEN`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

from .config import Account, Config, Receiver, ReceiverProtocol
from .credentials import credentials_of
from .errors import PermanentFailure
from .mailbox import Mailbox
from .protocols.endpoint import Endpoint, LowestTLS, Security
from .protocols.imap.acknowledging import After
from .protocols.imap.mailbox import ImapMailbox, ImapSettings

log = structlog.get_logger(__name__)


async def open_mailbox(account: Account, config: Config, *, read_only: bool = False) -> Mailbox:
    """A session of the account's receiver, signed in. Raises TransientFailure or PermanentFailure."""
    protocol = account.receiver.protocol
    if protocol not in _OPEN:
        said = f"this version does not receive by {protocol.value}"
        raise PermanentFailure(said, setting="receiver.protocol", hint='use "imap", or a newer version')
    return await _OPEN[protocol](account, config, read_only)


async def _open_imap(account: Account, config: Config, read_only: bool) -> Mailbox:
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

    return await ImapMailbox.open(
        endpoint_of(receiver), credentials_of(account, "receiver", _no_profile), settings, notice=notice
    )


def endpoint_of(receiver: Receiver) -> Endpoint:
    """Where the receiver's server is, and how far we trust the way there."""
    return Endpoint(
        receiver.host,
        receiver.port,
        Security(receiver.security.value),
        LowestTLS(receiver.min_tls),
        receiver.truststore_file,
        receiver.insecure,
    )


def _no_profile(profile: str, user: str) -> NoReturn:
    raise PermanentFailure(
        "this version does not sign in by OAuth 2.0", setting="receiver.oauth", hint="use a password, or a newer version"
    )


_OPEN: dict[ReceiverProtocol, Callable[[Account, Config, bool], Awaitable[Mailbox]]] = {ReceiverProtocol.IMAP: _open_imap}
