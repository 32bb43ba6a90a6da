"""An online copy of the ledger, by SQLite's backup API, while the daemon goes on.

The copy is one moment of the ledger, in a single file (0600), checked, synced and only then given its name; what stands there
is replaced only if it is a ledger's copy itself. A backup is no means of durability: see docs/ledger.md on restoring.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from ..errors import LedgerError, Refused
from .directory import sync_directory
from .storage import APPLICATION_ID, pragma

_PART = ".part"


def backup(source: sqlite3.Connection, ledger: Path, target: Path) -> None:
    """Blocks. Raises Refused for a target that must not be written, LedgerError when the copy cannot be made."""
    _refuse(ledger, target)
    part = target.with_name(target.name + _PART)
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        try:
            _copy(source, part)
            part.replace(target)
            sync_directory(target.parent)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        raise LedgerError(f"cannot write the backup {target}: {getattr(error, 'strerror', None) or error}") from error


def _refuse(ledger: Path, target: Path) -> None:
    if target.resolve().parent == ledger.resolve().parent:
        raise Refused(f"{target} lies in the state directory; write the backup somewhere else")
    if not target.parent.is_dir():
        raise Refused(f"there is no folder {target.parent}; make it, or write the backup somewhere else")
    if not target.exists():
        return
    if any(item.samefile(target) for item in ledger.parent.iterdir()):
        raise Refused(f"{target} is the ledger itself; write the backup somewhere else")
    if not _is_ledger(target):
        raise Refused(f"{target} is there already and is no backup of a ledger; name another file")


def _is_ledger(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as there:
            return pragma(there, "application_id") == APPLICATION_ID
    except sqlite3.Error:
        return False


def _copy(source: sqlite3.Connection, part: Path) -> None:
    with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()
        verdict = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if verdict != "ok":
            raise LedgerError(f"the copy is damaged ({verdict}); check the disk of the ledger")
    descriptor = os.open(part, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
