"""A new key for what the ledger keeps sealed, without a moment at which anything is unreadable (R-87).

`rotate` is what `listener rotate-key` runs, in the daemon where one runs. A configured `key_file` belongs to the operator, who
has put the new key there and the former one into `old_key_files`; the key that was made in `state_dir` is replaced here. Then
every secret is sealed anew with the present key, in one transaction.

Rules of the file
1. A key is never removed: it still verifies tokens in mail that is answered later. The operator removes it.
2. Every step leaves a state that is readable: the former key is linked before the new one takes its name, and readers try
   both until all is sealed anew.
3. What none of our keys opens stays as it is, and is named.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from ..config import Listener
from ..errors import ConfigurationError, Fault, PermanentFailure
from . import sealing

log = structlog.get_logger(__name__)


class Resealer(Protocol):
    """What the ledger does for us."""

    async def reseal(self, anew: Callable[[str, bytes], bytes | None]) -> int: ...


@dataclass(frozen=True, slots=True)
class Rotated:
    """How many secrets were sealed anew, which could not be opened, and where the former key is if we replaced it."""

    sealed: int
    unreadable: tuple[str, ...] = ()
    former: Path | None = None


async def rotate(listener: Listener, ledger: Resealer) -> Rotated:
    """Raises ConfigurationError when a key cannot be read or written, LedgerError when nothing could be committed."""
    former = None
    if listener.key_file is None:
        former = await asyncio.to_thread(_replace, listener.state_dir)
    keys = await asyncio.to_thread(sealing.sealing_keys, listener)
    unreadable: list[str] = []

    def anew(name: str, sealed: bytes) -> bytes | None:
        try:
            return sealing.sealed_with(keys[0], name, sealing.unsealed(keys, name, sealed))
        except PermanentFailure:
            unreadable.append(name)
            return None

    count = await ledger.reseal(anew)
    log.info("key.rotated", sealed=count, unreadable=len(unreadable))
    return Rotated(count, tuple(unreadable), former)


def _replace(state_dir: Path) -> Path | None:
    """The file of the former key, once the new one has its name; None where there was none."""
    current = state_dir / sealing.KEY_FILE
    new = state_dir / f"{sealing.KEY_FILE}.new"
    try:
        former = _keep(current) if current.exists() else None
        new.unlink(missing_ok=True)  # of a rotation that did not get so far
        sealing.write_key(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        os.replace(new, current)
        _sync(state_dir)
    except OSError as error:
        raise ConfigurationError([Fault("listener.key_file", f"{current} cannot be replaced: {error.strerror}")]) from None
    return former


def _keep(current: Path) -> Path:
    """The present key under another name too, durably."""
    number = 1 + max((_number(path) for path in current.parent.glob(sealing.FORMER_KEYS)), default=0)
    former = current.with_name(f"{sealing.KEY_FILE}.old-{number}")
    os.link(current, former)
    _sync(current.parent)
    return former


def _number(path: Path) -> int:
    tail = path.name.rpartition("-")[2]
    return int(tail) if tail.isascii() and tail.isdigit() else 0


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
