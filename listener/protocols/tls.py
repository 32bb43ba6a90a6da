"""TLS as octets in and octets out: no socket, no waiting. `connection.py` carries the octets.

Own use of `ssl.MemoryBIO` instead of asyncio's SSLProtocol for three reasons: that one keeps a 256 KB buffer for every
connection; its `start_tls` hands over plaintext that came with the STARTTLS answer; and a failed verification must become
one exact sentence for a person, which `fault` makes of it.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import AccountFailure, ConnectionLost, InsecureConnection
from .endpoint import Endpoint

RECORD = 16 * 1024
"""Octets of plaintext in the largest TLS record (RFC 8446 §5.1); ciphertext is fed in such pieces: buffers stay small."""


@dataclass(frozen=True, slots=True)
class TLSFacts:
    """What was agreed. `expires` is the end of the server certificate's validity in POSIX seconds."""

    version: str
    cipher: str
    expires: float | None


class TLSStream:
    """One TLS client over two in-memory pipes. Every method may leave octets in `output()` for the network."""

    def __init__(self, context: ssl.SSLContext, host: str) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def output(self) -> bytes:
        """What must be sent now."""
        return self._outgoing.read() if self._outgoing.pending else b""

    def handshake(self, ciphertext: bytes = b"") -> bool:
        """Go on with the handshake; True once it is done. Raises ssl.SSLError."""
        self._incoming.write(ciphertext)
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def decrypt(self, ciphertext: bytes) -> Iterator[bytes]:
        """The plaintext in it, as it can be read so far, then b"" if the peer said goodbye. Raises ssl.SSLError."""
        view = memoryview(ciphertext)
        for start in range(0, len(view) or 1, RECORD):
            self._incoming.write(view[start : start + RECORD])
            try:
                while data := self._tls.read(RECORD):
                    yield data
                    if not self._incoming.pending and not self._tls.pending():
                        break
                else:
                    yield b""
                    return
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLZeroReturnError:
                yield b""
                return

    def encrypt(self, data: bytes) -> Iterator[bytes]:
        """The ciphertext of `data`, piece by piece. Raises ssl.SSLError."""
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view[:RECORD]) :]
            yield self._outgoing.read()

    def goodbye(self) -> bytes:
        """A close_notify, where one can be sent. Never raises."""
        with contextlib.suppress(ssl.SSLError, OSError, ValueError):
            self._tls.unwrap()  # the answer is not waited for: mail protocols say goodbye themselves
        return self.output()

    def facts(self) -> TLSFacts:
        """What the finished handshake agreed on."""
        certificate: dict[str, Any] = self._tls.getpeercert() or {}
        end = certificate.get("notAfter")
        cipher = self._tls.cipher()
        return TLSFacts(
            self._tls.version() or "", cipher[0] if cipher else "", float(ssl.cert_time_to_seconds(end)) if end else None
        )


_UNTRUSTED = ("is signed by an authority that is not trusted", "name that authority's certificate in truststore_file")
_OTHER_NAME = ("is for another host name", "use the host name that the certificate names")
_VERIFY = {
    9: ("is not valid yet", "check this machine's clock"),
    10: ("has expired", "the server's owner must renew it"),
    18: ("is self-signed", "name the certificate's own file in truststore_file if you trust it"),
    19: _UNTRUSTED,
    20: _UNTRUSTED,
    21: ("has no chain to a trusted authority", "name the missing authority's certificate in truststore_file"),
    23: ("was revoked", "the server's owner must replace it"),
    62: _OTHER_NAME,
    64: _OTHER_NAME,
}
"""OpenSSL's X509_V_ERR numbers, in words and with what to do."""
_TRUST_CODES = (18, 19, 20, 21)

_VERSION_REASONS = ("PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW", "NO_PROTOCOLS_AVAILABLE")
_PLAINTEXT_REASONS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")


def fault(error: ssl.SSLError, endpoint: Endpoint) -> AccountFailure:
    """What a TLS error means for a person: InsecureConnection with the exact reason, or ConnectionLost where it may pass."""
    if isinstance(error, ssl.SSLCertVerificationError):
        words, hint = _VERIFY.get(error.verify_code, (f"was refused: {error.verify_message}", "see the reason"))
        setting = "truststore_file" if error.verify_code in _TRUST_CODES else "host"
        return InsecureConnection(f"the certificate of {endpoint} {words}", setting=endpoint.setting(setting), hint=hint)
    reason = error.reason or ""
    if any(word in reason for word in _VERSION_REASONS):
        return InsecureConnection(
            f"{endpoint} offers no TLS {endpoint.min_tls} or newer",
            setting=endpoint.setting("min_tls"),
            hint="the server must offer it, or allow an older version if it is 1.2",
        )
    if any(word in reason for word in _PLAINTEXT_REASONS):
        return no_tls(endpoint)
    return ConnectionLost(f"TLS with {endpoint} failed: {reason.replace('_', ' ').lower() or 'no reason given'}")


def no_tls(endpoint: Endpoint) -> InsecureConnection:
    """The server speaks in clear where TLS was expected."""
    return InsecureConnection(
        f"{endpoint} does not speak TLS",
        setting=endpoint.setting("security"),
        hint='the port may want security = "starttls", or TLS has another port',
    )


def broken_off(endpoint: Endpoint) -> ConnectionLost:
    """The server hung up in the middle of the handshake, and did not say why."""
    return ConnectionLost(
        f"{endpoint} closed the connection during the TLS handshake",
        setting=endpoint.setting("security"),
        hint=f'if it always does: it may not offer TLS {endpoint.min_tls} (min_tls), or want security = "starttls"',
    )
