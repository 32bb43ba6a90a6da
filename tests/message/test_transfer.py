"""Content-Transfer-Encoding undone, whatever is in it."""

import pytest

from listener.message import transfer

CASES = {
    "base64": (b"aGVsbG8=\r\n", "base64", b"hello"),
    "base64 in capitals": (b"aGVsbG8=", " BASE64 ", b"hello"),
    "base64 without padding": (b"aGVsbG8", "base64", b"hello"),
    "base64 with foreign characters": (b"aGV*sbG\x808=", "base64", b"hello"),
    "base64 in padded pieces": (b"aGVsbG8gdGhlcmU=\nYW5kIHNvbWUgbW9yZQ==\n", "base64", b"hello thereand some more"),
    "base64 with a footer behind it": (b"aGVsbG8=\n_______\nTo leave the list\n", "base64", b"hello"),
    "base64 with a remark behind it": (b"aGVsbG8= and so on\n", "base64", b"hello"),
    "base64 cut": (b"aGVsbG8gd29ybG", "base64", b"hello worl"),
    "base64 of nothing": (b"!", "base64", b""),
    "quoted-printable": (b"caf=C3=A9 =\r\nau lait\r\n", "quoted-printable", "café au lait\r\n".encode()),
    "quoted-printable broken": (b"100=% =zz =", "quoted-printable", b"100=% =zz "),
    "uuencode": (b"begin 644 a\n%:&5L;&\\\n`\nend\n", "x-uuencode", b"hello"),
    "8bit": (b"\xe9", "8bit", b"\xe9"),
    "unknown": (b"a=3D", "x-unknown", b"a=3D"),
    "with a parameter": (b"aGVsbG8=", "base64; charset=utf-8", b"hello"),
    "none": (b"a", "", b"a"),
}


@pytest.mark.parametrize(("octets", "encoding", "decoded"), CASES.values(), ids=CASES)
def test_what_was_encoded_comes_out(octets: bytes, encoding: str, decoded: bytes) -> None:
    assert transfer.decode(octets, encoding) == decoded
