"""Letters inside S/MIME signatures: taken out, said so, never verified; nothing that is malformed is read."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from hypothesis import given
from hypothesis import strategies as st

from listener.message import cms, parse, parse_quickly, sealed, tree

INNER = "Content-Type: text/plain; charset=utf-8\r\n\r\nGrüße, the order is late.\r\n".encode()
HEAD = b"From: anna@example.net\r\nSubject: Order\r\nMessage-ID: <1@example.net>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\n"


@pytest.fixture(scope="module")
def signer():
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Anna Example")])
    begins = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = x509.CertificateBuilder(name, name, key.public_key(), 1, begins, begins + timedelta(days=365))
    return certificate.sign(key, hashes.SHA256()), key


def signed(signer, content=INNER, *options):
    """A DER SignedData, with the content inside unless the options say otherwise."""
    builder = pkcs7.PKCS7SignatureBuilder().set_data(content).add_signer(*signer, hashes.SHA256())
    return builder.sign(Encoding.DER, [pkcs7.PKCS7Options.Binary, *options])


def mail(octets, content_type="application/pkcs7-mime; smime-type=signed-data; name=smime.p7m", head=HEAD):
    fields = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: base64\r\n"
    fields += "Content-Disposition: attachment; filename=smime.p7m\r\n\r\n"
    return head + fields.encode() + base64.encodebytes(octets).replace(b"\n", b"\r\n")


def element(tag, content):
    length = len(content)
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([length]) if length < 128 else bytes([128 + len(octets)]) + octets) + content


def open_ended(tag, *contents):
    """With an indefinite length, as programs write that sign a stream."""
    return bytes([tag]) + b"\x80" + b"".join(contents) + b"\0\0"


DATA = element(0x06, b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01")
ENVELOPED = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03"


def streamed(content, *, size=1000, kind=cms.SIGNED, pieces=None):
    """A SignedData whose lengths are indefinite and whose content comes in pieces."""
    octets = pieces or open_ended(0x24, *(element(0x04, content[at : at + size]) for at in range(0, len(content), size)))
    algorithms = open_ended(0x31, open_ended(0x30, element(0x06, b"\x60\x86\x48\x01\x65\x03\x04\x02\x01")))
    inner = open_ended(0x30, DATA, open_ended(0xA0, octets))
    return open_ended(0x30, element(0x06, kind), open_ended(0xA0, open_ended(0x30, element(0x02, b"\x01"), algorithms, inner)))


@pytest.mark.parametrize(
    "content_type",
    [
        "application/pkcs7-mime; smime-type=signed-data; name=smime.p7m",
        "application/pkcs7-mime; name=smime.p7m",
        "application/x-pkcs7-mime",
        "application/octet-stream; name=smime.p7m",
    ],
)
def test_the_letter_in_a_signature_is_the_text(signer, content_type):
    parsed = parse(mail(signed(signer), content_type))
    assert parsed.text == "Grüße, the order is late.\n"
    assert parsed.reply.text == "Grüße, the order is late."
    assert parsed.defects == (sealed.OPENED,)


def test_what_was_signed_stays_an_attachment_for_whoever_wants_to_verify_it(signer):
    octets = signed(signer)
    (attachment,) = parse(mail(octets)).attachments
    assert (attachment.filename, attachment.size) == ("smime.p7m", len(octets))


def test_attachments_within_the_signature_are_listed(signer):
    inner = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nSee below.\r\n--x\r\n"
    inner += b"Content-Disposition: attachment; filename=a.txt\r\n\r\nA\r\n--x--\r\n"
    parsed = parse(mail(signed(signer, inner)))
    assert parsed.text == "See below."
    assert [one.filename for one in parsed.attachments] == ["a.txt", "smime.p7m"]


def test_a_list_s_footer_below_the_signature_is_joined(signer):
    whole = mail(signed(signer), head=b"")
    body = b"--x\r\n" + whole + b"\r\n--x\r\nContent-Type: text/plain\r\n\r\nThe list's footer\r\n--x--\r\n"
    parsed = parse(HEAD + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + body)
    assert parsed.text == "Grüße, the order is late.\n\nThe list's footer"


def test_a_signed_letter_that_is_only_a_file_of_another_is_not_its_text(signer):
    whole = mail(signed(signer), head=b"")
    body = b"--x\r\n\r\nSee the file.\r\n--x\r\n" + whole + b"\r\n--x--\r\n"
    parsed = parse(HEAD + b"Content-Type: multipart/mixed; boundary=x\r\n\r\n" + body)
    assert parsed.text == "See the file."
    assert sealed.WRAPPED in parsed.defects


def test_a_signature_apart_from_its_content_has_none(signer):
    assert cms.signed_content(signed(signer, INNER, pkcs7.PKCS7Options.DetachedSignature)) is None


def test_what_was_signed_while_it_was_written_is_put_together():
    content = INNER * 100
    assert cms.signed_content(streamed(content)) == content
    assert parse(mail(streamed(content))).text.startswith("Grüße")


def test_pieces_may_lie_in_pieces_of_known_length():
    inner = element(0x24, element(0x04, b"a") + element(0x24, element(0x04, b"b")) + element(0x04, b"c"))
    assert cms.signed_content(streamed(b"", pieces=inner)) == b"abc"


def test_what_is_encrypted_stays_so():
    octets = streamed(INNER, kind=ENVELOPED)
    assert cms.signed_content(octets) is None
    parsed = parse(mail(octets, "application/pkcs7-mime"))
    assert (parsed.text, parsed.defects) == ("", (sealed.SMIME,))


def test_a_broken_signature_without_a_kind_is_still_said_to_be_one(signer):
    parsed = parse(mail(signed(signer)[:80], "application/pkcs7-mime"))
    assert parsed.defects == (sealed.WRAPPED,)


def test_no_cut_of_a_signature_is_read_as_another_content(signer):
    for whole in (signed(signer), streamed(INNER, size=10)):
        content = cms.signed_content(whole)
        assert {cms.signed_content(whole[:length]) for length in range(len(whole))} <= {None, content}


@given(st.binary(max_size=60), st.integers(0, 200))
def test_no_octets_raise(octets, position):
    whole = streamed(INNER, size=7)
    cms.signed_content(octets)
    cms.signed_content(whole[:position] + octets + whole[position:])


def nested(signer, levels):
    inner = INNER
    for _ in range(levels):
        inner = b"Content-Type: application/pkcs7-mime\r\nContent-Transfer-Encoding: binary\r\n\r\n" + signed(signer, inner)
    return HEAD + inner


def test_signatures_in_signatures_are_opened_so_far_and_no_further(signer):
    assert parse(nested(signer, tree.MAX_WRAPPERS)).text.startswith("Grüße")
    beyond = parse(nested(signer, tree.MAX_WRAPPERS + 1))
    assert beyond.text == ""
    assert sealed.WRAPPED in beyond.defects


@pytest.mark.parametrize(
    "pieces",
    [
        open_ended(0x24, element(0x04, b"x") * (cms.MAX_PIECES + 1)),
        b"\x24\x80" * 500_000,
        b"\x24\x84\x7f\xff\xff\xff" + element(0x04, b"x"),
    ],
    ids=["too many pieces", "too deep", "longer than the message"],
)
def test_bombs_are_no_content(pieces):
    assert cms.signed_content(streamed(b"", pieces=pieces)) is None
    assert parse_quickly(mail(streamed(b"", pieces=pieces))) is not None


def test_a_deep_structure_before_the_content_is_left():
    octets = b"\x30\x80" + element(0x06, cms.SIGNED) + b"\xa0\x80\x30\x80" + element(0x02, b"\x01") + b"\x31\x80" * 500_000
    assert cms.signed_content(octets) is None
