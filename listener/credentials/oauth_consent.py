"""The authorization code grant with PKCE (RFC 6749 §4.1, RFC 7636): how a person consents in a browser. No state is kept here.

`authorization_url` is where the browser is sent; `TokenEndpoint.redeem` takes the code that it comes back with. Who began
and whether the answer belongs to it is for `accounts/consents.py`.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Collection
from urllib.parse import urlencode, urlsplit

from ..config import OAuthProfile
from .oauth_endpoint import ENTRA

GOOGLE_AUTHORIZE = "https://accounts.google.com/o/oauth2/v2/auth"
GOOGLE_MAIL = "https://mail.google.com/"
GRAPH_SCOPES = "https://graph.microsoft.com/Mail.ReadWrite https://graph.microsoft.com/Mail.Send"
_OUTLOOK = {
    "imap": "https://outlook.office.com/IMAP.AccessAsUser.All",
    "pop3": "https://outlook.office.com/POP.AccessAsUser.All",
    "smtp": "https://outlook.office.com/SMTP.Send",
}
OFFLINE = "offline_access"


def authorization_url(
    profile: OAuthProfile, *, state: str, verifier: str, redirect_uri: str, protocols: Collection[str], login_hint: str = ""
) -> str:
    """Where to send the browser. `protocols`: those that accounts use the profile for; they decide what is asked for."""
    query = {
        "response_type": "code",
        "client_id": profile.client_id or "",
        "redirect_uri": redirect_uri,
        "state": state,
        "code_challenge": challenge(verifier),
        "code_challenge_method": "S256",
    }
    if scope := consent_scope(profile, protocols):
        query["scope"] = scope
    if profile.issuer == "google":  # or there is no refresh token
        query |= {"access_type": "offline", "prompt": "consent"}
    elif profile.issuer == "microsoft" and not login_hint:
        query["prompt"] = "select_account"
    if login_hint:
        query["login_hint"] = login_hint
    base = authorize_endpoint(profile)
    return f"{base}{'&' if urlsplit(base).query else '?'}{urlencode(query)}"


def challenge(verifier: str) -> str:
    """RFC 7636 §4.2, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode("ascii")


def authorize_endpoint(profile: OAuthProfile) -> str:
    """The issuer's page for people."""
    if profile.authorize_url is not None:
        return profile.authorize_url
    if profile.issuer == "google":
        return GOOGLE_AUTHORIZE
    return f"https://{profile.authority or ENTRA}/{profile.tenant or 'common'}/oauth2/v2.0/authorize"


def consent_scope(profile: OAuthProfile, protocols: Collection[str]) -> str:
    """What is asked for: the setting, else what issuer and protocols want; for Microsoft always with a refresh token."""
    if profile.issuer == "google":
        return profile.scope or GOOGLE_MAIL
    if profile.issuer != "microsoft":
        return profile.scope or ""
    wanted = profile.scope
    if wanted is None:
        mail = " ".join(_OUTLOOK[name] for name in sorted(set(protocols) & _OUTLOOK.keys()))
        wanted = GRAPH_SCOPES if "graph" in protocols else mail or " ".join(_OUTLOOK.values())
    return wanted if OFFLINE in wanted.split() else f"{OFFLINE} {wanted}"
