"""The engine of `listener parse`: files and folders in, one JSON object a line out, in order, with all cores.

Every message is parsed in a killable worker, so each gives a line within its deadline, however hostile; a worker that had to
be killed gives a line whose `defects` say so. Folders are walked in sorted order; `-` is standard input. A progress bar is
drawn on standard error where that is a terminal.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import BinaryIO, TextIO

from ..errors import MessageFailure
from ..message import InboundMessage, Trust, unreadable
from ..message.tree import MAX_MESSAGE_OCTETS
from .protocol import Answer
from .worker import Worker

STANDARD_INPUT = "-"
AHEAD = 16  # messages per worker that may be parsed before the one whose turn it is to be printed


def parse_paths(
    paths: Sequence[str],
    attachments: Path | None = None,
    *,
    trust: Trust = Trust(),  # noqa: B008 (frozen)
    out: TextIO | None = None,
    standard_input: BinaryIO | None = None,
    progress: bool | None = None,
    workers: int | None = None,
) -> int:
    """Print every message of `paths`; write its attachments into the folder `attachments`, if given, named by SHA-256.

    `trust`: what the account says whose mail it is; nobody's word counts otherwise.

    Returns the exit code: 0, or 1 when a path could not be read (its line says why).
    """
    out = out or sys.stdout
    command = _Command(attachments, trust, standard_input or sys.stdin.buffer, workers or os.cpu_count() or 1)
    progress = sys.stderr.isatty() if progress is None else progress
    try:
        for line in _shown(command.lines(_files(paths)), progress):
            out.write(line + "\n")
        out.flush()
    except BrokenPipeError:  # the reader of our output had enough: `listener parse … | head`
        return 1
    finally:
        command.close()
    return 1 if command.unreadable else 0


def _files(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        if path == STANDARD_INPUT or not os.path.isdir(path):
            yield path
            continue
        for folder, folders, names in os.walk(path):
            folders.sort()
            yield from (os.path.join(folder, name) for name in sorted(names))


def _shown(lines: Iterator[str], progress: bool) -> Iterator[str]:
    if not progress:
        yield from lines
        return
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), "{task.description}", MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("messages parsed", total=None)
        for line in lines:
            bar.advance(task)
            yield line


class _Command:
    """The threads, each with its own worker, and what went wrong."""

    def __init__(self, attachments: Path | None, trust: Trust, standard_input: BinaryIO, workers: int) -> None:
        self.unreadable = False
        self._attachments, self._trust, self._input = attachments, trust, standard_input
        self._ahead = workers * AHEAD
        self._threads = ThreadPoolExecutor(workers, "parse")
        self._workers = [Worker() for _ in range(workers)]
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._workers:
            self._idle.put(worker)
        if attachments:
            attachments.mkdir(parents=True, exist_ok=True)

    def lines(self, files: Iterable[str]) -> Iterator[str]:
        """A line for every file, in the files' order."""
        waiting: deque[Future[str]] = deque()
        for file in files:
            waiting.append(self._threads.submit(self._line, file))
            if len(waiting) >= self._ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    def close(self) -> None:
        self._threads.shutdown(cancel_futures=True)
        for worker in self._workers:
            worker.kill()

    def _line(self, path: str) -> str:
        try:
            octets = self._octets(path)
        except OSError as error:
            self.unreadable = True
            return _with_path(_json(unreadable(b"", f"cannot be read: {error.strerror or error}")), path)
        worker = self._idle.get()
        try:
            answer = worker.ask(octets, self._trust, contents=self._attachments is not None)
        except MessageFailure as failure:
            return _with_path(_json(unreadable(octets, f"{failure.reason}: {failure}")), path)
        finally:
            self._idle.put(worker)
        if self._attachments:
            _save(self._attachments, answer)
        return _with_path(answer.json.decode("ascii"), path)

    def _octets(self, path: str) -> bytes:
        with ExitStack() as stack:
            file = self._input if path == STANDARD_INPUT else stack.enter_context(open(path, "rb"))
            return file.read(MAX_MESSAGE_OCTETS + 1)


def _json(message: InboundMessage) -> str:
    return json.dumps(message.as_json())


def _with_path(body: str, path: str) -> str:
    """The object with the key `path`, without reading a large object again."""
    return f'{body[:-1]}, "path": {json.dumps(path)}}}'


def _save(folder: Path, answer: Answer) -> None:
    """Every attachment under its digest, whatever name it claims (R-70)."""
    position = 0
    for attachment in json.loads(answer.json)["attachments"]:
        octets = answer.contents[position : position + attachment["size"]]
        position += attachment["size"]
        target = folder / hashlib.sha256(octets).hexdigest()
        if not target.exists():
            target.write_bytes(octets)
