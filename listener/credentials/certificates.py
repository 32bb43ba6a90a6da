"""When what proves an application ends: the certificate of an authentication profile."""

from __future__ import annotations

from cryptography import x509

from ..config import OAuthProfile
from ..errors import AccountFailure


def certificate_end(profile: OAuthProfile | None) -> float | None:
    """POSIX seconds when the certificate that proves the application ends; None without one that can be read."""
    if profile is None or profile.certificate_file is None:
        return None
    try:
        found = x509.load_pem_x509_certificates(profile.certificate_file.read_bytes())
    except (OSError, ValueError, AccountFailure):
        return None
    return min(one.not_valid_after_utc.timestamp() for one in found) if found else None
