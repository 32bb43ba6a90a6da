"""One killable parse worker, from its owner's side: start, ask with a deadline, kill (R-64, R-67).

Blocking, for use from a thread: `Parser` gives each of its threads one, and so does the `parse` command. A worker that
was too slow, died or answered nonsense is killed; the next question starts a new one. Nothing is forked (the child is
started by exec from a clean environment), so it works in a threaded daemon and in a systemd sandbox.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from ..errors import ParseCrash, ParseTimeout
from ..message import InboundMessage, Trust
from . import protocol

DEADLINE = 10.0
"""Seconds of wall clock for one message."""
MEMORY = 6 * 50 * 1024 * 1024 + 256 * 1024 * 1024
"""Octets of address space (R-64: six times the largest message and 256 MiB)."""
MESSAGES_PER_PROCESS = 2_000
"""After so many a worker is replaced, so that no leak of a library can grow."""
_PIECE = 1 << 20
_ROOT = str(Path(__file__).resolve().parents[2])


class Worker:
    """At most one child process; not for use by two threads at once."""

    def __init__(self, *, deadline: float = DEADLINE, memory: int = MEMORY) -> None:
        self._deadline, self._memory = deadline, memory
        self._process: subprocess.Popen[bytes] | None = None
        self._parsed = 0

    @property
    def pid(self) -> int | None:
        """The child's process id while there is one."""
        return self._process.pid if self._process else None

    def parse(self, octets: bytes, trust: Trust, keys: Mapping[str, str] | None = None) -> InboundMessage:
        """The message, understood in the child; with DKIM `keys` by name its signatures too. Raises as `ask` does."""
        try:
            return self.ask(octets, trust, keys=keys).message()
        except (KeyError, TypeError, ValueError) as error:
            self.kill()
            raise ParseCrash(f"the parse worker answered nonsense ({type(error).__name__})") from None

    def ask(
        self, octets: bytes, trust: Trust, *, contents: bool = False, keys: Mapping[str, str] | None = None
    ) -> protocol.Answer:
        """The child's answer as it came.

        Raises ParseTimeout after the deadline, ParseCrash when the child died or answered nonsense.
        """
        process = self._running()
        try:
            request = protocol.request(octets, trust, contents=contents, keys=keys)
            answer = _exchange(process, request, time.monotonic() + self._deadline)
        except TimeoutError:
            self.kill()
            raise ParseTimeout(f"not parsed within {self._deadline:g} s") from None
        except (OSError, EOFError, ValueError) as error:
            self.kill()
            raise ParseCrash(f"the parse worker died ({type(error).__name__})") from None
        self._parsed += 1
        return answer

    def interrupt(self) -> None:
        """Let a question that another thread is asking end at once, with ParseCrash. The owner cleans up with `kill`."""
        if process := self._process:
            process.kill()

    def kill(self) -> None:
        """End the child at once. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process and (self._process.poll() is not None or self._parsed >= MESSAGES_PER_PROCESS):
            self.kill()
        if not self._process:
            self._parsed = 0
            self._process = _start(self._memory, max(1, round(self._deadline)))
        return self._process


def _start(memory: int, cpu_seconds: int) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "listener.parsing.child", str(memory), str(cpu_seconds)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # a traceback of a native crash could hold mail
        env={"PYTHONPATH": _ROOT, "PATH": os.environ.get("PATH", ""), "LC_ALL": "C.UTF-8"},  # no secret of ours
        bufsize=0,
        close_fds=True,
    )
    for pipe in (process.stdin, process.stdout):
        if pipe:
            os.set_blocking(pipe.fileno(), False)
    return process


def _exchange(process: subprocess.Popen[bytes], pieces: tuple[bytes, ...], deadline: float) -> protocol.Answer:
    """Write the request, read one answer. Raises TimeoutError, EOFError, ValueError, or OSError from a broken pipe."""
    assert process.stdin
    assert process.stdout
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        for piece in pieces:
            view = memoryview(piece)
            while view:
                _wait(selector, deadline)
                view = view[os.write(process.stdin.fileno(), view[:_PIECE]) :]
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        frame = _receive(selector, process.stdout.fileno(), protocol.FRAME.size, deadline)
        json_length, contents_length = protocol.FRAME.unpack(frame)
        if json_length > protocol.MAX_JSON or contents_length > protocol.MAX_CONTENTS:
            raise ValueError("answer too long")
        body = _receive(selector, process.stdout.fileno(), json_length, deadline)
        return protocol.Answer(body, _receive(selector, process.stdout.fileno(), contents_length, deadline))


def _receive(selector: selectors.BaseSelector, descriptor: int, length: int, deadline: float) -> bytes:
    received = bytearray()
    while len(received) < length:
        _wait(selector, deadline)
        octets = os.read(descriptor, min(_PIECE, length - len(received)))
        if not octets:
            raise EOFError
        received += octets
    return bytes(received)


def _wait(selector: selectors.BaseSelector, deadline: float) -> None:
    remaining = deadline - time.monotonic()
    if remaining <= 0 or not selector.select(remaining):
        raise TimeoutError
