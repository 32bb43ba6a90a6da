"""Trust stores: the certificates of the authorities to trust, from PEM or PKCS#12 files (RFC 7292), as PEM text.

Read at the configuration's check and at each connection that finds the file changed. A Java key store (JKS, JCEKS) is
recognised and refused with the command that converts it: there is no maintained reader for it (docs/decisions.md).
"""

from __future__ import annotations

import re
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from .kept import KeptFile

MAX_STORE = 16 * 1024 * 1024
"""Octets; the system's own have under one million."""
JAVA = (b"\xfe\xed\xfe\xed", b"\xce\xce\xce\xce")
"""How JKS and JCEKS files begin."""
DER_SEQUENCE = b"\x30"
_BLOCK = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")


class Unusable(ValueError):
    """This file is no trust store that can be used; the text says why and what to do, and shows nothing of a password."""


def certificates(path: Path | KeptFile, password_file: Path | KeptFile | None) -> str:
    """The store's certificates as PEM text. Raises Unusable."""
    octets = _read(path, MAX_STORE)
    if octets.startswith(JAVA):
        target = Path(path.name).with_suffix(".p12").name
        raise Unusable(
            f"{path} is a Java key store, which cannot be read here: convert it by keytool -importkeystore -srckeystore "
            f"{path.name} -destkeystore {target} -deststoretype PKCS12, and name {target} with its truststore_password_file"
        )
    if octets.startswith(DER_SEQUENCE):
        return _of_pkcs12(path, octets, password_file)
    text = octets.decode("ascii", "replace")
    if not _BLOCK.search(text):
        raise Unusable(f"{path} has no certificates in PEM form (-----BEGIN CERTIFICATE-----), and is no PKCS#12 store")
    return text


def _of_pkcs12(path: Path | KeptFile, octets: bytes, password_file: Path | KeptFile | None) -> str:
    password = None if password_file is None else _read(password_file, MAX_STORE).rstrip(b"\r\n")
    try:
        store = pkcs12.load_pkcs12(octets, password)
    except ValueError:
        advice = "truststore_password_file holds another password" if password else "give its truststore_password_file"
        raise Unusable(f"{path} cannot be opened: {advice}, or it is no PKCS#12 store") from None
    found = [one.certificate for one in (store.cert, *store.additional_certs) if one is not None]
    if not found:
        raise Unusable(f"{path} holds no certificates")
    return "".join(_pem(certificate) for certificate in found)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _read(path: Path | KeptFile, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(most + 1)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    if len(octets) > most:
        raise Unusable(f"{path} is larger than {most} octets: that is no trust store")
    return octets
