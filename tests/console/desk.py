"""Somebody at the console: a page, what was amiss in it, and the mail that there is to see."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import Any

from dovecot.mail import message

from listener.testing import sample, sample_names

SUPPORT = """
[[accounts]]
id = "support"
name = "Customer support"
address = "support@example.com"
start = "all"
[accounts.receiver]
host = "localhost"
port = {port}
user = "support"
password_file = "password"
truststore_file = "{ca}"

[[accounts]]
id = "orders"
name = "Orders"
address = "orders@example.com"
start = "all"
hooks = ["command:archive"]
[accounts.receiver]
host = "localhost"
port = {port}
user = "orders"
password_file = "password"
truststore_file = "{ca}"
[accounts.sender]
host = "localhost"
port = 1
user = "orders"
password_file = "password"
[accounts.reply]
to = "verified"
"""
EXPECTED = 15
"""Messages that these accounts have at first."""


class Desk:
    """A browser's page at the console."""

    def __init__(self, daemon: Any, context: Any, page: Any) -> None:
        self.daemon, self.context, self.page = daemon, context, page
        self.amiss: list[str] = []
        self.foreign: list[str] = []
        self.base = ""
        context.on("console", self._said)
        context.on("weberror", lambda error: self.amiss.append(f"error: {error.error}"))
        context.on("request", self._asked)

    def _said(self, said: Any) -> None:
        if said.type in ("warning", "error"):
            self.amiss.append(f"{said.type}: {said.text} ({said.location.get('url', '')})")

    def _asked(self, request: Any) -> None:
        host = request.url.split("/")[2] if request.url.startswith("http") else ""
        if host and not host.startswith("127.0.0.1:"):
            self.foreign.append(request.url)

    async def open(self, path: str) -> Any:
        """Go there; the answer."""
        answer = await self.page.goto(path)
        return answer

    async def text(self, selector: str = "main") -> str:
        return str(await self.page.inner_text(selector))


def deliver_samples(dovecot: Any) -> None:
    """What the accounts of `SUPPORT` find."""
    dovecot.deliver("support", [sample(name) for name in sample_names()])
    dovecot.deliver(
        "support", [with_everything(), odd_sender(), message("large", body="x" * 79 + "\r\n" + ("y" * 78 + "\r\n") * 3000)]
    )
    dovecot.deliver(
        "orders", [message("order1", subject="Order 4711: two chairs"), message("order2", subject="Order 4712: a table")]
    )


def mail(subject: str, body: str, *, sender: str = "Ida Berg <ida.berg@example.org>", id: str, more: str = "") -> bytes:
    """One plain message of ours."""
    head = f"From: {sender}\r\nTo: support@example.com\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
    rest = f"Message-ID: <{id}@example.org>\r\n{more}MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
    return f"{head}{rest}\r\n{body}\r\n".encode()


def picture(width: int = 64, height: int = 24) -> bytes:
    """A small PNG."""
    rows = b"".join(
        b"\0" + bytes((40 + 2 * x, 90, 200 - 3 * y)[i] for x in range(width) for i in range(3)) for y in range(height)
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in (
            (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            (b"IDAT", zlib.compress(rows)),
            (b"IEND", b""),
        )
    )


def with_everything() -> bytes:
    """HTML with a picture of its own and one from elsewhere, and an attachment."""
    html = (
        "<html><body><h2>Delivery note</h2><p>Dear support,</p><p>the <b>blue</b> chair is missing:</p>"
        '<p><img src="cid:logo" alt="Logo">'
        '<img src="http://pixel.example.net/open.gif" width="1" height="1" alt=""></p>'
        '<table border="1"><tr><td>Chair, blue</td><td>2</td></tr></table><p>Yours, Ida Berg</p></body></html>'
    )
    inner = (
        "--a\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n"
        f"{html}\r\n--b\r\nContent-Type: image/png\r\nContent-ID: <logo>\r\nContent-Disposition: inline; filename=logo.png\r\n"
        f"Content-Transfer-Encoding: base64\r\n\r\n{base64.encodebytes(picture()).decode()}\r\n--b--\r\n"
        "--a\r\nContent-Type: text/csv\r\nContent-Disposition: attachment; filename=delivery.csv\r\n\r\n"
        "item;count\r\nchair, blue;2\r\n--a--\r\n"
    )
    head = (
        "From: Ida Berg <ida.berg@example.org>\r\nTo: support@example.com\r\n"
        "Subject: Delivery note 4711, a chair is missing\r\n"
        "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <everything@example.org>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    )
    return (head + inner).encode()


def odd_sender() -> bytes:
    """A name that shows another address, and replies that go elsewhere."""
    sender, elsewhere = '"ceo@example.com" <someone@example.net>', "Reply-To: collect@example.biz\r\n"
    return mail("Urgent: change of bank account", "Please answer quickly.", sender=sender, more=elsewhere, id="odd")
