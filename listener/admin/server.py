"""Binds the admin pages: the admin address, the probe address, and the control socket in the state directory.

The supervisor starts it once the ledger is open and stops it last but one. Fails with AdminUnavailable, in one line that says
which setting to change, when an address cannot be had. The control socket is 0600 from the moment it exists; a left-over one is
removed, which is safe because only the holder of the ledger's lock comes here.
"""

from __future__ import annotations

import errno
import os
import secrets
import ssl
from contextlib import suppress
from pathlib import Path

import structlog
from aiohttp import web

from ..config import Admin
from ..config.values import bind_address
from ..errors import ListenerError
from .api import Api
from .sockets import CONTROL_SOCKET, bind_private

TOKEN_FILE = "admin-token"
SHUTDOWN_TIMEOUT = 2.0
"""Seconds that requests under way get when we stop."""
BACKLOG = 64

log = structlog.get_logger(__name__)


class AdminUnavailable(ListenerError):
    """An admin address or the control socket could not be bound. Exit 75."""


class AdminServer:
    """Runs the three applications. `addresses` are those bound, as "host:port"."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._runners: list[web.AppRunner] = []
        self._control: Path | None = None
        self.addresses: list[str] = []

    async def start(self, settings: Admin, state_dir: Path) -> None:
        """Bind all that the settings ask for, or nothing and raise AdminUnavailable."""
        try:
            await self._serve_control(state_dir / CONTROL_SOCKET)
            await self._serve(self._api.admin_application(), "admin.bind", settings.bind, tls_of(settings))
            if settings.probe_bind:
                await self._serve(self._api.probe_application(), "admin.probe_bind", settings.probe_bind, None)
        except AdminUnavailable:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Idempotent."""
        while self._runners:
            await self._runners.pop().cleanup()
        if self._control is not None:
            self._control.unlink(missing_ok=True)
            self._control = None
        self.addresses.clear()

    async def _serve(self, app: web.Application, setting: str, bind: str, tls: ssl.SSLContext | None) -> None:
        host, port = bind_address(bind)
        runner = await self._runner(app)
        site = web.TCPSite(runner, host, port, ssl_context=tls, backlog=BACKLOG)
        try:
            await site.start()
        except OSError as error:
            mend = "end what has it (`ss -ltnp` shows who), or " if error.errno == errno.EADDRINUSE else ""
            raise AdminUnavailable(f"{setting}: cannot listen on {bind}: {reason(error)}; {mend}name another") from error
        bound = runner.addresses[0]
        self.addresses.append(f"{f'[{bound[0]}]' if ':' in bound[0] else bound[0]}:{bound[1]}")

    async def _serve_control(self, path: Path) -> None:
        runner = await self._runner(self._api.control_application())
        try:
            listening = bind_private(path)
        except OSError as error:
            raise AdminUnavailable(f"listener.state_dir: cannot make the control socket {path}: {reason(error)}") from error
        self._control = path
        await web.SockSite(runner, listening, backlog=BACKLOG).start()

    async def _runner(self, app: web.Application) -> web.AppRunner:
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_TIMEOUT)
        await runner.setup()
        self._runners.append(runner)
        return runner


def tls_of(settings: Admin) -> ssl.SSLContext | None:
    """TLS of our own on the admin address, where a certificate is set. Raises AdminUnavailable."""
    if settings.cert_file is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    except (OSError, ssl.SSLError) as error:
        raise AdminUnavailable(f"admin.cert_file: {settings.cert_file} cannot be used: {error.strerror or error}") from error
    return context


def admin_token(settings: Admin, state_dir: Path) -> bytes:
    """What `Authorization: Bearer` must carry. Raises AdminUnavailable."""
    if settings.token_file is None:
        return generated_token(state_dir)
    try:
        token = settings.token_file.read_bytes().strip()
    except OSError as error:
        raise AdminUnavailable(f"admin.token_file: {settings.token_file} cannot be read: {reason(error)}") from error
    if not token:
        raise AdminUnavailable(f"admin.token_file: {settings.token_file} is empty")
    return token


def generated_token(state_dir: Path) -> bytes:
    """The token of `state_dir/admin-token`, made on first use, 0600. Raises AdminUnavailable when it cannot be kept."""
    path = state_dir / TOKEN_FILE
    try:
        with suppress(FileExistsError), open(path, "x", opener=_private) as file:
            file.write(secrets.token_urlsafe(32) + "\n")
            log.warning("admin.token_generated", file=str(path))
        token = path.read_bytes().strip()
    except OSError as error:
        raise AdminUnavailable(f"admin.token_file: cannot keep a generated token in {path}: {reason(error)}") from error
    if not token:
        raise AdminUnavailable(f"admin.token_file: {path} is empty; remove it and a new token is made")
    return token


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def reason(error: OSError) -> str:
    """What the system says, in its words."""
    return (os.strerror(error.errno) if error.errno else str(error)).lower()
