"""`listener health --live | --ready`: asks the daemon's own probe, for HEALTHCHECK and scripts. Starts fast.

Reads no more of the configuration than where to ask: a fault elsewhere in the file is no reason to kill a daemon that runs
well on what it read before. Asks the control socket first, then `[admin] probe_bind`, then `[admin] bind`.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..admin.sockets import CONTROL_SOCKET
from .control import get
from .printing import harmless
from .settings import find

TIMEOUT = 5.0
"""Seconds; an event loop that is late by as much is not live."""
STATE_DIR = "/var/lib/listener"
BIND = "127.0.0.1:8025"
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


def health(arguments: argparse.Namespace) -> int:
    """Exit 0 when the probe says so, else 1 with the reasons."""
    well, text = ask(find(arguments.config), arguments.probe)
    if arguments.json:
        print(json.dumps({"probe": arguments.probe, "ok": well, "reasons": [] if well else text.splitlines()}))
    elif not well:
        print(f"listener: {harmless(text.strip()).replace(chr(10), '; ')}", file=sys.stderr)
    return 0 if well else 1


def ask(config: Path, probe: str) -> tuple[bool, str]:
    """Does the daemon's probe say yes, and what else does it say?"""
    last = "no daemon answers"
    for way in _ways(config, f"/{probe}"):
        try:
            status, text = way()
        except (FileNotFoundError, PermissionError, ConnectionRefusedError) as error:
            last = f"no daemon answers: {error.strerror}"
            continue
        except (OSError, http.client.HTTPException) as error:
            return False, f"the daemon does not answer: {error or type(error).__name__}"
        return status == 200, text
    return False, last


def _ways(config: Path, target: str) -> Iterator[Callable[[], tuple[int, str]]]:
    settings = _tables(config)
    state_dir = config.parent / str(settings.get("listener", {}).get("state_dir", STATE_DIR))
    yield lambda: get(state_dir / CONTROL_SOCKET, target, TIMEOUT)
    admin = settings.get("admin", {})
    for name, otherwise in (("probe_bind", ""), ("bind", BIND)):
        host, _, port = str(admin.get(name, otherwise)).rpartition(":")
        if port.isdigit() and int(port):
            yield lambda host=host, port=port: _over_tcp(host.strip("[]"), int(port), target)  # type: ignore[misc]


def _over_tcp(host: str, port: int, target: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(EVERYWHERE.get(host, host), port, timeout=TIMEOUT)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


def _tables(config: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(config.read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # the daemon, if it runs, has read a better one; ask where it would be by default
