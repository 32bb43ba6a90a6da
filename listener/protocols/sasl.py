"""Signing in: who we are, and the words of the SASL mechanisms that IMAP, POP3 and SMTP share. No I/O, no waiting.

`Credentials` is the seam to whoever keeps passwords and tokens: `secret` is asked anew for every session, so that a token
refreshed meanwhile is used. Mechanisms: PLAIN (RFC 4616), XOAUTH2 (Google's and Microsoft's), OAUTHBEARER (RFC 7628).
No secret is in any `repr`, error or log.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from ..errors import PermanentFailure

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
MAX_CHALLENGE = 8_000
XOAUTH2_GIVE_UP = b""
"""The answer to an error challenge of XOAUTH2: an empty line; only then does the server's NO come."""
OAUTHBEARER_GIVE_UP = b"\x01"
"""RFC 7628 §3.2.3: the same for OAUTHBEARER."""


class Kind(StrEnum):
    """What the secret is."""

    PASSWORD = "password"
    TOKEN = "token"


@dataclass(frozen=True, slots=True)
class Credentials:
    """`secret()` gives the password, or a valid OAuth 2.0 access token; it may raise what fetching a token raises.

    `section` is where the settings stand (`receiver` or `sender`), for errors.
    """

    user: str
    secret: Callable[[], Awaitable[str]] = field(repr=False)
    kind: Kind = Kind.PASSWORD
    section: str = "receiver"

    async def ask(self) -> str:
        """The secret, checked: neither it nor the user may hold a control character, which could end a command.

        Raises PermanentFailure naming the setting, and what `secret` raises.
        """
        if not self.user or _CONTROL.search(self.user):
            raise PermanentFailure("the user name is empty or holds a control character", setting=f"{self.section}.user")
        secret = await self.secret()
        if not secret or _CONTROL.search(secret):
            raise PermanentFailure(
                f"the {self.kind} is empty or holds a control character",
                setting=f"{self.section}.{'password_file' if self.kind == Kind.PASSWORD else 'oauth'}",
                hint="write the file anew, as one line of text",
            )
        return secret


def plain(user: str, password: str) -> bytes:
    """RFC 4616 §2, without an authorisation identity."""
    return b"\0" + user.encode() + b"\0" + password.encode()


def xoauth2(user: str, token: str) -> bytes:
    """The initial response of XOAUTH2."""
    return b"user=" + user.encode() + b"\x01auth=Bearer " + token.encode() + b"\x01\x01"


def oauthbearer(user: str, token: str, host: str, port: int) -> bytes:
    """RFC 7628 §3.1; `=` and `,` in the user name are escaped as RFC 5801 §4 says."""
    name = user.replace("=", "=3D").replace(",", "=2C")
    return f"n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01".encode()


def encoded(response: bytes) -> bytes:
    """A response as it is sent: base64, and `=` for an empty initial one (RFC 4959 §3)."""
    return base64.b64encode(response) or b"="


def challenge_reason(challenge: bytes) -> str:
    """What an OAuth 2.0 error challenge says (`status`, `scope`), short; "" where it says nothing. Never raises."""
    try:
        reason = json.loads(base64.b64decode(challenge[:MAX_CHALLENGE], validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return ""
    if not isinstance(reason, dict):
        return ""
    words = (f"{key} {reason[key]}" for key in ("status", "error", "scope") if isinstance(reason.get(key), str | int))
    return _CONTROL.sub(" ", ", ".join(words))[:200]
