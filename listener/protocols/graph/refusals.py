"""What Microsoft Graph means when it refuses: status and error code turned into our errors, with what to do. No I/O.

Codes are compared without regard to case. Where the code says nothing the status decides; unknown is temporary, except that
a request that is refused (4xx) would be refused again: that needs a person.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...errors import AccountFailure, AuthenticationRefused, ConsentLost, PermanentFailure, ServerUnavailable, Throttled

MAX_SHOWN = 300
WAITABLE = frozenset({429, 503, 504})
"""Statuses that ask us to come again (R-37)."""
_STATE_LOST = ("syncstatenotfound", "syncstateinvalid", "resyncrequired", "invaliddeltatoken", "errorinvalidsyncstatedata")
_UNCONVERTIBLE = (
    *("errormimecontentconversionfailed", "errorcontentconversionfailed", "errormimecontentinvalid", "errorcorruptdata"),
    *("erroritemcorrupt", "errormessagesizeexceeded", "errorexceededmessagesize", "erroraccessdeniedforitem"),
)
_NAME = "write the mailbox's user principal name, as the directory has it"
_HINTS = {
    "mailboxnotenabledforrestapi": "the mailbox is inactive, without an Exchange Online licence, or on premises",
    "mailboxnotsupportedforrestapi": "the mailbox is on premises or of a kind that Graph cannot reach",
    "errorinvaliduser": _NAME,
    "resourcenotfound": f"{_NAME}; check the tenant of the profile",
    "request_resourcenotfound": f"{_NAME}; check the tenant of the profile",
    "errornonexistentmailbox": "this address has no mailbox: check it, or wait until it was made",
    "orgnotfound": "the tenant is unknown in this cloud: check tenant and host",
}
"""About the mailbox that was named."""
_RBAC = (
    "give the application Mail.ReadWrite (and Mail.Send to answer) with the administrator's consent, or put this mailbox into "
    "the scope of its role assignment (RBAC for Applications); a new grant takes up to two hours"
)
_POLICY = (
    "the tenant's application access policy keeps the application out: add the mailbox to the policy's group, or replace the "
    "policy by RBAC for Applications"
)


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer: 2xx with its document, or the refusal by code and words. `date` is the server's clock, POSIX seconds."""

    status: int
    document: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    words: str = ""
    location: str | None = None
    challenge: str = ""
    date: float | None = None

    @property
    def ok(self) -> bool:
        """Was it done?"""
        return 200 <= self.status < 300

    @property
    def gone(self) -> bool:
        """There is no such item."""
        return self.status == 404 and self.code.lower() not in _HINTS and not self.state_lost

    @property
    def state_lost(self) -> bool:
        """The delta token is not known any more, in one of its forms (R-34)."""
        return self.status == 410 or (self.status in (400, 404) and self.code.lower() in _STATE_LOST)

    @property
    def unconvertible(self) -> bool:
        """This one message cannot be handed over, whoever asks."""
        return self.code.lower() in _UNCONVERTIBLE

    @property
    def shown(self) -> str:
        """The server's words as people may see them."""
        text = " ".join("".join(c if c.isprintable() else " " for c in f"{self.code} {self.words}").split())
        return f'Microsoft Graph says "{self.status} {text[:MAX_SHOWN]}"'


def refusal(status: int, document: object) -> tuple[str, str]:
    """Code and words of an error document; the innermost code that says more wins for 410 and its like."""
    error = document.get("error") if isinstance(document, dict) else None
    if not isinstance(error, dict):
        return "", ""
    code, words = error.get("code"), error.get("message")
    return (code if isinstance(code, str) else "")[:100], (words if isinstance(words, str) else "")[:1000]


def required(reply: Reply, mailbox: str, section: str = "receiver") -> dict[str, Any]:
    """The document of a request that has to succeed. Raises what its refusal means."""
    if not reply.ok:
        raise failure(reply, mailbox, section)
    return reply.document


def failure(reply: Reply, mailbox: str, section: str = "receiver") -> AccountFailure:
    """Why a request was refused that concerns the account. `mailbox` is the user principal name, `section` the side's."""
    code = reply.code.lower()
    if code in _HINTS:
        return PermanentFailure(reply.shown, setting=_principal(section), hint=_HINTS[code])
    if reply.status == 401:
        return unauthorised(reply, section)
    if reply.status == 403:
        return _denied(reply, mailbox, section)
    if reply.status >= 500 or reply.status in (404, 408, 409, 410, 423):
        return ServerUnavailable(reply.shown)
    if 300 <= reply.status < 400:
        return ServerUnavailable(f"{reply.shown}: it sends us elsewhere, which is not followed")
    return PermanentFailure(reply.shown, setting=f"{section}.protocol", hint="see the server's words")


def unauthorised(reply: Reply, section: str) -> AccountFailure:
    """A token that is fresh was refused."""
    said = f"{reply.code} {reply.words} {reply.challenge}".lower()
    if any(
        word in said for word in ("insufficient_claims", "interaction_required", "revoked", "tokencreatedwithoutdatedpolicies")
    ):
        return ConsentLost(reply.shown, setting=f"{section}.oauth", hint="a person must sign in and consent again")
    hint = "check the profile's tenant, its scope (https://HOST/.default of this cloud) and this machine's clock"
    return AuthenticationRefused(reply.shown, setting=f"{section}.oauth", hint=hint)


def throttled(reply: Reply, retry_after: float | None) -> AccountFailure:
    """429, 503 or 504 that did not pass while we waited."""
    if reply.status == 429 or retry_after is not None:
        return Throttled(reply.shown, retry_after=retry_after)
    return ServerUnavailable(reply.shown)


def _denied(reply: Reply, mailbox: str, section: str) -> AccountFailure:
    policy = "odata is disabled" in reply.words.lower() or "raop" in reply.words.lower()
    hint = _POLICY if policy else _RBAC
    return PermanentFailure(f"no access to {mailbox}: {reply.shown}", setting=f"{section}.oauth", hint=hint)


def _principal(section: str) -> str:
    return "receiver.user_principal_name" if section == "receiver" else "sender.user"
