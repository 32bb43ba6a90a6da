"""The embedded POP3 server: for our tests, and for people who test what they built on Listener.

    async with Pop3Server(users={"ann@example.com": "secret"}) as server:
        server.deliver("INBOX", b"Subject: hello\\r\\n\\r\\nworld\\r\\n")
        server.script.on("RETR", reply="-ERR not now", times=1)
        server.uidls[1] = b""                 # the first message's unique-id is blank
        ...                                   # let a client connect to server.host, server.port
        await server.until(lambda: server.commands("QUIT"))

RFC 1939 with CAPA, STLS, PIPELINING, SASL and response codes, over INBOX of the same store that the IMAP server has, on
loopback only. Each session sees INBOX as it was when it signed in, and holds its lock. It has no timers of its own.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Mapping

from ..serving import Serving
from .connection import Command, Connection
from .session import converse

CAPABILITIES = ("TOP", "UIDL", "RESP-CODES", "AUTH-RESP-CODE", "PIPELINING", "EXPIRE NEVER")
MECHANISMS = ("PLAIN", "XOAUTH2", "OAUTHBEARER")


class Pop3Server(Serving[Connection, Command]):
    """`async with` starts and ends it; `port` 0 takes a free one.

    `users` maps names to passwords, `tokens` names to OAuth 2.0 access tokens; who is in either has a store. `tls` serves
    implicit TLS, `starttls` offers STLS; `login_needs_tls` refuses any sign-in in the clear; without `user_and_pass` there
    is only AUTH. `login_delay` is the seconds between sign-ins of one user. `uidls` and `sizes` say what UIDL and LIST
    report for a message number in place of the truth; None leaves the message out. `hidden` capabilities are not shown;
    TOP, UIDL and CAPA are then not served either.
    """

    def __init__(
        self,
        *,
        users: Mapping[str, str] | None = None,
        tokens: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
        starttls: ssl.SSLContext | None = None,
        login_needs_tls: bool = False,
        user_and_pass: bool = True,
        capabilities: Iterable[str] = CAPABILITIES,
        mechanisms: Iterable[str] = MECHANISMS,
        login_delay: int = 0,
        port: int = 0,
        now: Callable[[], float] = time.time,
        observe: Callable[[Command], None] | None = None,
    ) -> None:
        super().__init__(Connection, converse, users=users, tokens=tokens, tls=tls, port=port, now=now, observe=observe)
        self.starttls, self.login_needs_tls, self.user_and_pass = starttls, login_needs_tls, user_and_pass
        self.capabilities, self.mechanisms, self.login_delay = tuple(capabilities), tuple(mechanisms), login_delay
        self.hidden: set[str] = set()
        self.uidls: dict[int, bytes | None] = {}
        self.sizes: dict[int, int | None] = {}
        self.locked: set[str] = set()
        self._now = now
        self._signed_in: dict[str, float] = {}

    def too_soon(self, user: str) -> bool:
        """Whether this user signed in less than `login_delay` seconds ago (RFC 2449 §6.5); else it counts from now."""
        now = self._now()
        if self.login_delay and now - self._signed_in.get(user, -float("inf")) < self.login_delay:
            return True
        self._signed_in[user] = now
        return False
