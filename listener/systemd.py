"""Tells systemd how the daemon is (sd_notify(3)): ready, reloading, stopping, alive, and a status in words.

The supervisor owns one `Notifier`. Without `$NOTIFY_SOCKET` (not under systemd) every call does nothing; a socket that does
not answer is no reason to fail, so no call ever raises or blocks. Whether we are alive is for the caller to know: `alive`
must only be called after progress was seen.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress

MAX_STATUS = 200
"""Characters of a status line."""


class Notifier:
    """The way to systemd. `environment` is the process's; `monotonic_ns` is CLOCK_MONOTONIC."""

    def __init__(
        self, environment: Mapping[str, str] = os.environ, monotonic_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._address = _address(environment.get("NOTIFY_SOCKET", ""))
        self._monotonic_ns = monotonic_ns
        self.watchdog_interval = _interval(environment)

    def ready(self, status: str = "") -> None:
        """Start-up, or a reload, is finished."""
        self._send("READY=1", status)

    def reloading(self) -> None:
        """The configuration is being read again; `ready` follows. systemd wants to know when it began."""
        self._send("RELOADING=1", monotonic_usec=self._monotonic_ns() // 1000)

    def stopping(self, status: str = "") -> None:
        """The daemon is draining."""
        self._send("STOPPING=1", status)

    def alive(self) -> None:
        """Everything that must progress did, within `watchdog_interval`."""
        self._send("WATCHDOG=1")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send("", text)

    def _send(self, state: str, status: str = "", monotonic_usec: int | None = None) -> None:
        if self._address is None:
            return
        lines = [state] if state else []
        lines += [f"MONOTONIC_USEC={monotonic_usec}"] if monotonic_usec is not None else []
        lines += [f"STATUS={_one_line(status)}"] if status else []
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.sendto("\n".join(lines).encode(), self._address)


def _address(path: str) -> str | None:
    """A path, or Linux's abstract namespace written with `@`."""
    if path.startswith("@"):
        return "\0" + path[1:]
    return path if path.startswith("/") else None


def _interval(environment: Mapping[str, str]) -> float | None:
    """Seconds between two `alive`: half of what systemd allows (sd_watchdog_enabled(3)); None when it does not watch us."""
    pid = environment.get("WATCHDOG_PID", "")
    micros = environment.get("WATCHDOG_USEC", "")
    if not micros.isascii() or not micros.isdigit() or int(micros) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(micros) / 2_000_000


def _one_line(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:MAX_STATUS])
