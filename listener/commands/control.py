"""Whom the command line talks to: the running daemon over its control socket, or the ledger itself where none runs.

Both give a `Call`: `call("messages", state="dead")` → the verb's JSON answer. The daemon's side is `admin/api.py`; the same
table of routes (`admin/verbs.ROUTES`) tells both which verb is where.

A daemon that has the lock but no socket yet, or no longer, shows as LedgerLocked: "try again", exit 75.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from ..admin.routes import API, ROUTES, Listed
from ..admin.sockets import CONTROL_SOCKET, short_path
from ..errors import LedgerError, ListenerError

TIMEOUT = 60.0
"""Seconds to wait for the daemon's answer; a pause waits for a session's polite end."""


class CommandFailed(ListenerError):
    """What was asked could not be done; the text says why. Exit 1."""


class Call(Protocol):
    """Runs one verb. Raises CommandFailed with a sentence, or LedgerError."""

    def __call__(self, verb: str, **arguments: Any) -> Any: ...


@contextmanager
def verbs(state_dir: Path, open_locally: Callable[[], Any]) -> Iterator[Call]:
    """The daemon's verbs where one answers, else those over the ledger. `open_locally` → async context manager of Verbs."""
    if daemon_answers(state_dir):
        yield RemoteCall(state_dir / CONTROL_SOCKET)
        return
    with asyncio.Runner() as runner:
        opened = open_locally()
        local = runner.run(opened.__aenter__())
        try:
            yield LocalCall(runner, local)
        finally:
            runner.run(opened.__aexit__(None, None, None))


def daemon_answers(state_dir: Path) -> bool:
    """Does anybody listen on the control socket?"""
    try:
        connect(state_dir / CONTROL_SOCKET).close()
    except OSError:
        return False
    return True


def connect(path: Path) -> socket.socket:
    """A connection to a Unix socket, however long its path is. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(TIMEOUT)
    try:
        with short_path(path) as short:
            connection.connect(short)
    except OSError:
        connection.close()
        raise
    return connection


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over the control socket."""

    def __init__(self, path: Path, timeout: float = TIMEOUT) -> None:
        super().__init__("listener", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = connect(self._path)
        self.sock.settimeout(self.timeout)


def get(path: Path, target: str, timeout: float) -> tuple[int, str]:
    """One GET over a Unix socket: status and body. Raises OSError or HTTPException."""
    connection = _UnixConnection(path, timeout)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


class RemoteCall:
    """Verbs of the running daemon."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, verb: str, **arguments: Any) -> Any:
        method, target = request_of(verb, arguments)
        with self._connected() as connection:
            connection.request(method, target)
            response = connection.getresponse()
            answer = _answer(response.status, response.getheader("Content-Type", ""), response.read())
            return _with_next(answer, response.getheader("Link", "")) if isinstance(answer, list) else answer

    def rows(self, verb: str, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """The rows of a verb that streams them, each as it comes. Raises as the other verbs do, also on the way."""
        method, target = request_of(verb, {})
        with self._connected() as connection:
            connection.request(method, target, json.dumps(body), {"Content-Type": "application/json"})
            response = connection.getresponse()
            if response.status != 200:
                _answer(response.status, response.getheader("Content-Type", ""), response.read())
            for line in response:
                yield json.loads(line)

    @contextmanager
    def _connected(self) -> Iterator[_UnixConnection]:
        connection = _UnixConnection(self._path)
        try:
            yield connection
        except (OSError, http.client.HTTPException) as error:
            raise LedgerError(f"the daemon did not answer on {self._path}: {error or type(error).__name__}") from error
        finally:
            connection.close()


class LocalCall:
    """The same verbs over a ledger that this process holds."""

    def __init__(self, runner: asyncio.Runner, verbs: Any) -> None:
        self._runner, self._verbs = runner, verbs

    def __call__(self, verb: str, **arguments: Any) -> Any:
        try:
            return self._runner.run(getattr(self._verbs, verb)(**arguments))
        except LedgerError:
            raise
        except ListenerError as error:
            raise CommandFailed(str(error)) from error


def request_of(verb: str, arguments: Mapping[str, Any]) -> tuple[str, str]:
    """Method and target of a verb with these arguments; those that are None are left out."""
    (route,) = (route for route in ROUTES if route.verb == verb)
    query = {name: arguments[name] for name in route.query if arguments.get(name) is not None}
    path = route.path.format(**{name: quote(str(value), safe="") for name, value in arguments.items()})
    return route.method, API + path + (f"?{urlencode(query)}" if query else "")


def _with_next(rows: list[Any], link: str) -> Listed:
    """The page, and where the next one begins (RFC 8288)."""
    found = re.search(r"[?&]cursor=([A-Za-z0-9_-]+)", link)
    return Listed(rows, found[1] if found else None)


def _answer(status: int, content_type: str, body: bytes) -> Any:
    if status == 200:
        if not content_type.startswith("application/json"):
            return body
        return json.loads(body)
    detail = json.loads(body)["detail"] if content_type.startswith("application/problem+json") else f"HTTP status {status}"
    raise LedgerError(detail) if status == 503 else CommandFailed(detail)
