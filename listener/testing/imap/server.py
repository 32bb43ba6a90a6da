"""The embedded IMAP server: for the demo, for our tests, and for people who test what they built on Listener.

    async with ImapServer(users={"ann@example.com": "secret"}) as server:
        server.deliver("INBOX", b"Subject: hello\\r\\n\\r\\nworld\\r\\n")
        server.script.on("UID FETCH", reply="NO [SERVERBUG] not now", times=1)
        ...                                   # let a client connect to server.host, server.port
        await server.until(lambda: server.commands("UID FETCH"))

IMAP4rev1 and rev2 (RFC 3501, 9051) with the extensions in CAPABILITIES, over folders in memory, on loopback only. What it
got is in `transcript` (commands) and `connections` (octets); what it counted in `counters`. It has no timers of its own.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping

from ..serving import Serving
from .connection import Connection
from .grammar import Command
from .session import converse

CAPABILITIES = (
    *("IMAP4rev1", "IMAP4rev2", "LITERAL+", "SASL-IR", "ID", "ENABLE", "IDLE", "NAMESPACE", "UNSELECT"),
    *("UIDPLUS", "MOVE", "CONDSTORE", "ESEARCH"),
)
MECHANISMS = ("PLAIN", "XOAUTH2", "OAUTHBEARER")


class ImapServer(Serving[Connection, Command]):
    """`async with` starts and ends it; `port` 0 takes a free one.

    `users` maps names to passwords, `tokens` names to OAuth 2.0 access tokens; who is in either has a store. `tls` serves
    implicit TLS, `starttls` offers STARTTLS; `login_needs_tls` refuses LOGIN in the clear. `observe` is called with each
    command before it is carried out: what is durable at that moment?
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        tokens: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        login_needs_tls: bool = False,
        capabilities: Iterable[str] = CAPABILITIES,
        mechanisms: Iterable[str] = MECHANISMS,
        port: int = 0,
        now: Callable[[], float] = time.time,
        observe: Callable[[Command], None] | None = None,
    ) -> None:
        super().__init__(Connection, converse, users=users, tokens=tokens, tls=tls, port=port, now=now, observe=observe)
        self.starttls, self.login_needs_tls = starttls, login_needs_tls
        self.capabilities, self.mechanisms = tuple(capabilities), tuple(mechanisms)
        self.hidden: set[str] = set()

    def commands(self, name: str) -> list[Command]:
        """The commands of this name received so far; `FETCH` also counts `UID FETCH`."""
        return [command for command in self.transcript if command.name in (name, f"UID {name}")]
