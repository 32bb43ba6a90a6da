"""How many ordinary messages a second `parse_quickly` understands, beside Python's own parser in the same run.

    .venv/bin/python bench/parse.py [--seconds N]

The peer is `email` with `policy.default`, asked for no more than we give: subject, date, addresses, references, body text
and the name, size and digest of every attachment. One core, one thread, processor time. The messages are written here: plain
text with the header of a real delivery, text beside HTML, HTML alone, a quoted reply, and a message with a 30 KB attachment,
each as many people would send it: no two of a kind have the same sender, subject, ids, boundary or text, so that nothing kept
from one message serves the next.

The two take turns, a short one each, and what counts is the median of what each pair of turns says: a machine that is faster
or slower for a while is so for both. (The best turn of each, taken alone, made any figure between 7.8 and 11 of one program.)
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import cycle

from listener.message import parse_quickly

TURN = 0.05  # seconds
SENDERS = 100  # of each kind of message
TARGET = 10.0  # times the speed of the standard library, over the whole mix

_TRACE = b"".join(
    b"Received: from mx%d.example.net (mx%d.example.net [192.0.2.%d])\r\n"
    b"\tby mail.example.com (Postfix) with ESMTPS id 4BX%dabc\r\n"
    b"\tfor <support@example.com>; Sun, 22 Nov 2026 09:5%d:12 +0000 (UTC)\r\n" % (n, n, n, n, n)
    for n in range(4)
) + (
    b"Authentication-Results: mx.example.com; dkim=pass header.d=example.net; spf=pass; dmarc=pass header.from=example.net\r\n"
    b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=example.net; s=k1;\r\n\th=from:to:subject:date:message-id;\r\n"
    b"\tbh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n\tb=" + b"Zm9vYmFyYmF6" * 20 + b"\r\n"
    b"X-Mailer: Example 1.0\r\nX-Spam-Status: No, score=-1.9\r\nMIME-Version: 1.0\r\n"
)
_HEAD = (
    b"Return-Path: <anna@example.net>\r\n" + _TRACE + b"From: =?utf-8?Q?Anna_M=C3=BCller?= <anna@example.net>\r\n"
    b'To: "Support, Example" <support@example.com>, Second Person <second@example.com>\r\nCc: third@example.com\r\n'
    b"Subject: =?utf-8?B?RnJhZ2UgenUgbWVpbmVyIEJlc3RlbGx1bmc=?= 12345\r\nDate: Sun, 22 Nov 2026 10:00:00 +0100\r\n"
    b"Message-ID: <20261122100000.12345@example.net>\r\nReferences: <one@example.com> <two@example.com>\r\n"
    b"In-Reply-To: <two@example.com>\r\n"
)
_LETTER = b"Hello,\r\n\r\nmy order has not arrived yet. Could you have a look?\r\n\r\nBest regards\r\nAnna\r\n" * 3
_QUOTED = _LETTER + b"\r\nOn Fri, 20 Nov 2026 at 09:00, Support wrote:\r\n" + b"> We have sent it today.\r\n> Regards\r\n" * 10
_HTML = (
    b"<html><head><style>p{color:red}</style></head><body>"
    + b"<p>Hello, <b>my order</b> has not arrived.<br>Best&nbsp;regards</p>\r\n" * 10
    + b"</body></html>"
)


def _part(kind: bytes, body: bytes, extra: bytes = b"") -> bytes:
    return b"Content-Type: " + kind + b"\r\n" + extra + b"\r\n" + body


def _multipart(kind: bytes, *parts: bytes) -> bytes:
    inner = b"".join(b"--b0undary\r\n" + part + b"\r\n" for part in parts) + b"--b0undary--\r\n"
    return _part(b"multipart/" + kind + b'; boundary="b0undary"', inner)


def messages(sender: int = 0) -> dict[str, bytes]:
    """The mix as one of the senders writes it, by name."""
    return {name: _written_by(sender, octets) for name, octets in _templates().items()}


def _written_by(sender: int, octets: bytes) -> bytes:
    """The same message with another name, address, subject, boundary and ids, and a line of its own in the text."""
    name, number = f"Änne Müller-{sender:02}".encode(), f"{sender:02}".encode()
    subject = base64.b64encode(f"Frage {sender:02} zu meiner Bestellung".encode())
    octets = octets.replace(b"=?utf-8?Q?Anna_M=C3=BCller?=", b"=?utf-8?B?" + base64.b64encode(name) + b"?=")
    octets = octets.replace(b"RnJhZ2UgenUgbWVpbmVyIEJlc3RlbGx1bmc=", subject).replace(b"anna@", b"anna" + number + b"@")
    octets = octets.replace(b"b0undary", b"b0undary" + number).replace(b"12345", b"123" + number)
    return octets.replace(b"my order", b"my order " + number, 1)


def _templates() -> dict[str, bytes]:
    plain, markup = b'text/plain; charset="utf-8"', b"text/html; charset=utf-8"
    file = base64.encodebytes(bytes(range(256)) * 120).replace(b"\n", b"\r\n")
    attached = b'Content-Disposition: attachment; filename="invoice.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
    return {
        "plain": _HEAD + _part(plain, _LETTER),
        "reply": _HEAD + _part(plain, _QUOTED),
        "alternative": _HEAD + _multipart(b"alternative", _part(plain, _QUOTED), _part(markup, _HTML)),
        "html": _HEAD + _part(markup, _HTML),
        "attachment": _HEAD + _multipart(b"mixed", _part(plain, _LETTER), _part(b"application/pdf", file, attached)),
    }


def with_standard_library(octets: bytes) -> object:
    """The same questions, answered by `email`."""
    message = message_from_bytes(octets, _class=EmailMessage, policy=policy.default)
    head = [str(message[name] or "") for name in ("subject", "date", "message-id", "references", "in-reply-to")]
    people = [
        [(a.display_name, a.addr_spec) for a in message[name].addresses] for name in ("from", "to", "cc") if message[name]
    ]
    body = message.get_body(("plain", "html"))
    text = body.get_content() if body else ""
    contents = [(part.get_filename(), part.get_payload(decode=True)) for part in message.iter_attachments()]
    return head, people, text, [(name, len(octets), hashlib.sha256(octets).hexdigest()) for name, octets in contents]


def rate(reader: Callable[[bytes], object], mixes: Iterator[Sequence[bytes]]) -> float:
    """Messages a second in one turn."""
    read, started = 0, time.process_time()
    while (spent := time.process_time() - started) < TURN:
        for octets in (mix := next(mixes)):
            reader(octets)
        read += len(mix)
    return read / spent


def compare(mixes: Sequence[Sequence[bytes]], seconds: float) -> tuple[float, float, float]:
    """Messages a second, ours and the standard library's, and how many times faster ours is: medians of all turns."""
    for_us, for_them = cycle(mixes), cycle(mixes)
    turns = max(3, round(seconds / TURN))
    pairs = [(rate(parse_quickly, for_us), rate(with_standard_library, for_them)) for _ in range(turns)]
    ours, theirs = zip(*pairs, strict=True)
    return statistics.median(ours), statistics.median(theirs), statistics.median(one / other for one, other in pairs)


def main() -> int:
    """Print a row for each kind and for the mix; exit 1 when the mix is below the target."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=2.0, help="processor time of each side for each row")
    seconds = arguments.parse_args().seconds
    senders = [messages(number) for number in range(SENDERS)]
    rows = {name: [[kinds[name]] for kinds in senders] for name in senders[0]}
    print(f"{'':12} {'octets':>8} {'listener/s':>12} {'stdlib/s':>10} {'times':>7}")
    for name, mixes in {**rows, "all": [list(kinds.values()) for kinds in senders]}.items():
        ours, theirs, times = compare(mixes, seconds)
        print(f"{name:12} {sum(map(len, mixes[0])) // len(mixes[0]):8} {ours:12.0f} {theirs:10.0f} {times:7.1f}")
    return 0 if times >= TARGET else 1


if __name__ == "__main__":
    raise SystemExit(main())
