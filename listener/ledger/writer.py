"""The one thread that writes: queued operations, committed in groups, answered after the commit returned.

An operation is a function over a `Transaction`. All that wait in the queue go into one BEGIN IMMEDIATE … COMMIT, so that one
fsync serves them all; each has its own SAVEPOINT, so that one that raises takes nothing of the others with it.

Rules of the file
1. A future is resolved only after COMMIT returned; a cancelled caller loses the answer, never half a commit.
2. Every transaction first checks the fence: our epoch is still the ledger's, and our file is still the one of that name.
3. Storage trouble rolls the whole group back. When it may pass (LedgerFull), the operations are tried once more one by one,
   so that one page too many does not stop the small ones. When it may not (LedgerFailed, FenceLost), nothing is ever
   written again by this object.
4. Checkpoints are ours: a failed fsync in one is as fatal as in a commit.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from ..errors import FenceLost, LedgerError, LedgerFailed, LedgerFull
from . import faults

T = TypeVar("T")

GROUP_OPERATIONS = 64
GROUP_OCTETS = 64 * 1024 * 1024
CHECKPOINT_OCTETS = 16 * 1024 * 1024
COMMIT_OCTETS = 128 * 1024
"""What a commit without mail is counted as, towards the next checkpoint."""

_EPOCH = "SELECT epoch FROM fences WHERE name = 'ledger'"
_RAISE_EPOCH = "UPDATE fences SET epoch = epoch + 1 WHERE name = 'ledger' RETURNING epoch"


@dataclass(frozen=True, slots=True)
class Transaction:
    """What an operation works with. `now` is POSIX seconds, the same for the whole operation."""

    connection: sqlite3.Connection
    now: float
    epoch: int


@dataclass(slots=True, eq=False)
class _Operation:
    run: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    octets: int
    wakes: bool
    result: Any = None
    error: Exception | None = None


class Writer:
    """Owns the writing connection from `start` to `stop`."""

    def __init__(self, connection: sqlite3.Connection, path: Path, now: Callable[[], float], work: asyncio.Event) -> None:
        self._connection, self._path, self._now, self._work = connection, path, now, work
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[list[_Operation] | None] = queue.SimpleQueue()
        self._gathered: list[_Operation] = []
        self._thread = threading.Thread(target=self._serve, name="ledger-writer", daemon=True)
        self._failure: LedgerError | None = None
        self._closed = False
        self._outstanding = 0
        self._progress = time.monotonic()
        self._unchecked = 0
        self._file = os.stat(path)
        self.writable = True
        self.epoch = 0
        self.took: Callable[[float], None] = lambda seconds: None

    def start(self) -> None:
        """Take a new epoch, committed before anything else, and begin. Blocks. Raises LedgerFull or LedgerFailed."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self.epoch = self._connection.execute(_RAISE_EPOCH).fetchone()[0]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise faults.explain(error, self._path) from error
        self._thread.start()

    def finish(self) -> None:
        """Take nothing more; what was asked for before is still committed. On the event loop, before `stop`."""
        self._closed = True
        self._hand_over()
        self._queue.put(None)

    def stop(self) -> None:
        """Wait for the thread's end, checkpoint, close. Blocks. Never raises for the storage."""
        self._thread.join()
        if self._failure is None:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        self._connection.close()

    @property
    def last_progress(self) -> float:
        """Monotonic time when the thread was last seen to move; now, when nothing waits for it."""
        return self._progress if self._outstanding else time.monotonic()

    def check(self) -> None:
        """Raises what this ledger failed of, if it did."""
        if self._failure is not None:
            raise _again(self._failure)
        if self._closed:
            raise LedgerError("the ledger is closed")

    async def submit(self, run: Callable[[Transaction], T], *, octets: int = 0, wakes: bool = False) -> T:
        """Have `run` committed; its result after the commit. `wakes`: it may have made work due."""
        self.check()
        if not self._outstanding:
            self._progress = time.monotonic()
        self._outstanding += 1
        future: asyncio.Future[T] = self._loop.create_future()
        future.add_done_callback(_seen)
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        self._gathered.append(_Operation(run, future, octets, wakes))
        return await asyncio.shield(future)

    def _hand_over(self) -> None:
        """What one turn of the event loop asked for goes into one group, rather than its first alone."""
        gathered, self._gathered = self._gathered, []
        self._queue.put(gathered)

    # --- on the writer's thread --------------------------------------------------------------------------------------

    def _serve(self) -> None:
        going = True
        while going:
            group, going = self._take()
            self._progress = time.monotonic()
            if group:
                began = time.monotonic()
                self._commit(group)
                self.took(time.monotonic() - began)
                with contextlib.suppress(RuntimeError):  # the loop is gone, and with it everyone who waited
                    self._loop.call_soon_threadsafe(self._answer, group)
                self._checkpoint()

    def _take(self) -> tuple[list[_Operation], bool]:
        """Everything that waits, up to the group's bounds; waits for the first. False: it was the last."""
        group: list[_Operation] = []
        gathered = self._queue.get()
        while gathered is not None:
            group += gathered
            if len(group) >= GROUP_OPERATIONS or sum(operation.octets for operation in group) >= GROUP_OCTETS:
                return group, True
            try:
                gathered = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _commit(self, group: Sequence[_Operation]) -> None:
        trouble = self._failure or self._attempt(group)
        if trouble is None:
            self.writable = True
            return
        self.writable = False
        if not isinstance(trouble, LedgerFull):
            self._failure = trouble
        elif len(group) > 1:
            for operation in group:
                self._commit([operation])
            return
        for operation in group:
            operation.error = _again(trouble)

    def _attempt(self, group: Sequence[_Operation]) -> LedgerError | None:
        """One transaction; what was wrong with the storage or the fence, if anything."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            self._check_fence()
            for operation in group:
                self._run(operation)
            self._connection.execute("COMMIT")
        except FenceLost as lost:
            self._roll_back()
            return lost
        except sqlite3.Error as error:
            self._roll_back()
            return faults.explain(error, self._path)
        except Exception as error:
            self._roll_back()
            return LedgerFailed(f"the writer of {self._path} failed: {error!r}")
        self._unchecked += COMMIT_OCTETS + sum(operation.octets for operation in group)
        return None

    def _check_fence(self) -> None:
        (epoch,) = self._connection.execute(_EPOCH).fetchone()
        if epoch != self.epoch:
            raise FenceLost(f"{self._path} has a newer owner (epoch {epoch}, ours was {self.epoch}); this one stops writing")
        try:
            there = os.stat(self._path)
        except OSError:
            there = None
        if there is None or not os.path.samestat(there, self._file):
            raise FenceLost(f"{self._path} was moved or replaced while it was open; this one stops writing")

    def _run(self, operation: _Operation) -> None:
        self._connection.execute("SAVEPOINT operation")
        operation.error = None
        try:
            operation.result = operation.run(Transaction(self._connection, self._now(), self.epoch))
        except Exception as error:
            if isinstance(error, sqlite3.Error) and faults.of_storage(error):
                raise
            operation.error = error
            self._connection.execute("ROLLBACK TO operation")
        self._connection.execute("RELEASE operation")

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # SQLite rolls some of them back by itself
            self._connection.execute("ROLLBACK")

    def _checkpoint(self) -> None:
        if self._unchecked < CHECKPOINT_OCTETS or self._failure is not None:
            return
        self._unchecked = 0
        try:
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        except sqlite3.Error as error:
            trouble = faults.explain(error, self._path)
            if not isinstance(trouble, LedgerFull):  # full: the commits are safe in the WAL, the next one will tell
                self._failure, self.writable = trouble, False

    # --- on the event loop -------------------------------------------------------------------------------------------

    def _answer(self, group: Sequence[_Operation]) -> None:
        self._outstanding -= len(group)
        for operation in group:
            if operation.future.done():
                continue
            if operation.error is not None:
                operation.future.set_exception(operation.error)
            else:
                operation.future.set_result(operation.result)
        if any(operation.wakes and operation.error is None for operation in group):
            self._work.set()


def _seen(future: asyncio.Future[Any]) -> None:
    """Whoever was cancelled while waiting does not want the answer; nobody need warn about it."""
    if not future.cancelled():
        future.exception()


def _again(trouble: LedgerError) -> LedgerError:
    """A fresh one for each who waits: a raised exception carries its own traceback."""
    return type(trouble)(*trouble.args)
