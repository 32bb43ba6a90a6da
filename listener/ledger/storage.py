"""Connections to the ledger file: settings set and read back, schema brought up to date, readers lent out.

`open_writer` makes the one connection that writes; `Readers` lends read-only connections, so that a long list never waits
for a commit nor delays one (WAL). Every setting is read back, because SQLite ignores what it cannot do (R-2):

    journal_mode=WAL synchronous=FULL   an acknowledged commit survives a power loss
    page_size=16384                     a mail of ordinary size takes one or two pages
    auto_vacuum=INCREMENTAL             pruned mail gives its room back without rewriting the file
    wal_autocheckpoint=0                the writer checkpoints itself: SQLite's own would swallow a failed fsync

Raises LedgerNewer, LedgerFull, LedgerFailed, or LedgerError when a setting did not hold.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from ..errors import LedgerError, LedgerNewer
from . import faults
from .directory import sync_directory
from .sql import migrations

APPLICATION_ID = 0x4C53544E  # "LSTN"
BUSY_TIMEOUT_MS = 5_000
OLDEST_SQLITE = (3, 37, 0)  # STRICT tables
IDLE_READERS = 4
_STATEMENTS_KEPT = 256
_LAYOUT: dict[str, str | int] = {"page_size": 16_384, "auto_vacuum": 2, "application_id": APPLICATION_ID}
_WRITER: dict[str, str | int] = {
    "journal_mode": "wal",
    "synchronous": 2,
    "fullfsync": 1,  # macOS: a plain fsync does not reach the disk
    "checkpoint_fullfsync": 1,
    "foreign_keys": 1,
    "busy_timeout": BUSY_TIMEOUT_MS,
    "wal_autocheckpoint": 0,
    "journal_size_limit": 64 * 1024 * 1024,
    "cache_size": -16_384,
    "temp_store": 2,
    "trusted_schema": 0,
    "cell_size_check": 1,
}
_READER: dict[str, str | int] = {
    "query_only": 1,
    "busy_timeout": BUSY_TIMEOUT_MS,
    "cache_size": -4_096,
    "temp_store": 2,
    "trusted_schema": 0,
}


def sqlite_version() -> str:
    """Of the library that keeps the ledger."""
    return sqlite3.sqlite_version


def open_writer(path: Path) -> sqlite3.Connection:
    """The connection that writes, on a ledger of the present version."""
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise LedgerError(f"SQLite {sqlite3.sqlite_version} is too old; Listener needs 3.37 or newer")
    try:
        _create(path)
        connection = _connect(path)
        try:
            _settle(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise faults.explain(error, path) from error
    return connection


def _create(path: Path) -> None:
    """An empty file only we may read; -wal and -shm take its mode from it."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        sync_directory(path.parent)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=_STATEMENTS_KEPT)


def _settle(connection: sqlite3.Connection, path: Path) -> None:
    steps = migrations()
    version = int(pragma(connection, "user_version"))
    if version > len(steps):
        raise LedgerNewer(f"{path} has version {version}, this Listener knows {len(steps)}: start the newer Listener again")
    if pragma(connection, "application_id") not in ({APPLICATION_ID} if version else {0, APPLICATION_ID}):
        raise LedgerError(f"{path} is not a ledger of Listener; move it away or name another state_dir")
    _apply(connection, (_LAYOUT if version == 0 else {}) | _WRITER)
    _migrate(connection, version, steps)
    _verify(connection, path, _LAYOUT | _WRITER)


def pragma(connection: sqlite3.Connection, name: str) -> str | int:
    row = connection.execute(f"PRAGMA {name}").fetchone()
    value: str | int = row[0] if row else ""
    return value


def _apply(connection: sqlite3.Connection, settings: dict[str, str | int]) -> None:
    for name, value in settings.items():
        connection.execute(f"PRAGMA {name} = {value}").fetchall()


def _verify(connection: sqlite3.Connection, path: Path, settings: dict[str, str | int]) -> None:
    for name, value in settings.items():
        if pragma(connection, name) != value:
            raise LedgerError(f"{path}: SQLite did not take {name} = {value}; the file system or its options do not allow it")


def _migrate(connection: sqlite3.Connection, version: int, steps: tuple[str, ...]) -> None:
    for number, script in enumerate(steps[version:], start=version + 1):
        connection.executescript(f"BEGIN IMMEDIATE; {script}\nPRAGMA user_version = {number}; COMMIT;")


class Readers:
    """Read-only connections, lent to any thread, one borrower each. `close` closes lent ones as they come back."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._closed = False

    @contextlib.contextmanager
    def lend(self) -> Iterator[sqlite3.Connection]:
        """A connection inside one read transaction, so that several statements see one moment.

        Raises LedgerFailed or LedgerFull for the storage, LedgerError once closed.
        """
        try:
            connection = self._borrow()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                self._give_back(connection)
        except sqlite3.Error as error:
            if not faults.of_storage(error):
                raise
            raise faults.explain(error, self._path) from error

    def _borrow(self) -> sqlite3.Connection:
        with self._lock:
            if self._closed:
                raise LedgerError("the ledger is closed")
            if self._idle:
                return self._idle.pop()
        connection = _connect(self._path)
        _apply(connection, _READER)
        return connection

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with contextlib.suppress(sqlite3.Error):
            connection.rollback()
        with self._lock:
            if not self._closed and len(self._idle) < IDLE_READERS and not connection.in_transaction:
                self._idle.append(connection)
                return
        connection.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
