"""Where a mail server is and how far we trust the way there. Words and rules; the only I/O is reading a trust store.

Used by every protocol: `Endpoint` is made from an account's settings, `tls_context` turns it into the one kind of TLS that
this program speaks (R-58, R-59): certificates verified, host name checked, a lowest version, never a "verify off".
`Endpoint.insecure` does one thing only: it allows `Security.NONE` to an address that is not loopback.
"""

from __future__ import annotations

import functools
import ipaddress
import ssl
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ..config.kept import KeptFile
from ..config.truststore import Unusable, certificates
from ..errors import InsecureConnection


class Security(StrEnum):
    """How the connection is protected, as the setting `security` spells it."""

    TLS = "tls"
    STARTTLS = "starttls"
    NONE = "none"


class LowestTLS(StrEnum):
    """The lowest version that is accepted, as the setting `min_tls` spells it."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address and the security asked of the connection.

    `truststore_file`: certificates to trust instead of the system's, PEM or PKCS#12. `section` is where the settings stand
    (`receiver` or `sender`), so that an error can name the one to change.
    """

    host: str
    port: int
    security: Security = Security.TLS
    min_tls: LowestTLS = LowestTLS.TLS_1_2
    truststore_file: Path | KeptFile | None = None
    insecure: bool = False
    section: str = "receiver"
    truststore_password_file: Path | KeptFile | None = None

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def setting(self, name: str) -> str:
        """The setting's full name: `host` → `receiver.host`."""
        return f"{self.section}.{name}"


def tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """The context for this endpoint, shared by all that trust the same: the system's store alone is over 1 MB each.

    A trust store that was replaced on disk is read anew. Raises InsecureConnection naming `truststore_file`.
    """
    path = endpoint.truststore_file
    try:
        changed = path.stat().st_mtime_ns if isinstance(path, Path) else 0  # a kept one's mark changes with it
        return _context(endpoint.min_tls, path, endpoint.truststore_password_file, changed)
    except (OSError, ssl.SSLError, Unusable) as error:
        raise InsecureConnection(
            f"the trust store {path} cannot be used: {_words(error)}",
            setting=endpoint.setting("truststore_file"),
            hint="give a readable file of PEM certificates",
        ) from error


@functools.lru_cache(maxsize=64)
def _context(
    lowest: LowestTLS, truststore: Path | KeptFile | None, password: Path | KeptFile | None, changed: int
) -> ssl.SSLContext:
    """A pure function of its arguments but for the files it reads; `changed` stands for their contents."""
    pem = certificates(truststore, password) if truststore else None
    context = ssl.create_default_context(cadata=pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_3 if lowest == LowestTLS.TLS_1_3 else ssl.TLSVersion.TLSv1_2
    return context


def is_loopback(address: str) -> bool:
    """Whether an IP address never leaves this machine, an IPv4 one wrapped into IPv6 included."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ssl.SSLError):
        return error.strerror.lower()
    if isinstance(error, Unusable):
        return str(error)
    return "no PEM certificate in it"
