"""Access tokens of OAuth 2.0 profiles: had once for everybody who needs them, renewed ahead of time, never shown.

The daemon has one `Tokens`; its `token_of` is what `credentials_of` is given. A `TokenSource` keeps one token: of a profile,
for a user where the grant is a user's, for what the protocol needs. Requests are made by `oauth_endpoint.py` (RFC 6749) and,
for applications in Entra, by `oauth_entra.py`; both sort failures: a person must act (ConsentLost, AuthenticationRefused,
PermanentFailure), or it may pass (TransientFailure, Throttled), and a network error is never a wrong password.

An account holds its token by a `TokenUse`, which knows the one that its session signed in with.

Rules of the file
1. One request at a time for one token, however many wait for it.
2. A rotated refresh token is saved before the access token that came with it is used (R-51).
3. A renewal that fails while the old token is still good is no failure.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..config import Grant, OAuthProfile
from ..config.kept import KeptFile
from ..errors import ConsentLost, LedgerError, PermanentFailure, TransientFailure
from . import Secret, read_secret
from .oauth_endpoint import Issued, TokenEndpoint
from .oauth_entra import EntraApplication

AHEAD = 0.75
"""A token is renewed at this part of its life (R-50)."""
STILL_GOOD = 120.0
"""Seconds that an old token must still have to be used when a renewal fails, and to open a session with it at all."""

BEFORE_EXPIRY = 120.0
"""Seconds before its token's end at which a session makes room for one with the next token (R-50) …"""
LAST_PART = 0.25
"""… or this part of a shorter life."""
RENEW_AGAIN = 30.0
"""Seconds between tries to renew a token while a session still runs on it."""

Fetch = Callable[[], Awaitable[Issued]]


class TokenStore(Protocol):
    """Where rotated refresh tokens are kept, encrypted; the ledger's `secrets`."""

    async def load(self, name: str) -> str | None:
        """What was saved under this name."""
        ...

    async def save(self, name: str, value: str) -> None:
        """Durable when it returns."""
        ...


@dataclass(frozen=True, slots=True)
class Token:
    """An access token; times are those of the clock that its source was given, `skew` is the issuer's (see `Issued`)."""

    value: Secret
    issued_at: float
    expires_at: float
    scope: str = ""
    skew: float | None = None

    def left(self, now: float) -> float:
        """Seconds that it is still good for."""
        return self.expires_at - now

    def until_due(self, now: float) -> float:
        """Seconds until it is renewed ahead of time."""
        return self.issued_at + AHEAD * (self.expires_at - self.issued_at) - now

    def until_change(self, now: float) -> float:
        """Seconds until a session that signed in with it should be followed by another."""
        return self.left(now) - min(BEFORE_EXPIRY, LAST_PART * (self.expires_at - self.issued_at))

    def is_due(self, now: float) -> bool:
        """Is it time to renew it?"""
        return self.until_due(now) <= 0 or self.left(now) < STILL_GOOD


class TokenSource:
    """One token. `clock` is monotonic."""

    def __init__(self, fetch: Fetch, clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._token: Token | None = None
        self._renewal: asyncio.Task[Token] | None = None

    @property
    def seconds_left(self) -> float | None:
        """How long the present token is good for; None without one."""
        return self._token.left(self._clock()) if self._token else None

    @property
    def skew(self) -> float | None:
        """How far the issuer's clock was ahead of ours when it gave the present token; None: it did not say."""
        return self._token.skew if self._token else None

    async def token(self) -> str:
        """A token that is good for a while. Raises what having one raises, see the file's head."""
        return (await self.present()).value.reveal()

    async def present(self) -> Token:
        """The same with its times."""
        token = self._token
        if token is not None and not token.is_due(self._clock()):
            return token
        try:
            return await asyncio.shield(self._renewing())
        except TransientFailure:
            if token is not None and token is self._token and token.left(self._clock()) >= STILL_GOOD:
                return token
            raise

    def invalidate(self, refused: Token | None = None) -> None:
        """A server refused the present token: have another one next time. One that was replaced meanwhile stays."""
        if refused is None or refused is self._token:
            self._token = None

    async def close(self) -> None:
        """Give up a renewal under way."""
        if self._renewal is not None and not self._renewal.done():
            self._renewal.cancel()
            await asyncio.wait({self._renewal})

    def _renewing(self) -> asyncio.Task[Token]:
        if self._renewal is None or self._renewal.done():
            self._renewal = asyncio.create_task(self._renew(), name="token renewal")
            self._renewal.add_done_callback(_retrieved)
        return self._renewal

    async def _renew(self) -> Token:
        begun = self._clock()
        issued = await self._fetch()
        self._token = Token(issued.access_token, begun, begun + issued.lifetime, issued.scope, issued.skew)
        return self._token


class TokenUse:
    """One account's tokens: gives them to its sessions, and remembers which one the session of the moment has.

    `handed_out` is told the seconds that each is good for.
    """

    def __init__(self, tokens: Tokens, handed_out: Callable[[float], None]) -> None:
        self._tokens = tokens
        self._handed_out = handed_out
        self._source: TokenSource | None = None
        self._used: Token | None = None

    def token_of(self, profile: str, user: str, protocol: str) -> Callable[[], Awaitable[str]]:
        """As `Tokens.token_of`."""
        source = self._source = self._tokens.source(profile, user, protocol)

        async def token() -> str:
            self._used = await source.present()
            self._handed_out(self._used.left(self._tokens.clock()))
            return self._used.value.reveal()

        return token

    @property
    def seconds_left(self) -> float | None:
        """How long the session's token is good for; None for a session without one."""
        return self._used.left(self._tokens.clock()) if self._used else None

    def refused(self) -> None:
        """The server does not take the session's token any more."""
        if self._source is not None and self._used is not None:
            self._source.invalidate(self._used)
        self._used = None

    async def until_change(self) -> None:
        """Renew ahead of time; returns when a session that began with the old token should be followed by another.

        Never returns without a token. While none can be had the session is left alone: the old one may serve it longer than
        its issuer serves us. Raises PermanentFailure when a person must act first.
        """
        source, used = self._source, self._used
        if source is None or used is None:
            await asyncio.Event().wait()
            return
        await asyncio.sleep(used.until_due(self._tokens.clock()))
        while True:
            if await self._renewed(source, used):
                break
            await asyncio.sleep(RENEW_AGAIN)
        await asyncio.sleep(used.until_change(self._tokens.clock()))

    async def _renewed(self, source: TokenSource, used: Token) -> bool:
        try:
            return await source.present() is not used
        except (TransientFailure, LedgerError):
            return False


def _retrieved(renewal: asyncio.Task[Token]) -> None:
    """All who waited may be gone; what it raised was theirs."""
    if not renewal.cancelled():
        renewal.exception()


class RefreshTokens:
    """The refresh token of one profile: the file's first, then whatever the issuer gave last."""

    def __init__(self, name: str, file: Path | KeptFile | None, store: TokenStore) -> None:
        self._name, self._file, self._store = name, file, store
        self._unsaved: str | None = None

    async def present(self) -> Secret:
        """The one to use now. A new one in the file (a person consented again) wins over what was kept.

        Raises ConsentLost where there is none yet.
        """
        first = await self._first()
        if self._unsaved is not None:
            await self.keep(Secret(self._unsaved))
        kept = _kept(await self._store.load(f"oauth/{self._name}"))
        if kept.get("first") == _digest(first) and kept.get("token"):
            return Secret(kept["token"])
        if first is None:
            raise ConsentLost("nobody has consented yet", setting=f"oauth.{self._name}", hint="consent in the console")
        return first

    async def keep(self, rotated: Secret) -> None:
        """Save what the issuer gave; until that succeeds it is remembered and tried again before the next use."""
        first = await self._first()
        self._unsaved = rotated.reveal()
        await self._store.save(f"oauth/{self._name}", json.dumps({"first": _digest(first), "token": self._unsaved}))
        self._unsaved = None

    async def any_kept(self) -> bool:
        """Is there one beside the file's?"""
        kept = _kept(await self._store.load(f"oauth/{self._name}"))
        return bool(kept.get("token")) and kept.get("first") == _digest(await self._first())

    async def _first(self) -> Secret | None:
        if self._file is None:
            return None
        return await asyncio.to_thread(read_secret, self._file, f"oauth.{self._name}.refresh_token_file")


def _kept(text: str | None) -> dict[str, str]:
    try:
        kept = json.loads(text or "{}")
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def _digest(secret: Secret | None) -> str:
    return "" if secret is None else hashlib.sha256(secret.reveal().encode()).hexdigest()


@dataclass
class Tokens:
    """All token sources of one configuration. Sources are made when first asked for; `close` ends them."""

    profiles: Mapping[str, OAuthProfile]
    store: TokenStore
    clock: Callable[[], float] = time.monotonic
    now: Callable[[], float] = time.time
    _sources: dict[tuple[str, str, str], TokenSource] = field(default_factory=dict)
    _refreshing: dict[str, RefreshTokens] = field(default_factory=dict)

    def token_of(self, profile: str, user: str, protocol: str) -> Callable[[], Awaitable[str]]:
        """What gives a token of that profile, to sign in as `user` by `imap`, `pop3`, `smtp` or `graph`."""
        return self.source(profile, user, protocol).token

    def source(self, name: str, user: str, protocol: str) -> TokenSource:
        """The one that everybody with the same need shares. Raises PermanentFailure for an unknown profile."""
        profile = self.profiles.get(name)
        if profile is None:
            raise PermanentFailure(f"there is no profile [oauth.{name}]", setting="oauth")
        whose = user if profile.grant in (Grant.PASSWORD, Grant.JWT_BEARER) else ""
        key = (name, profile.user or whose, scope_of(profile, protocol))
        if key not in self._sources:
            self._sources[key] = TokenSource(self._fetch(name, profile, *key[1:]), self.clock)
        return self._sources[key]

    async def update(self, profiles: Mapping[str, OAuthProfile]) -> None:
        """From now on these; tokens of profiles that changed or are gone are forgotten."""
        gone = {name for name, profile in self.profiles.items() if profiles.get(name) != profile}
        self.profiles = profiles
        for key in [key for key in self._sources if key[0] in gone]:
            await self._sources.pop(key).close()
        for name in gone:
            self._refreshing.pop(name, None)

    def seconds_left(self, name: str) -> float | None:
        """How long the profile's present token is good for, the first to end where it has several; None without one."""
        lefts = (source.seconds_left for key, source in self._sources.items() if key[0] == name)
        return min((left for left in lefts if left is not None), default=None)

    def skew(self, name: str) -> float | None:
        """How far the issuer's clock is from ours, by the profile's present tokens: the worst of them. See `SkewOf`."""
        skews = (source.skew for key, source in self._sources.items() if key[0] == name)
        return max((skew for skew in skews if skew is not None), key=abs, default=None)

    async def consented(self, name: str, refresh_token: Secret) -> None:
        """A person consented in the browser: keep what the issuer gave, and ask for tokens with it from now on.

        Raises PermanentFailure for an unknown profile, and what keeping it raises.
        """
        profile = self.profiles.get(name)
        if profile is None:
            raise PermanentFailure(f"there is no profile [oauth.{name}]", setting="oauth")
        await self._refresh_tokens(name, profile.refresh_token_file).keep(refresh_token)
        for key, source in self._sources.items():
            if key[0] == name:
                source.invalidate()

    async def consent_kept(self, name: str) -> bool:
        """Is there a refresh token of a consent, or of a rotation, for the present one of the file?"""
        profile = self.profiles.get(name)
        if profile is None:
            return False
        return await self._refresh_tokens(name, profile.refresh_token_file).any_kept()

    async def close(self) -> None:
        """Give up what is under way."""
        for source in self._sources.values():
            await source.close()

    def _fetch(self, name: str, profile: OAuthProfile, user: str, scope: str) -> Fetch:
        if profile.grant is Grant.CLIENT_CREDENTIALS and profile.issuer == "microsoft":
            return EntraApplication(name, profile, scope).fetch
        endpoint = TokenEndpoint(name, profile, scope, self.now)
        if profile.grant is Grant.REFRESH_TOKEN:
            return lambda: self._refreshed(name, profile, endpoint)
        return lambda: endpoint.fetch(user)

    async def _refreshed(self, name: str, profile: OAuthProfile, endpoint: TokenEndpoint) -> Issued:
        tokens = self._refresh_tokens(name, profile.refresh_token_file)
        present = await tokens.present()
        issued = await endpoint.refresh(present)
        if issued.refresh_token is not None and issued.refresh_token != present:
            await tokens.keep(issued.refresh_token)
        return issued

    def _refresh_tokens(self, name: str, file: Path | KeptFile | None) -> RefreshTokens:
        return self._refreshing.setdefault(name, RefreshTokens(name, file, self.store))


_DELEGATED = {"imap": "IMAP.AccessAsUser.All", "pop3": "POP.AccessAsUser.All", "smtp": "SMTP.Send"}


def scope_of(profile: OAuthProfile, protocol: str) -> str:
    """What the token is asked for: the setting, else what issuer and protocol want; "" leaves it to the issuer."""
    if profile.scope is not None:
        return profile.scope
    if profile.issuer == "google":
        return "https://mail.google.com/" if profile.grant is not Grant.REFRESH_TOKEN else ""
    if profile.issuer != "microsoft" or profile.grant is Grant.REFRESH_TOKEN:
        return ""
    if protocol == "graph":
        return "https://graph.microsoft.com/.default"
    if profile.grant is Grant.CLIENT_CREDENTIALS:
        return "https://outlook.office365.com/.default"
    return f"https://outlook.office.com/{_DELEGATED[protocol]} offline_access"
