"""What the benchmarks share with the tests: a private Dovecot and the real daemon."""

from __future__ import annotations

import os
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from daemon import Daemon
from dovecot.mail import account
from dovecot.server import Dovecot

__all__ = ["Daemon", "Dovecot", "account", "lab", "mail"]


@contextmanager
def lab() -> Iterator[tuple[Dovecot, Path]]:
    """A running Dovecot and an empty folder, both gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="listener-bench-") as name:
        home = Path(name)
        os.chmod(home, 0o755)
        server = Dovecot(home / "dovecot").start()
        try:
            yield server, home
        finally:
            server.stop()


def mail(count: int, size: int, first: int = 0) -> Iterator[bytes]:
    """Different messages of about `size` octets: text that no compression would flatter."""
    words = random.Random(7)
    line = "".join(words.choices("abcdefghijklmnopqrstuvwxyz     ", k=76))
    body = "\r\n".join([line] * max(1, size // 78))
    for number in range(first, first + count):
        yield (
            f"From: Customer {number} <c{number}@example.net>\r\nTo: support@example.com\r\nSubject: Question {number}\r\n"
            f"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <b{number}@example.net>\r\n\r\n"
            f"Dear people {number},\r\n{body}\r\n"
        ).encode()
