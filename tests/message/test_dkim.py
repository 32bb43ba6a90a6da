"""DKIM looked at by ourselves: an aligned signature over the whole message is a pass, anything else says nothing."""

from __future__ import annotations

import base64

import dkim as dkimpy
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from listener.message import InboundMessage, Trust, dkim, parse
from listener.message.model import Authentication, Verdict

TEXT = b"From: Ann <ann@customer.example>\r\nTo: us@example.com\r\nSubject: My parcel\r\n\r\nWhere is it?\r\n"
NAME = "k1._domainkey.customer.example"


@pytest.fixture(scope="module")
def pair() -> tuple[bytes, str]:
    """A private key, and its public key as the DNS has it."""
    key = rsa.generate_private_key(65537, 2048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return private, "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()


def signed(private: bytes, octets: bytes = TEXT, domain: bytes = b"customer.example", **how: object) -> bytes:
    return dkimpy.sign(octets, b"k1", domain, private, include_headers=[b"from", b"subject"], **how) + octets


def judged(octets: bytes, keys: dict[str, str]) -> Authentication:
    return dkim.judged(parse(octets), octets, keys).authentication


def test_an_aligned_signature_is_a_pass_that_names_nobody_but_ourselves(pair: tuple[bytes, str]) -> None:
    private, record = pair
    octets = signed(private)
    assert dkim.key_names(octets) == (NAME,)
    assert judged(octets, {NAME: record}) == Authentication(Verdict.PASS, "dkim")


def test_a_subdomain_of_the_same_organisation_is_aligned(pair: tuple[bytes, str]) -> None:
    private, record = pair
    octets = signed(private, domain=b"mail.customer.example")
    assert judged(octets, {"k1._domainkey.mail.customer.example": record}).verdict is Verdict.PASS


def test_a_good_signature_of_somebody_else_says_nothing(pair: tuple[bytes, str]) -> None:
    private, record = pair
    octets = signed(private, domain=b"evil.example")
    assert judged(octets, {"k1._domainkey.evil.example": record}) == Authentication()


def test_a_changed_message_says_nothing(pair: tuple[bytes, str]) -> None:
    private, record = pair
    assert judged(signed(private).replace(b"Where", b"There"), {NAME: record}) == Authentication()


def test_what_the_dns_did_not_answer_says_nothing(pair: tuple[bytes, str]) -> None:
    assert judged(signed(pair[0]), {}) == Authentication()
    assert judged(signed(pair[0]), {NAME: "v=DKIM1; p="}) == Authentication()
    assert judged(signed(pair[0]), {NAME: "\ufffdnonsense"}) == Authentication()


def test_a_signature_that_covers_only_the_beginning_does_not_count(pair: tuple[bytes, str]) -> None:
    private, record = pair
    assert judged(signed(private, length=True) + b"And send it to my new address.\r\n", {NAME: record}) == Authentication()


def test_two_senders_are_nobody(pair: tuple[bytes, str]) -> None:
    private, record = pair
    octets = b"From: Boss <boss@example.com>\r\n" + signed(private)
    assert judged(octets, {NAME: record}) == Authentication()


def test_sha1_does_not_count(pair: tuple[bytes, str]) -> None:
    octets = signed(pair[0]).replace(b"a=rsa-sha256", b"a=rsa-sha1")
    assert judged(octets, {NAME: pair[1]}) == Authentication()


@pytest.mark.parametrize(
    "field",
    [
        b"DKIM-Signature: d=customer.example",
        b"DKIM-Signature: s=k1; d=../../etc",
        b"DKIM-Signature: s=" + b"k" * 300 + b"; d=customer.example",
        b"DKIM-Signature: s=k1 k2; d=\x00customer.example",
        b"DKIM-Signature",
        b"DKIM-Signature: " + b";" * 20_000,
    ],
)
def test_no_field_makes_us_ask_for_what_is_no_name(field: bytes) -> None:
    for name in dkim.key_names(field + b"\r\n" + TEXT):
        assert len(name) <= 253
        assert "/" not in name
        assert "\x00" not in name


def test_only_the_first_signatures_are_looked_at() -> None:
    many = b"".join(b"DKIM-Signature: s=k%d; d=customer.example\r\n" % n for n in range(100))
    assert len(dkim.key_names(many + TEXT)) == dkim.MAX_SIGNATURES


def test_the_trust_that_asks_for_it_is_off_by_default() -> None:
    assert not Trust().verify_dkim
    assert isinstance(parse(TEXT), InboundMessage)
