"""What ends soon, for the overview: access tokens that should have been renewed, certificates of servers and of profiles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ...status import AccountStatus

SOON = 14 * 86400.0
"""Seconds before its end from which on a certificate is worth a word."""
TOKEN_SOON = 600.0
"""Seconds before its end from which on an access token is: it should have been renewed by then."""
MOST = 10
"""That are listed; the earliest."""


@dataclass(frozen=True, slots=True)
class Expiry:
    """Something that ends soon. `at`: POSIX seconds; `path`: the page where something can be done."""

    what: str
    where: str
    path: str
    at: float
    todo: str


def expiring(statuses: Iterable[AccountStatus], profiles: Iterable[Mapping[str, Any]], now: float) -> list[Expiry]:
    """The earliest first."""
    found = [one for status in statuses for one in _of_account(status, now)]
    found += [one for profile in profiles for one in _of_profile(profile, now)]
    return sorted(found, key=lambda one: one.at)[:MOST]


def _of_account(status: AccountStatus, now: float) -> Iterable[Expiry]:
    path = f"/accounts/{status.id}"
    if status.token_expiry is not None and status.token_expiry - now < TOKEN_SOON:
        todo = "It is renewed by itself. If it is not, look at its profile."
        yield Expiry("Access token", status.id, path, status.token_expiry, todo)
    if status.certificate_expiry is not None and status.certificate_expiry - now < SOON:
        todo = "Tell whoever runs the server; mail stops when it ends."
        yield Expiry("Certificate of the mail server", status.id, path, status.certificate_expiry, todo)


def _of_profile(profile: Mapping[str, Any], now: float) -> Iterable[Expiry]:
    if profile["secret_expires_at"] is None:
        return
    ends = datetime.fromisoformat(profile["secret_expires_at"]).timestamp()
    if ends - now < SOON:
        todo = "Make another at the issuer and put it into the profile."
        yield Expiry("Secret or certificate of the profile", profile["id"], f"/profiles/{profile['id']}", ends, todo)
