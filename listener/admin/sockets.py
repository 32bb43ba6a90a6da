"""The control socket in the state directory: made so that nobody but us can open it, found again however long its path is."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CONTROL_SOCKET = "control.sock"
MAX_SOCKET_PATH = 100
"""Octets of a socket's path that are certain to fit into `sockaddr_un` (108 on Linux)."""


def bind_private(path: Path) -> socket.socket:
    """A listening Unix socket that nobody but us can open, in place of any left-over one."""
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        with short_path(path) as short:
            listening.bind(short)
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(before)
    listening.setblocking(False)
    return listening


@contextmanager
def short_path(path: Path) -> Iterator[str]:
    """The path itself, or a short one through the directory's descriptor where it would not fit a socket address."""
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
