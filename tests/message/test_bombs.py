"""Small messages that cost others seconds or their lives (requirements §4.2): each is read in bounded time and memory.

The limit is processor time and generous, because the machine that runs this may be slow; what is not linear misses it by far.
"""

import base64
import time

import pytest

from listener.message import attachments, parse
from listener.message import tree as limits

SECONDS = 8.0


def encoded(depth: int) -> bytes:
    octets = b"Subject: bottom\r\n\r\nx"
    for _ in range(depth):
        octets = b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.encodebytes(octets)
    return octets


MIXED = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
MARKUP = b"Content-Type: text/html\r\n\r\n"
TNEF = b"Content-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22\0\0"
BOMBS = {
    "parameters, 50 KB": b"Content-Type: text/plain" + b"; a=" * 10_000 + b"\r\n\r\nx",
    "parameters, 200 KB": b"Content-Type: text/plain" + b"; a=" * 40_000 + b"\r\n\r\nx",
    "8,000 addresses": b"To: " + b"a@b.c, " * 8_000 + b"\r\n\r\nx",
    "20,000 pieces of a name": b"Content-Disposition: a; "
    + b";".join(b"filename*%d*=a" % n for n in range(20_000))
    + b"\r\n\r\nx",
    "8,000 encoded words": b"Subject: " + b"=?utf-8?q?ab?= " * 8_000 + b"\r\n\r\nx",
    "encoded words without end": b"Subject: " + b"=?utf-8?q?" * 6_000 + b"\r\n\r\nx",
    "1,000 containers in containers": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(1_000)
    ),
    "1,000 containers of one boundary": (MIXED + b"--b\r\n") * 1_000,
    "1,000 messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 1_000,
    "messages in encoded messages": encoded(30),
    "100,000 parts": MIXED + b"--b\r\n\r\nx\r\n" * 100_000,
    "1,000,000 fields": b"A: b\r\n" * 1_000_000,
    "2,000 fields of 8-bit octets": (b"X: " + bytes(range(128, 256)) + b"\r\n") * 1_900 + b"\r\n",
    "open comments": b"From: " + b"(" * 60_000 + b"\r\n\r\n",
    "open quotes": b"From: " + b'"\\' * 30_000 + b"\r\n\r\n",
    "open brackets": b"From: " + b"<" * 60_000 + b"\r\n\r\n",
    "lines like a boundary": MIXED + b"--bb\r\n" * 500_000,
    "lines of dashes": b"Content-Type: multipart/mixed\r\n\r\n" + b"--x\r\n" * 500_000,
    "21 KB of On": b"Subject: x\r\n\r\n" + b"On " * 7_000,
    "lines of On": b"Subject: x\r\n\r\n" + b"On \n" * 100_000,
    "a million quote marks": b"Subject: x\r\n\r\n" + b">" * 1_000_000,
    "a million empty lines": b"Subject: x\r\n\r\n" + b"\n" * 1_000_000,
    "lines of quote marks": b"Subject: x\r\n\r\n" + b">\n" * 300_000,
    "blanks": b"Subject: x\r\n\r\n" + b" " * 1_000_000,
    "files that never end": b"Subject: x\r\n\r\n" + b"begin 644 x\n" * 50_000,
    "flowed": b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"a \n" * 300_000,
    "markup in markup": MARKUP + b"<div>" * 200_000,
    "quotes in quotes": MARKUP + b"<blockquote>x" * 50_000,
    "brackets": MARKUP + b"<" * 1_000_000,
    "zeros in TNEF": TNEF + b"\0" * 5_000_000,
    "nameless files in TNEF": TNEF + b"\2\x02\x90\0\0\0\0\0\0\0\0" * 100_000,
    "NUL": b"\0" * 1_000_000,
    "carriage returns": b"Subject: x\n" + b"\r" * 1_000_000,
    "From lines": b"From x\n" * 200_000,
    "padding": b"Content-Type: x/y\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"A=\n" * 500_000,
    "plus signs in UTF-7": b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + b"+" * 1_000_000,
    "every octet": b"Content-Type: text/plain\r\n\r\n" + bytes(range(256)) * 8_000,
}


@pytest.mark.parametrize("octets", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_read_in_bounded_time(octets: bytes) -> None:
    started = time.process_time()
    parsed = parse(octets)
    assert time.process_time() - started < SECONDS
    assert not any(defect.startswith("parser:") for defect in parsed.defects)
    assert len(parsed.attachments) <= attachments.MAX_ATTACHMENTS


@pytest.mark.long
@pytest.mark.parametrize(
    "line", [b"a" * 76, b"\n", b"> x", b"--b", b"On Monday X wrote:", b"From: a@b", b"<p>", b"\xff" * 50], ids=repr
)
def test_the_largest_message_of_any_line_is_read_in_bounded_time(line: bytes) -> None:
    octets = MIXED + b"--b\r\n\r\n" + line + b"\n" + (line + b"\n") * ((limits.MAX_MESSAGE_OCTETS - 100) // (len(line) + 1))
    started = time.process_time()
    parse(octets)
    assert time.process_time() - started < SECONDS
