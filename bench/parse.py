"""How many ordinary messages a second `parse_quickly` understands, beside Python's own parser in the same run.

    .venv/bin/python bench/parse.py [--seconds N]

The peer is `email` with `policy.default`, asked for no more than we give: subject, date, addresses, references, body text
and the name, size and digest of every attachment. One core, one thread, processor time. The messages are written here: plain
text with the header of a real delivery, text beside HTML, HTML alone, a quoted reply, and a message with a 30 KB attachment.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import time
from collections.abc import Callable, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage

from listener.message import parse_quickly

TURN = 0.05  # seconds
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


def messages() -> dict[str, bytes]:
    """The mix, by name."""
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


def rates(readers: Sequence[Callable[[bytes], object]], mix: Sequence[bytes], seconds: float) -> list[float]:
    """Messages a second for each reader: the best of many short turns, since other work on the machine only ever slows."""
    best = [0.0] * len(readers)
    for _ in range(max(3, round(seconds / TURN))):
        for number, reader in enumerate(readers):
            read, started = 0, time.process_time()
            while (spent := time.process_time() - started) < TURN:
                for octets in mix:
                    reader(octets)
                read += len(mix)
            best[number] = max(best[number], read / spent)
    return best


def main() -> int:
    """Print a row for each kind and for the mix; exit 1 when the mix is below the target."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seconds", type=float, default=1.0, help="time for each measurement")
    seconds = arguments.parse_args().seconds
    kinds = messages()
    print(f"{'':12} {'octets':>8} {'listener/s':>12} {'stdlib/s':>10} {'times':>7}")
    for name, mix in [*((name, [octets]) for name, octets in kinds.items()), ("all", list(kinds.values()))]:
        ours, theirs = rates((parse_quickly, with_standard_library), mix, seconds)
        print(f"{name:12} {sum(map(len, mix)) // len(mix):8} {ours:12.0f} {theirs:10.0f} {ours / theirs:7.1f}")
    return 0 if ours / theirs >= TARGET else 1


if __name__ == "__main__":
    raise SystemExit(main())
