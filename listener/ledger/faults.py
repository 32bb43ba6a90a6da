"""What an SQLite error means for us: wait, or end.

    recoverable   disk full, quota, file size limit, read-only, locked by another program     → LedgerFull
    fatal         any other I/O error, a failed fsync, corruption                              → LedgerFailed
    the statement's own  a constraint, a value of the wrong kind                               → not the storage's fault

A failed fsync is never tried again (R-5): the kernel may have dropped the pages and would report success the next time.
A failed *write* is different, since nothing was committed; SQLite reports every errno but ENOSPC as one IOERR, so a scratch
file is asked which it was. Unknown is temporary.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path

from ..errors import LedgerError, LedgerFailed, LedgerFull

_STATEMENT = {
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_MISMATCH,
    sqlite3.SQLITE_TOOBIG,
    sqlite3.SQLITE_RANGE,
}
_FATAL = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_INTERNAL,
    sqlite3.SQLITE_MISUSE,
}
_MOVED = {sqlite3.SQLITE_READONLY_DBMOVED}
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}
_SCRATCH = "scratch"
_PRIMARY = 0xFF


def of_storage(error: sqlite3.Error) -> bool:
    """Whether the storage is at fault rather than the one statement."""
    return isinstance(error, sqlite3.DatabaseError) and _code(error) != 0 and _code(error) & _PRIMARY not in _STATEMENT


def explain(error: sqlite3.Error, ledger: Path) -> LedgerError:
    """The error of ours that says what to do. Never raises."""
    code, name = _code(error), getattr(error, "sqlite_errorname", "")
    if code == sqlite3.SQLITE_IOERR_WRITE and not _has_room(ledger):
        return LedgerFull(f"no room to write {ledger}: make room; nothing was lost, mail stays on its server until then")
    if code & _PRIMARY in _FATAL or code in _MOVED:
        return LedgerFailed(f"the storage of {ledger} failed ({name}: {error}); check the disk, then start again")
    if code & _PRIMARY == sqlite3.SQLITE_CANTOPEN:
        return LedgerFull(f"{ledger} cannot be opened by uid {os.geteuid()}: give it and its directory to that user, mode 0600")
    if code & _PRIMARY == sqlite3.SQLITE_READONLY:
        return LedgerFull(f"{ledger} cannot be written ({name}): make it writable; mail stays on its server until then")
    if code & _PRIMARY == sqlite3.SQLITE_BUSY:
        return LedgerFull(f"another program is writing to {ledger}: end it; mail stays on its server until then")
    return LedgerFull(f"cannot write {ledger} ({name}: {error}): make room; mail stays on its server until then")


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0) or 0)


def _has_room(ledger: Path) -> bool:
    """Whether one more page fits behind the longest of our files."""
    scratch = ledger.parent / _SCRATCH
    try:
        longest = max((item.stat().st_size for item in ledger.parent.iterdir() if item.name.startswith(ledger.name)), default=0)
        descriptor = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, bytes(65536), longest)
        finally:
            os.close(descriptor)
            scratch.unlink(missing_ok=True)
    except OSError as error:
        return error.errno not in _NO_ROOM
    return True
