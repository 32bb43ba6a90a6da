"""What a reset asks of a header: Message-ID and the last hop's time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.protocols.pop3.headers import bare_message_id, received_time

HOP = b"Received: from a by b (x; y)\r\n\twith SMTP; Sun, 22 Nov 2026 10:00:00 +0100\r\n"
EARLIER = b"Received: from c by a; Sat, 21 Nov 2026 10:00:00 +0000\r\n"
NINE = 1_795_338_000.0


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"Message-ID: <a@b>\r\n", "a@b"),
        (b"Subject: x\r\nmessage-id:\r\n <a@b>\r\n", "a@b"),
        (b"Message-ID: a@b\r\n", None),
        (b"X-Message-ID: <a@b>\r\n", None),
        (b"Message-ID: <" + b"a" * 5000 + b">\r\n", None),
        (b"", None),
    ],
)
def test_message_id(header, expected):
    assert bare_message_id(header) == expected


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (HOP, NINE),
        (HOP + EARLIER, NINE),
        (b"Return-Path: <>\r\n" + HOP, NINE),
        (b"Received: from a by b\r\n" + HOP, None),
        (b"Received: x; not a date\r\n", None),
        (b"Received: x; 99 Foo 99999 99:99:99 +9999\r\n", None),
        (b"Date: Sun, 22 Nov 2026 10:00:00 +0100\r\n", None),
    ],
)
def test_time_of_the_last_hop(header, expected):
    assert received_time(header) == expected


@given(st.binary(max_size=300))
def test_no_header_is_too_odd(noise):
    for header in (noise, b"Received: x;" + noise, b"Message-ID: <" + noise):
        bare_message_id(header)
        received_time(header)
