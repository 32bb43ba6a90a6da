"""When the credentials of OAuth 2.0 profiles themselves end: an application's secret or certificate. Shown as a metric.

A client secret says nothing of its end, so its profile must (`client_secret_expires`); a certificate says it itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from cryptography import x509

from ..config import OAuthProfile
from ..errors import PermanentFailure

MAX_FILE = 1 << 20
"""Octets of a certificate's file that are read."""


def credential_expiries(profiles: Iterable[OAuthProfile]) -> list[tuple[str, float]]:
    """Issuer and POSIX seconds of each that is known. Blocks: certificates are read. Never raises for a file."""
    found = ((profile.issuer, expiry_of(profile)) for profile in profiles)
    return [(issuer, at) for issuer, at in found if at is not None]


def expiry_of(profile: OAuthProfile) -> float | None:
    """The earlier of both ends; None where neither is known."""
    ends = [end for end in (_secret_end(profile), _certificate_end(profile)) if end is not None]
    return min(ends, default=None)


def _secret_end(profile: OAuthProfile) -> float | None:
    day = profile.client_secret_expires
    return datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp() if day else None


def _certificate_end(profile: OAuthProfile) -> float | None:
    if profile.certificate_file is None:
        return None
    try:
        with profile.certificate_file.open("rb") as file:
            certificates = x509.load_pem_x509_certificates(file.read(MAX_FILE))
    except (OSError, ValueError, PermanentFailure):
        return None  # signing in says so, and better
    return min(certificate.not_valid_after_utc.timestamp() for certificate in certificates)
