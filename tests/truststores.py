"""PKCS#12 stores as people have them: an authority's certificate, locked or not, with a key that does not belong there."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, NoEncryption, load_pem_private_key, pkcs12


def pkcs12_store(authority, password=None, *, key=None):
    """The octets. `authority`: a trustme.CA; `key`: PEM octets of a private key that goes in too."""
    certificate = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    sealing = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    if key is not None:
        own = load_pem_private_key(key, None)
        return pkcs12.serialize_key_and_certificates(b"own", own, certificate, None, sealing)
    return pkcs12.serialize_key_and_certificates(None, None, None, [certificate], sealing)
