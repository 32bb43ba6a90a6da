"""Fuzz targets for everything that reads a message: nothing but a result may come out, in bounded time.

    python tests/fuzz/fuzz_message.py message [-max_total_time=600] [corpus…]

With atheris installed (`pip install atheris`) libFuzzer drives the target, coverage-guided, with its own options; without
it the same targets run on random mutations of the seeds for as long as asked. A finding is an exception; libFuzzer writes its
input to a file.
"""

from __future__ import annotations

import importlib.util
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
sys.path.insert(0, str(Path(__file__).parent.parent.parent))

SECONDS = 5.0  # of processor time for one input
SEEDS = [
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b\r\nContent-Type: text/html\r\n\r\n<p>y\r\n--b--\r\n",
    b"Subject: =?utf-8?B?eA==?=\r\nContent-Type: text/plain; charset=gb2312\r\n\r\nOn Sunday X wrote:\r\n> y\r\n-- \r\nz\r\n",
    b"Content-Type: application/ms-tnef\r\n\r\n\x78\x9f\x3e\x22\x01\x00\x02\x02\x90\x06\x00\x00\x00\x00\x00\x00\x00",
    b"Authentication-Results: mx.example.com; dmarc=pass (p=none) header.from=example.net\r\nReceived: from a by b\r\n\r\n",
    b"Content-Type: multipart/report; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n",
    b'BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY;X="y":z\nDTSTART;TZID=A:20261122T100000\nEND:VEVENT\nEND:VCALENDAR\n',
    b"BEGIN:VCARD\nFN:x\nTEL:1\nitem1.EMAIL;ENCODING=QUOTED-PRINTABLE;CHARSET=x:a=40b\nEND:VCARD\n",
    b"\xa0\x80\x24\x80\x04\x04abcd\x24\x04\x04\x02ef\x04\x01g\x00\x00\x00\x00\x00\x00",
]
PIECES = [
    b"\r\n",
    b"--b",
    b"=?utf-8?Q?",
    b"?=",
    b'"',
    b"<",
    b">",
    b"(",
    b";",
    b"\0",
    b"Content-Transfer-Encoding: base64\r\n",
    b"\xff",
    b"\x24\x80",
    b"BEGIN:VEVENT\n",
    b"&#",
]


def message(octets: bytes) -> None:
    from listener.message import InboundMessage, Trust, parse

    parsed = parse(octets, Trust(authserv_id="mx.example.com"))
    assert not any(defect.startswith("parser:") for defect in parsed.defects), parsed.defects
    assert InboundMessage.from_json(parsed.as_json()) == parsed


def body(octets: bytes) -> None:
    """The same input as a body, so that the reply reader sees all of it."""
    message(b"From: a@b\r\nSubject: Re: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + octets)


def markup(octets: bytes) -> None:
    from listener.message.safe_html import safe_html

    message(b"From: a@b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + octets)
    assert "<script" not in safe_html(octets.decode("utf-8", "replace")).lower()


def classifier(octets: bytes) -> None:
    """The same input as a stranger's header, and as a delivery report."""
    message(b"From: a@b\r\nReturn-Path: <a@b>\r\n" + octets)
    head = (
        b"From: mailer-daemon@b\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\n"
    )
    message(head + octets + b"\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; b\r\n\r\n" + octets)


def results(octets: bytes) -> None:
    """The same input as Authentication-Results."""
    message(b"From: a@b\r\nAuthentication-Results: mx.example.com; " + octets.replace(b"\n", b"\n ") + b"\r\n\r\nx")


def enclosed(octets: bytes) -> None:
    """The same input as a calendar and as a business card beside a text."""
    parts = (b"--b\r\nContent-Type: text/" + kind + b"\r\n\r\n" + octets for kind in (b"plain", b"calendar", b"vcard"))
    message(b"From: a@b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"\r\n".join(parts))


def wrapped(octets: bytes) -> None:
    """The same input as a signature that wraps a letter, and as what stands behind its beginning."""
    head = b"\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x80\x30\x80\x02\x01\x01\x31\x00\x30\x80\x06\x01\x2a"
    for signature in (octets, head + octets, head + b"\xa0\x80\x24\x80\x04" + octets):
        message(b"From: a@b\r\nContent-Type: application/pkcs7-mime\r\n\r\n" + signature)


def filename(octets: bytes) -> None:
    from listener.message.filenames import MAX_OCTETS, safe

    name = safe(octets.decode("utf-8", "surrogateescape"))
    assert 0 < len(name.encode()) <= MAX_OCTETS
    assert not set(name) & set("/\\\0\r\n:")
    assert name[0] != "."


TARGETS: dict[str, Callable[[bytes], None]] = {
    "message": message,
    "body": body,
    "markup": markup,
    "classifier": classifier,
    "results": results,
    "enclosed": enclosed,
    "wrapped": wrapped,
    "filename": filename,
}


def timed(target: Callable[[bytes], None]) -> Callable[[bytes], None]:
    def run(octets: bytes) -> None:
        started = time.process_time()
        target(octets)
        assert time.process_time() - started < SECONDS, "took too long"

    return run


def mutated(chance: random.Random) -> bytes:
    octets = chance.choice(SEEDS)
    for _ in range(chance.randrange(12)):
        at, cut = chance.randrange(len(octets) + 1), chance.randrange(30)
        insert = chance.choice(PIECES) if chance.random() < 0.7 else chance.randbytes(chance.randrange(12))
        octets = octets[:at] + insert * chance.choice((1, 1, 1, 50)) + octets[at + cut :]
    return octets


def run_randomly(target: Callable[[bytes], None], seconds: float, seed: int) -> int:
    """How many inputs were tried; a finding names the seed and the number of the input."""
    chance, until, tried = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < until:
        octets, tried = mutated(chance), tried + 1
        try:
            timed(target)(octets)
        except Exception as error:
            raise AssertionError(f"seed {seed}, input {tried}: {octets!r}") from error
    return tried


def main() -> None:
    target = TARGETS[sys.argv.pop(1)]
    if importlib.util.find_spec("atheris") is None:
        seconds = next((float(a.partition("=")[2]) for a in sys.argv if a.startswith("-max_total_time=")), 60.0)
        print(run_randomly(target, seconds, seed=random.SystemRandom().randrange(2**32)), "inputs, nothing found")
        return
    import atheris

    with atheris.instrument_imports(include=["listener"]):
        import listener.message
        import listener.message.html  # noqa: F401  (instrumented on import)
    with tempfile.TemporaryDirectory() as seeds:
        for number, octets in enumerate(SEEDS):
            Path(seeds, f"{number}").write_bytes(octets)
        atheris.Setup([*sys.argv, seeds], timed(target))
        atheris.Fuzz()


if __name__ == "__main__":
    main()
