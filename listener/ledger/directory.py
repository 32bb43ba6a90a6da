"""The state directory: ours alone, on a local disk, and held by one process at a time.

`claim` makes the directory (0700), refuses a network file system, where SQLite's WAL and locks cannot be trusted (R-2),
and takes an exclusive flock on `lock`, which the kernel drops when the process ends however it ends. The file holds the
owner's process id, for the message that a second one gets. Used by Ledger.open only.

Raises ConfigurationError for a directory that cannot serve, LedgerLocked when another process has it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
from pathlib import Path

from ..errors import ConfigurationError, Fault, LedgerLocked
from .records import Storage

LEDGER = "ledger.sqlite3"
LOCK = "lock"
NETWORK_FILESYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "glusterfs", "beegfs", "gpfs", "ocfs2", "gfs2"}
    | {"9p", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.rclone", "fuse.gcsfuse", "fuse.goofys"}
)
_MOUNTS = Path("/proc/self/mountinfo")
_SETTING = "listener.state_dir"


class Claim:
    """The held lock. `release` gives it back; idempotent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def claim(state_dir: Path) -> Claim:
    """Make the directory fit for a ledger and take its lock."""
    try:
        _prepare(state_dir)
        _refuse_network(state_dir)
        return _lock(state_dir)
    except OSError as error:
        raise _fault(f"{state_dir} cannot be used: {error.strerror}; give a directory that Listener may write to") from error


def _prepare(state_dir: Path) -> None:
    if not state_dir.exists():
        state_dir.mkdir(mode=0o700, parents=True)
        sync_directory(state_dir.parent)
    mode = stat.S_IMODE(state_dir.stat().st_mode)
    if mode & 0o077 == 0:
        return
    foreign = {item.name for item in state_dir.iterdir()} and not (state_dir / LEDGER).exists()
    if foreign:
        raise _fault(f"{state_dir} is open to others (mode {mode:04o}) and holds other files; give Listener its own directory")
    state_dir.chmod(0o700)


def _refuse_network(state_dir: Path) -> None:
    kind = filesystem(state_dir.resolve(), _MOUNTS.read_text("utf-8", "replace")) if _MOUNTS.exists() else ""
    if kind in NETWORK_FILESYSTEMS:
        raise _fault(f"{state_dir} is on a network file system ({kind}), which can lose commits; give a local disk")


def filesystem(path: Path, mountinfo: str) -> str:
    """The file system type that `path` lies on, by proc_pid_mountinfo(5); "" when unknown. The last mount of a point wins."""
    best, kind = -1, ""
    for line in mountinfo.splitlines():
        fields, _, tail = line.partition(" - ")
        columns, types = fields.split(" "), tail.split(" ")
        if len(columns) < 5:
            continue
        point = Path(columns[4].encode("utf-8").decode("unicode_escape").encode("latin-1").decode("utf-8", "replace"))
        if (path == point or point in path.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), types[0]
    return kind


def _lock(state_dir: Path) -> Claim:
    path = state_dir / LOCK
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "unknown"
        os.close(descriptor)
        raise LedgerLocked(f"{state_dir} is held by another Listener (process {holder}): stop that one first") from None
    with contextlib.suppress(OSError):  # a full disk: the lock holds without the name in it
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return Claim(descriptor)


def storage(ledger: Path) -> Storage:
    """Its size and the room that is left. Blocks. What cannot be asked counts as 0."""
    wal = ledger.with_name(ledger.name + "-wal")
    try:
        found = os.statvfs(ledger.parent)
    except OSError:
        return Storage(0, _size(ledger), _size(wal))
    return Storage(found.f_bavail * found.f_frsize, _size(ledger), _size(wal))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def sync_directory(path: Path) -> None:
    """Make the directory's entries durable: a file is not there after a power loss until its directory was synced."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fault(reason: str) -> ConfigurationError:
    return ConfigurationError([Fault(_SETTING, reason)])
