"""One request to an OAuth 2.0 token endpoint (RFC 6749 §4.3, §4.4, §6; RFC 7523 §2.1), and what its answer means.

Called by `oauth.py`, one request at a time for each token. Secrets are read from their files for each request. The answer is
bounded, redirects are not followed, and every failure says which setting to look at.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import jwt
import structlog

from ..config import Grant, OAuthProfile
from ..config.truststore import Unusable, certificates
from ..errors import (
    AccountFailure,
    AuthenticationRefused,
    ConnectionLost,
    ConsentLost,
    InsecureConnection,
    PermanentFailure,
    ServerUnavailable,
    Throttled,
)
from . import Secret, read_secret

log = structlog.get_logger(__name__)

REQUEST_SECONDS = 30.0
MAX_ANSWER = 64 * 1024
"""Octets of an answer; tokens have a few thousand."""
MAX_SAID = 300
"""Characters of an issuer's words that people are shown."""
LIFETIME = 3600.0
"""Seconds, where the issuer does not say (RFC 6749 §5.1 only recommends it)."""
SHORTEST, LONGEST = 60.0, 86_400.0
MAX_RETRY_AFTER = 3600.0
MAX_SKEW = 120.0
"""Seconds that the issuer's clock may differ from ours before it is worth a hint."""
ASSERTION_SECONDS = 3600
GOOGLE = "https://oauth2.googleapis.com/token"
ENTRA = "login.microsoftonline.com"

_CONSENT = frozenset({"invalid_grant", "interaction_required", "consent_required", "login_required"})
_CONSENT_CODES = ("AADSTS65001", "AADSTS50076", "AADSTS50079", "AADSTS50173", "AADSTS70000", "AADSTS700082", "AADSTS700084")
_TRANSIENT = frozenset({"temporarily_unavailable", "server_error"})
_KNOWN = (
    ("AADSTS50011", "client_id", "register our redirect address with the application (docs/providers.md)"),
    ("redirect_uri_mismatch", "client_id", "register our redirect address with the application (docs/providers.md)"),
    ("AADSTS7000218", "client_secret_file", "the application is no public client: give its secret"),
    ("AADSTS7000222", "client_secret_file", "the application's secret has expired: make a new one in Entra"),
    ("AADSTS7000215", "client_secret_file", "write the secret's value, not its id"),
    ("AADSTS700016", "client_id", "the application is not known in this tenant: check client_id and tenant"),
    ("AADSTS900023", "tenant", "write the directory (tenant) ID"),
    ("AADSTS90002", "tenant", "there is no such tenant: check its id, and the national cloud"),
    ("AADSTS700024", "certificate_file", "check this machine's clock"),
    ("AADSTS700027", "certificate_file", "the certificate is not registered with the application"),
    ("AADSTS70011", "scope", "the scope is not one of this issuer's"),
    ("invalid_scope", "scope", "the scope is not one of this issuer's"),
    ("invalid_client", "client_secret_file", "the client id or its secret is wrong or has expired"),
    ("unauthorized_client", "grant", "the application may not use this grant; for Google: allow domain-wide delegation"),
    ("unsupported_grant_type", "grant", "the issuer does not offer this grant"),
)
"""What issuers say, the setting it is about, and what helps. The first that is found counts."""


@dataclass(frozen=True, slots=True)
class Issued:
    """What an issuer gave. `lifetime` in seconds; `scope` as the issuer names it, "" where it does not (RFC 6749 §5.1).

    `skew`: seconds that the issuer's clock is ahead of ours, None where it did not say.
    """

    access_token: Secret
    lifetime: float
    refresh_token: Secret | None = None
    scope: str = ""
    skew: float | None = None


class TokenEndpoint:
    """Where one profile's tokens come from. `now` is the wall clock (for assertions)."""

    def __init__(self, name: str, profile: OAuthProfile, scope: str, now: Callable[[], float]) -> None:
        self._name, self._profile, self._scope, self._now = name, profile, scope, now
        self.url = _url(profile)

    async def fetch(self, user: str) -> Issued:
        """A token by client credentials, password or assertion."""
        profile = self._profile
        if profile.grant is Grant.CLIENT_CREDENTIALS:
            return await self._request({"grant_type": "client_credentials"})
        if profile.grant is Grant.PASSWORD:
            password = await self._secret("password_file")
            return await self._request({"grant_type": "password", "username": user, "password": password})
        grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
        return await self._request({"grant_type": grant, "assertion": await self._assertion(user)})

    async def refresh(self, token: Secret) -> Issued:
        """A token for a refresh token (RFC 6749 §6)."""
        return await self._request({"grant_type": "refresh_token", "refresh_token": token.reveal()})

    async def redeem(self, code: str, verifier: str, redirect_uri: str) -> Issued:
        """Tokens for the code that a browser came back with (RFC 6749 §4.1.3, RFC 7636 §4.5)."""
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri, "code_verifier": verifier}
        return await self._request(form)

    # --- the request ----------------------------------------------------------------------------------------------------

    async def _request(self, form: Mapping[str, str]) -> Issued:
        body = {**form, **await self._client()} | ({"scope": self._scope} if self._scope else {})
        context = await asyncio.to_thread(_context, self._name, self._profile)
        try:
            status, headers, answer = await _post(self.url, body, context)
        except TimeoutError as error:
            raise ConnectionLost(f"{self._where} did not answer within {REQUEST_SECONDS:.0f} s") from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise InsecureConnection(
                f"the certificate of {self._where} is not trusted: {error.certificate_error}",
                setting=self._setting("truststore_file"),
                hint="name the authority's certificate in truststore_file, or mend the server's",
            ) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ConnectionLost(
                f"{self._where} cannot be reached: {_words(error)}", setting=self._setting("token_url")
            ) from error
        return self._understood(status, headers, answer)

    async def _client(self) -> dict[str, str]:
        """Who asks. An assertion speaks for itself."""
        profile = self._profile
        found = {"client_id": profile.client_id} if profile.client_id and profile.grant is not Grant.JWT_BEARER else {}
        if profile.client_secret_file is not None:
            found["client_secret"] = await self._secret("client_secret_file")
        return found

    async def _assertion(self, user: str) -> str:
        """RFC 7523 §3, signed with the service account's key."""
        key = await self._secret("service_account_file")
        issued_at = int(self._now())
        try:
            account = json.loads(key)
            claims = {"iss": account["client_email"], "sub": user, "aud": self.url, "scope": self._scope}
            claims |= {"iat": issued_at, "exp": issued_at + ASSERTION_SECONDS}
            headers = {"kid": account["private_key_id"]} if "private_key_id" in account else None
            return await asyncio.to_thread(jwt.encode, claims, account["private_key"], "RS256", headers)
        except (ValueError, KeyError, TypeError, jwt.PyJWTError):
            raise PermanentFailure(
                "the service account's file is not the JSON key that Google hands out",
                setting=self._setting("service_account_file"),
                hint="download the key as JSON and put that file here, unchanged",
            ) from None

    async def _secret(self, key: str) -> str:
        path = getattr(self._profile, key)
        if path is None:
            raise PermanentFailure("is required by the grant", setting=self._setting(key))
        return (await asyncio.to_thread(read_secret, path, self._setting(key))).reveal()

    # --- the answer -----------------------------------------------------------------------------------------------------

    def _understood(self, status: int, headers: Mapping[str, str], octets: bytes) -> Issued:
        if status == 429:
            raise Throttled(f"{self._where} asks us to wait", retry_after=retry_after(headers, self._now()))
        answer = _json(octets)
        if answer is None:
            kind = headers.get("Content-Type", "nothing").partition(";")[0][:60]
            raise ServerUnavailable(
                f"{self._where} answered {status} with {_clean(kind)} and not with JSON",
                setting=self._setting("token_url"),
                hint="is this the token endpoint, and is no proxy or sign-in page in between?",
            )
        if status >= 500 or answer.get("error") in _TRANSIENT:
            raise ServerUnavailable(f"{self._where} is in trouble ({status}): {_said(answer)}")
        if status != 200 or "error" in answer:
            said = _said(answer) + self._clock(headers)
            raise refusal(self._name, self._profile, said, str(answer.get("error", status)))
        if said := self._clock(headers):
            log.warning("token.clock_differs", profile=self._name, error=said.removeprefix("; "))
        return replace(self._issued(answer), skew=self._skew(headers))

    def _clock(self, headers: Mapping[str, str]) -> str:
        """What to add to the issuer's words where the issuer's clock differs from ours (R-104): assertions depend on it."""
        skew = self._skew(headers)
        if skew is None or abs(skew) <= MAX_SKEW:
            return ""
        return f"; this machine's clock is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the issuer's: set it"

    def _skew(self, headers: Mapping[str, str]) -> float | None:
        date = _moment(headers.get("Date", ""))
        return None if date is None else date - self._now()

    def _issued(self, answer: Mapping[str, Any]) -> Issued:
        access, refresh = answer.get("access_token"), answer.get("refresh_token")
        if not isinstance(access, str) or not access:
            raise ServerUnavailable(f"{self._where} answered without an access token", setting=self._setting("token_url"))
        try:
            lifetime = float(answer.get("expires_in", LIFETIME))
        except (TypeError, ValueError):
            lifetime = LIFETIME
        lifetime = min(max(lifetime, SHORTEST), LONGEST) if lifetime == lifetime else LIFETIME
        scope = _clean(answer["scope"]) if isinstance(answer.get("scope"), str) else ""
        return Issued(Secret(access), lifetime, Secret(refresh) if isinstance(refresh, str) and refresh else None, scope)

    @property
    def _where(self) -> str:
        return f"the token endpoint {urlsplit(self.url).hostname}"

    def _setting(self, key: str) -> str:
        return f"oauth.{self._name}.{key}"


async def _post(url: str, form: Mapping[str, str], context: ssl.SSLContext) -> tuple[int, Mapping[str, str], bytes]:
    """Status, header fields and at most MAX_ANSWER octets of the answer."""
    timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    connector = aiohttp.TCPConnector(ssl=context)
    async with (
        aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=True, auto_decompress=False) as client,
        client.post(url, data=form, allow_redirects=False, headers=headers) as response,
    ):
        octets = b""
        while len(octets) < MAX_ANSWER and (more := await response.content.read(MAX_ANSWER - len(octets))):
            octets += more
        return response.status, response.headers.copy(), octets


def refusal(name: str, profile: OAuthProfile, said: str, error: str) -> AccountFailure:
    """What an issuer's no means: who must act, and on which setting."""
    user_grant = profile.grant in (Grant.REFRESH_TOKEN, Grant.JWT_BEARER)
    if profile.grant is Grant.PASSWORD and error == "invalid_grant" and not any(code in said for code in _CONSENT_CODES):
        return AuthenticationRefused(
            f"the issuer refused user or password: {said}",
            setting=f"oauth.{name}.password_file",
            hint="check them; an account with multi-factor sign-in cannot use this grant",
        )
    if any(code in said for code in _CONSENT_CODES) or (user_grant and error in _CONSENT):
        return ConsentLost(
            f"the consent is gone: {said}",
            setting=f"oauth.{name}",
            hint="a person must sign in and consent again, or renew the key",
        )
    for word, setting, hint in _KNOWN:
        if word in said or word == error:
            return PermanentFailure(f"the issuer refused the profile: {said}", setting=f"oauth.{name}.{setting}", hint=hint)
    return PermanentFailure(f"the issuer refused the profile: {said}", setting=f"oauth.{name}", hint="see the issuer's words")


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Retry-After in seconds, from seconds or a date (RFC 9110 §10.2.3); None where it says nothing usable."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:6]), MAX_RETRY_AFTER)
    moment = _moment(text)
    return None if moment is None else min(max(moment - now, 0.0), MAX_RETRY_AFTER)


def _moment(text: str) -> float | None:
    """An HTTP-date (RFC 9110 §5.6.7) as POSIX seconds, or None."""
    try:
        moment = parsedate_to_datetime(text[:60])
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _url(profile: OAuthProfile) -> str:
    if profile.token_url is not None:
        return profile.token_url
    if profile.issuer == "google":
        return GOOGLE
    return f"https://{profile.authority or ENTRA}/{profile.tenant or 'common'}/oauth2/v2.0/token"


def _context(name: str, profile: OAuthProfile) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=trusted(name, profile))
    except ssl.SSLError as error:
        raise _unusable(name, f"{profile.truststore_file} has no certificates in PEM form") from error


def trusted(name: str, profile: OAuthProfile) -> str | None:
    """The authorities that this profile trusts, as PEM text; None: the system's. Raises InsecureConnection."""
    if profile.truststore_file is None:
        return None
    try:
        return certificates(profile.truststore_file, profile.truststore_password_file)
    except Unusable as error:
        raise _unusable(name, str(error)) from error


def _unusable(name: str, said: str) -> InsecureConnection:
    return InsecureConnection(
        f"the trust store cannot be used: {said}",
        setting=f"oauth.{name}.truststore_file",
        hint="give a readable file of PEM certificates, or PKCS#12 with its truststore_password_file",
    )


def _json(octets: bytes) -> dict[str, Any] | None:
    try:
        answer = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    return answer if isinstance(answer, dict) else None


def _said(answer: Mapping[str, Any]) -> str:
    words = [str(answer[key]) for key in ("error", "error_description") if isinstance(answer.get(key), str)]
    return _clean(": ".join(words)) or "it did not say why"


def _clean(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:MAX_SAID])


def _words(error: Exception) -> str:
    return _clean(str(getattr(error, "strerror", None) or error or type(error).__name__))
