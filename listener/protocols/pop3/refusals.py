"""What a -ERR means for the account: response codes first (RFC 2449 §8, RFC 3206), then the words that servers use.

Unknown is temporary, but for a refused password: there `-ERR` alone is the answer of most servers, and means just that.
"""

from __future__ import annotations

from ...errors import AccountFailure, AuthenticationRefused, PermanentFailure, ServerUnavailable, Throttled, TokenExpired
from .grammar import Answer

LOCKED_SECONDS = 60.0
"""Somebody else holds the maildrop (`IN-USE`): sooner it is hardly free (R-31)."""
LOGIN_DELAY_SECONDS = 60.0
"""What `LOGIN-DELAY` means where the server did not say how long."""

_LOCKED = ("in use", "lock", "already logged in", "busy", "another session", "mailbox is open", "too many connections")
_LATER = ("try again", "try later", "temporar", "unavailable", "too soon", "too often", "too many", "exceeded", "timeout")


def of_sign_in(answer: Answer, *, setting: str, reason: str = "") -> AccountFailure:
    """Why a sign-in was refused. `reason` is what an OAuth 2.0 error challenge said."""
    return _by_code(answer, setting, reason) or _by_words(answer) or _refused(answer, setting, reason)


def of_session(answer: Answer) -> AccountFailure:
    """Why a command that every server has to obey was refused."""
    return _by_code(answer, "receiver.user") or _by_words(answer) or ServerUnavailable(answer.shown)


def _by_code(answer: Answer, setting: str, reason: str = "") -> AccountFailure | None:
    match answer.code.split("/")[0], answer.code:
        case "IN-USE", _:
            return Throttled(f"the mailbox is locked by another session; {answer.shown}", retry_after=LOCKED_SECONDS)
        case "LOGIN-DELAY", _:
            return Throttled(f"signed in too often; {answer.shown}", retry_after=LOGIN_DELAY_SECONDS)
        case "SYS", "SYS/PERM":
            return PermanentFailure(answer.shown, setting=setting, hint="the server says that this will not pass by itself")
        case "SYS", _:
            return ServerUnavailable(answer.shown)
        case "AUTH", _:
            return _refused(answer, setting, reason)
    return None


def _by_words(answer: Answer) -> AccountFailure | None:
    words = answer.text.lower()
    if "accesstokenexpired" in words:
        return TokenExpired(f"the access token expired; {answer.shown}")
    if any(word in words for word in _LOCKED):
        return Throttled(f"the mailbox is locked by another session; {answer.shown}", retry_after=LOCKED_SECONDS)
    if any(word in words for word in _LATER):
        return ServerUnavailable(answer.shown)
    return None


def _refused(answer: Answer, setting: str, reason: str) -> AuthenticationRefused:
    words = f"{answer.text} {reason}".lower()
    hint = "check user and password"
    if "app" in words and "password" in words:
        hint = "this provider wants an app password instead of the account's own"
    elif "web browser" in words or "web login" in words:
        hint = "sign in once with a browser and confirm that it was you"
    elif "pop" in words and ("enable" in words or "disabled" in words or "not allowed" in words):
        hint = "switch POP3 on in the mailbox's settings"
    elif setting.endswith("oauth"):
        hint = "the server refused the token: check the profile, its scope and the user"
    return AuthenticationRefused(answer.shown + (f" ({reason})" if reason else ""), setting=setting, hint=hint)
