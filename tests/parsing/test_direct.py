"""What is read on the event loop itself is bounded by counted work, not by a clock: the rest never stalls another account."""

from __future__ import annotations

import threading

import pytest

from listener import parsing
from listener.message import Trust, parse_quickly
from listener.parsing import DIRECT_LINES, DIRECT_MARKS, DIRECT_OCTETS, Parser

HEAD = b"From: a@example.net\n\n"


def with_marks(count: int) -> bytes:
    return HEAD + b"<" * (count - HEAD.count(b"@") - HEAD.count(b":"))


def with_lines(count: int) -> bytes:
    return HEAD + b"x\n" * (count - HEAD.count(b"\n"))


def with_octets(count: int) -> bytes:
    return HEAD + b"x" * (count - len(HEAD))


@pytest.mark.parametrize(
    ("made", "most"), [(with_octets, DIRECT_OCTETS), (with_lines, DIRECT_LINES), (with_marks, DIRECT_MARKS)]
)
async def test_one_octet_line_or_mark_too_many_leaves_the_event_loop(made, most, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[bool] = []

    def watched(octets: bytes, trust: Trust):
        threads.append(threading.current_thread() is threading.main_thread())
        return parse_quickly(octets, trust)

    monkeypatch.setattr(parsing, "parse_quickly", watched)
    parser = Parser(workers=1)
    for count in (most - 1, most, most + 1):
        await parser.parse(made(count), Trust())
    await parser.close()
    assert threads == [True, True, False]


async def test_an_ordinary_short_mail_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fields = b"".join(b"Received: from a (b [192.0.2.1]) by c (d) with ESMTPS id %d; date\n" % n for n in range(6))
    octets = (
        fields
        + b"To: Support <s@example.com>\nDKIM-Signature: v=1; a=rsa-sha256; d=example.net; b=abc\n"
        + HEAD
        + b"Hello\n" * 40
    )
    monkeypatch.setattr(parsing.ThreadPoolExecutor, "submit", None)  # nothing may be handed over
    parser = Parser(workers=1)
    assert (await parser.parse(octets, Trust())).text.startswith("Hello")
