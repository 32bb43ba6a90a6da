"""Trust stores: the certificates of the authorities to trust, from PEM or PKCS#12 files (RFC 7292), as PEM text.

Read at the configuration's check and at each connection that finds the file changed. A Java key store (JKS, JCEKS) is
recognised and refused with the command that converts it: there is no maintained reader for it (docs/decisions.md).
The API and the console's forms know text only: there a binary store is `armoured`, base64 between the lines that GnuTLS
writes around a PKCS#12 store too; base64 alone is understood as well.
"""

from __future__ import annotations

import base64
import binascii
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
LONG_FORM = 0x80
"""The second octet of what is longer than 127 octets, at least (X.690 §8.1.3.5): a store is, and no text goes on so."""
ARMOUR = ("-----BEGIN PKCS12-----", "-----END PKCS12-----")
_BLOCK = re.compile(r"-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----")
_PFX = re.compile(rb"\x30(?:[\x00-\x80]|\x81.|\x82..|\x83...|\x84....)\x02\x01\x03", re.DOTALL)
"""RFC 7292 §4: PFX ::= SEQUENCE { version INTEGER {v3(3)}, …"""


class Unusable(ValueError):
    """This is no trust store that can be used; the text says why and what to do, and shows nothing of a password.

    `of_password`: another password would help.
    """

    def __init__(self, text: str, *, of_password: bool = False) -> None:
        super().__init__(text)
        self.of_password = of_password


def certificates(path: Path | KeptFile, password_file: Path | KeptFile | None) -> str:
    """The store's certificates as PEM text. Raises Unusable."""
    octets = unarmoured(_read(path, MAX_STORE))
    if octets.startswith(JAVA):
        raise Unusable(_java(path))
    if _PFX.match(octets):
        return _of_pkcs12(path, octets, password_file)
    if is_binary(octets):
        return _of_der(path, octets)
    text = octets.decode("ascii", "replace")
    if not _BLOCK.search(text):
        lacks = "has no certificates in PEM form (-----BEGIN CERTIFICATE-----), and is no PKCS#12 store"
        raise Unusable(f"{_it(path)} {lacks}")
    return text


def is_binary(octets: bytes) -> bool:
    """Does it begin as DER or a Java key store does, and no text?"""
    return octets.startswith(JAVA) or (octets.startswith(DER_SEQUENCE) and octets[1:2] >= bytes([LONG_FORM]))


def armoured(octets: bytes) -> str:
    """A store as text: what is text as it is, a binary one between the lines of `ARMOUR`."""
    if not is_binary(octets):
        return octets.decode("ascii", "replace")
    first, last = ARMOUR
    return f"{first}\n{base64.encodebytes(octets).decode()}{last}\n"


def unarmoured(octets: bytes) -> bytes:
    """The store in an armour or in bare base64; anything else as it is."""
    first, last = (line.encode() for line in ARMOUR)
    inner = octets.partition(first)[2].partition(last)[0] if first in octets else octets
    try:
        found = base64.b64decode(b"".join(inner.split()), validate=True)
    except binascii.Error:
        return octets
    return found if is_binary(found) else octets


def _java(path: Path | KeptFile) -> str:
    source = path if isinstance(path, Path) else Path("truststore.jks")
    target = source.with_suffix(".p12").name
    return (
        f"{_it(path)} is a Java key store, which cannot be read here: convert it by keytool -importkeystore -srckeystore "
        f"{source.name} -destkeystore {target} -deststoretype PKCS12, and give {target} with its truststore_password_file"
    )


def _of_pkcs12(path: Path | KeptFile, octets: bytes, password_file: Path | KeptFile | None) -> str:
    password = None if password_file is None else _read(password_file, MAX_STORE).rstrip(b"\r\n")
    try:
        store = pkcs12.load_pkcs12(octets, password)
    except ValueError:
        advice = "truststore_password_file holds another password" if password else "give its truststore_password_file"
        said = f"{_it(path)} cannot be opened: {advice}, or it is damaged or no PKCS#12 store"
        raise Unusable(said, of_password=True) from None
    if store.key is not None and isinstance(path, KeptFile):  # whoever may read the account's settings reads it
        raise Unusable("this store holds a private key: give one with the authorities' certificates only")
    found = [one.certificate for one in (store.cert, *store.additional_certs) if one is not None]
    if not found:
        raise Unusable(f"{_it(path)} holds no certificates")
    return "".join(_pem(certificate) for certificate in found)


def _of_der(path: Path | KeptFile, octets: bytes) -> str:
    """A single certificate, as Windows saves it."""
    try:
        return _pem(x509.load_der_x509_certificate(octets))
    except ValueError:
        raise Unusable(f"{_it(path)} is neither a PKCS#12 store nor a certificate: give PEM or PKCS#12") from None


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _it(path: Path | KeptFile) -> str:
    """What it is called: what is kept has no name that a person gave."""
    return str(path) if isinstance(path, Path) else "this"


def _read(path: Path | KeptFile, most: int) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(most + 1)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}") from None
    if len(octets) > most:
        raise Unusable(f"{path} is larger than {most} octets: that is no trust store")
    return octets
