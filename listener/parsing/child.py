"""The parse worker itself: a process that reads one message after another from its standard input and answers in JSON.

Started by `worker.Worker` as `python -P -m listener.parsing.child MEMORY CPU`; ends at the end of its input. It limits
itself before it reads anything: address space for its life, processor time for each message (the kernel kills it), no
core dump, no file that grows. Its owner measures the wall clock and kills it from outside.
"""

from __future__ import annotations

import resource
import sys
from typing import BinaryIO

from ..message import attachment_contents, dkim, parse
from . import protocol


def main() -> None:
    """Serve until the input ends."""
    memory, cpu_seconds = int(sys.argv[1]), int(sys.argv[2])
    for limit, value in ((resource.RLIMIT_AS, memory), (resource.RLIMIT_CORE, 0), (resource.RLIMIT_FSIZE, 0)):
        _limit(limit, value)
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while len(frame := source.read(protocol.FRAME.size)) == protocol.FRAME.size:
        head_length, body_length = protocol.FRAME.unpack(frame)
        head, octets = _read(source, head_length), _read(source, body_length)
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + cpu_seconds + 1)
        for piece in _answer(head, octets):
            sink.write(piece)
        sink.flush()


def _answer(head: bytes, octets: bytes) -> list[bytes]:
    asked = protocol.read_head(head)
    message = parse(octets, asked.trust)
    if asked.keys:
        message = dkim.judged(message, octets, asked.keys)
    contents = attachment_contents(octets) if asked.contents else []
    return protocol.answer(message, contents)


def _read(source: BinaryIO, length: int) -> bytes:
    octets = source.read(length)
    if len(octets) != length:
        raise SystemExit("the request ended early")
    return octets


def _limit(limit: int, value: int) -> None:
    """Lower the soft limit. Where a sandbox forbids that, its own limits hold instead."""
    try:
        _, hard = resource.getrlimit(limit)
        resource.setrlimit(limit, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))
    except (OSError, ValueError):
        return


if __name__ == "__main__":
    main()
