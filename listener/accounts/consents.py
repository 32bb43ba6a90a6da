"""A person consents in a browser, and a profile has its refresh token: the way there and back, and what can go wrong on it.

`begin` gives the address of the issuer's page and remembers what belongs to it; `finish` takes what the browser brought back.
What comes back is an attacker's until proven: the state must be one of ours, used once, not expired, and begun in the same
browser (`session` is an opaque word bound to it). The code is exchanged with the PKCE verifier that only we have. The refresh
token goes sealed into the ledger, and accounts that waited for it are woken. A refusal is an answer in words, no exception.

Consents under way are in memory: after a restart of the daemon the person begins again.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..config import Config, Grant, OAuthProfile
from ..config.checks import consent_possible
from ..config.values import is_loopback
from ..credentials.oauth import Tokens
from ..credentials.oauth_consent import authorization_url
from ..credentials.oauth_endpoint import TokenEndpoint
from ..errors import AccountFailure, ConsentLost, Refused

LIFETIME = 600.0
"""Seconds between begin and finish."""
MAX_PENDING = 100
"""Consents under way; the oldest gives way."""
CALLBACK = "/oauth/callback"
MAX_SAID = 300

_REFUSED: Mapping[str, tuple[str, str]] = {
    "access_denied": ("the person, or an administrator's rule, did not consent", "begin again and accept what is asked for"),
    "consent_required": ("an administrator must consent first", "have an administrator of the organisation begin it"),
    "interaction_required": ("the issuer wants to ask the person something first", "begin again"),
    "login_required": ("nobody signed in", "begin again and sign in"),
    "invalid_scope": ("the issuer does not know what was asked for", "check scope"),
    "unauthorized_client": ("the application may not do this", "allow the authorisation code flow for it at the issuer"),
    "invalid_client": ("the issuer does not know the application", "check client_id, and tenant or issuer"),
    "invalid_request": ("the issuer did not understand the request", "check client_id, and the redirect address registered"),
    "server_error": ("the issuer is in trouble", "try again later"),
    "temporarily_unavailable": ("the issuer is overloaded", "try again later"),
}
"""RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6, in words and with what to do."""


@dataclass(frozen=True, slots=True)
class Begun:
    """Send the browser to `url`; it must be back by `expires_at` (POSIX seconds)."""

    url: str
    redirect_uri: str
    expires_at: float


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of it. `accounts`: those that were woken. `profile` is "" where nobody knows whose answer it was."""

    profile: str
    ok: bool
    said: str
    hint: str = ""
    accounts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Pending:
    name: str
    profile: OAuthProfile
    session: bytes
    verifier: str
    redirect_uri: str
    expires_at: float


@dataclass
class Consents:
    """Of one daemon. `wake` opens the sessions of a profile's accounts anew, and says which they were."""

    config: Callable[[], Config]
    tokens: Tokens
    wake: Callable[[str], Awaitable[list[str]]]
    now: Callable[[], float] = time.time
    token: Callable[[], str] = lambda: secrets.token_urlsafe(32)
    _pending: dict[str, _Pending] = field(default_factory=dict)

    def redirect_uri(self, base: str) -> str:
        """Where the issuer sends the browser back to: `public_url`, else this machine's address. Raises Refused."""
        public = self.config().admin.public_url
        if public is not None:
            return public.rstrip("/") + CALLBACK
        parts = urlsplit(base)
        if parts.scheme in ("http", "https") and parts.hostname and is_loopback(parts.hostname):
            # RFC 8252 §7.3: loopback by address; issuers leave its port free
            host = (
                "127.0.0.1"
                if parts.hostname == "localhost"
                else parts.netloc.rpartition(":")[0]
                if parts.port
                else parts.netloc
            )
            return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{CALLBACK}"
        raise Refused("the issuer must be told where to send the browser back: set [admin] public_url to how it reaches us")

    def begin(self, name: str, session: str, *, base: str = "", login_hint: str = "") -> Begun:
        """A new consent for that profile; without a hint its accounts' user is to sign in. Raises Refused."""
        config = self.config()
        profile = config.oauth.get(name)
        if profile is None:
            raise Refused(f"there is no profile {name!r}")
        if not consent_possible(profile):
            raise Refused(f'only profiles with grant = "refresh_token" and a page to consent at do; this one: {profile.grant}')
        if not session:
            raise Refused("nothing binds this consent to your browser: allow cookies for this address")
        pending = _Pending(name, profile, _digest(session), self.token(), self.redirect_uri(base), self.now() + LIFETIME)
        self._make_room()
        state = self.token()
        self._pending[state] = pending
        url = authorization_url(
            profile,
            state=state,
            verifier=pending.verifier,
            redirect_uri=pending.redirect_uri,
            protocols=_protocols(config, name),
            login_hint=login_hint or _user(config, name),
        )
        return Begun(url, pending.redirect_uri, pending.expires_at)

    async def finish(self, query: Mapping[str, str], session: str) -> Finished:
        """What the browser brought back. Raises LedgerError alone."""
        pending = self._pending.pop(query.get("state", ""), None)
        if pending is None:
            return Finished("", False, "this consent was not begun here, or its answer was used already", "begin again")
        if why := self._not_ours(pending, session):
            return Finished(pending.name, False, why, f"begin again, at the address that {pending.redirect_uri} is of")
        if "error" in query or not query.get("code"):
            return self._refused(pending, query)
        try:
            said = await self._redeem(pending, query["code"])
        except ConsentLost as error:
            return Finished(
                pending.name, False, f"the issuer did not take its own answer: {error.reason}", "begin again at once"
            )
        except AccountFailure as error:
            return Finished(pending.name, False, error.reason, error.hint)
        return Finished(pending.name, True, said, accounts=tuple(await self.wake(pending.name)))

    def _not_ours(self, pending: _Pending, session: str) -> str:
        if not hmac.compare_digest(pending.session, _digest(session)):
            return "this consent was begun in another browser"
        if self.now() > pending.expires_at:
            return f"this consent took longer than {LIFETIME / 60:.0f} minutes"
        if self.config().oauth.get(pending.name) != pending.profile:
            return "the profile was changed meanwhile"
        return ""

    def _refused(self, pending: _Pending, query: Mapping[str, str]) -> Finished:
        error = query.get("error", "")
        words, hint = _REFUSED.get(error, ("the issuer sent neither a code nor a reason that we know", "begin again"))
        details = _clean(": ".join(filter(None, (error, query.get("error_description", "")))))
        return Finished(pending.name, False, f"{words} ({details})" if details else words, hint)

    async def _redeem(self, pending: _Pending, code: str) -> str:
        """Raises AccountFailure."""
        endpoint = TokenEndpoint(pending.name, pending.profile, "", self.now)
        issued = await endpoint.redeem(code, pending.verifier, pending.redirect_uri)
        if issued.refresh_token is None:
            raise AccountFailure(
                "the issuer gave no refresh token, so access would end within the hour",
                setting=f"oauth.{pending.name}.scope",
                hint="ask for offline access (Microsoft: offline_access in scope), and remove an earlier consent at the issuer",
            )
        await self.tokens.consented(pending.name, issued.refresh_token)
        return f"consent was given{f' for: {issued.scope}' if issued.scope else ''}"

    def _make_room(self) -> None:
        now = self.now()
        for state in [state for state, pending in self._pending.items() if pending.expires_at < now]:
            del self._pending[state]
        while len(self._pending) >= MAX_PENDING:
            del self._pending[next(iter(self._pending))]


def _protocols(config: Config, name: str) -> set[str]:
    """What accounts use the profile for."""
    sides = [side for account in config.accounts for side in (account.receiver, account.sender) if side]
    return {side.protocol.value for side in sides if side.oauth == name}


def _user(config: Config, name: str) -> str:
    """Who will sign in, where all that use the profile are of one person."""
    sides = [side for account in config.accounts for side in (account.receiver, account.sender) if side]
    users = {side.user for side in sides if side.oauth == name}
    return users.pop() if len(users) == 1 else ""


def used_by(config: Config, name: str) -> list[str]:
    """The accounts that use the profile."""
    return users(config).get(name, [])


def users(config: Config) -> dict[str, list[str]]:
    """The same of every profile that is used, in one pass over the accounts."""
    found: dict[str, list[str]] = {}
    for account in config.accounts:
        for name in {side.oauth for side in (account.receiver, account.sender) if side and side.oauth}:
            found.setdefault(name, []).append(account.id)
    return found


def _digest(session: str) -> bytes:
    return hashlib.sha256(session.encode("utf-8", "replace")).digest()


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:MAX_SAID])


def needs_consent(profile: OAuthProfile) -> bool:
    """Is there no refresh token but one that a person gives in the browser?"""
    return profile.grant is Grant.REFRESH_TOKEN and profile.refresh_token_file is None
