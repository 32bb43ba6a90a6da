"""What a NO, BAD or BYE means for the account (R-23, R-49): the servers' own words, in one table.

Any command may be answered so. `of_session` finds what concerns the whole session, whatever the command was; what it does
not know is None, and whoever sent the command decides. `of_sign_in`, `of_opening` and `of_goodbye` are for those places.
Unknown is temporary. Words are matched in any case; they are data and are only shown cut and without control characters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from ...errors import (
    AccountFailure,
    AuthenticationRefused,
    ConnectionLost,
    InsecureConnection,
    ServerUnavailable,
    Throttled,
    TokenExpired,
)
from .grammar import Condition, Status

MAX_BACKOFF_SECONDS = 3600.0
"""A server may ask for more; an account that waited longer would look deaf."""

_BACKOFF = re.compile(r"suggested backoff time:? *(\d{1,9}) *(second|minute)?", re.I)
_BACKOFF_UNITS = {"second": 1.0, "minute": 60.0, None: 0.001}  # Exchange says milliseconds
_TOKEN_EXPIRED = "accesstokenexpired"
_THROTTLED_CODES = frozenset({"INUSE", "IN-USE", "LIMIT", "THROTTLED"})
_THROTTLED_WORDS = (
    "too many simultaneous connections",
    "too many connections",
    "too many open connections",
    "maximum number of connections",
    "too many login",
    "too many failed",
    "too many authentication",
    "rate limit",
    "request is throttled",
    "exceeded command or bandwidth limits",
    "bandwidth limit",
    "[limit]",
    "[inuse]",
    "[throttled]",
)
_UNAVAILABLE_WORDS = (
    "[unavailable]",
    "server unavailable",
    "service unavailable",
    "temporarily unavailable",
    "server is busy",
    "server busy",
    "try again later",
    "try later",
    "temporary failure",
    "temporary authentication failure",
    "shutting down",
)
_NOT_CONNECTED = "authenticated but not connected"
_TROUBLE_CODES = frozenset({"UNAVAILABLE", "SERVERBUG"})

_HINTS: tuple[tuple[str, str], ...] = (
    ("application-specific password", "this provider wants an app password instead of the account's own"),
    ("app password", "this provider wants an app password instead of the account's own"),
    ("web browser", "sign in once with a browser and confirm that it was you"),
    ("web login", "sign in once with a browser and confirm that it was you"),
    ("not enabled for imap", "switch IMAP on in the mailbox's settings"),
    ("imap access", "switch IMAP on in the mailbox's settings"),
    ("basic auth", "password sign-in is switched off there: use oauth"),
)
"""What servers say at a refused sign-in, and what helps."""


def of_session(status: Status) -> AccountFailure | None:
    """What ends the session or asks for patience, at any command. None: it concerns that command only."""
    words = f"[{status.code}] {status.text}".lower()
    if _TOKEN_EXPIRED in words:
        return TokenExpired(f"the access token expired: {status.shown}")
    backoff = _BACKOFF.search(words)
    if backoff:
        seconds = int(backoff[1]) * _BACKOFF_UNITS[backoff[2]]
        return Throttled(f"the server asks for patience: {status.shown}", retry_after=min(seconds, MAX_BACKOFF_SECONDS))
    if status.code in _THROTTLED_CODES or any(word in words for word in _THROTTLED_WORDS):
        return Throttled(f"too much for the server: {status.shown}")
    if _NOT_CONNECTED in words:
        return ServerUnavailable(
            f"the mailbox is not connected: {status.shown}",
            hint="if it stays so: the user may lack permission for this mailbox, or IMAP is switched off for it",
        )
    if status.code == "UNAVAILABLE" or any(word in words for word in _UNAVAILABLE_WORDS):
        return ServerUnavailable(f"the server cannot serve us now: {status.shown}")
    return None


def of_sign_in(status: Status, *, setting: str, reason: str = "") -> AccountFailure:
    """A refused LOGIN or AUTHENTICATE. Only a tagged NO is about the credentials; `reason` is what a SASL challenge said."""
    known = of_session(status)
    if known:
        return known
    if status.code == "PRIVACYREQUIRED":
        return InsecureConnection(f"the server wants TLS before a sign-in: {status.shown}", setting=setting)
    if status.condition is Condition.NO and status.code not in _TROUBLE_CODES:
        words = f"{status.text} {reason}".lower()
        hint = next((hint for word, hint in _HINTS if word in words), "check user and password, or the OAuth profile")
        because = f" ({reason})" if reason else ""
        return AuthenticationRefused(f"the sign-in was refused{because}: {status.shown}", setting=setting, hint=hint)
    return ServerUnavailable(f"the sign-in failed: {status.shown}")


def of_opening(status: Status) -> AccountFailure | None:
    """A refused SELECT, EXAMINE or STATUS. None: the folder itself is the trouble."""
    if status.code in _TROUBLE_CODES or "internal error" in status.text.lower():
        return of_session(status) or ServerUnavailable(f"the folder cannot be opened now: {status.shown}")
    return of_session(status)


def of_goodbye(status: Status, *, greeting: bool = False) -> AccountFailure:
    """A BYE that we did not ask for."""
    failure: Callable[[str], AccountFailure] = ServerUnavailable if greeting else ConnectionLost
    return of_session(status) or failure(f"the server ended the session: {status.shown}")
