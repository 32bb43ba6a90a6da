"""The real daemon in a process of its own, configured by a file and watched through its control socket like an operator."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import aiohttp

DEADLINE = 60.0
"""Seconds after which waiting for something is a failure."""


async def eventually(what: Callable[[], Any], deadline: float = DEADLINE, pause: float = 0.05) -> Any:
    """The first true result of `what` (which may be asynchronous); a failed assertion after the deadline."""
    end = time.monotonic() + deadline
    while True:
        result = what()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        assert time.monotonic() < end, f"not within {deadline:.0f} s; the last answer was {result!r}"
        await asyncio.sleep(pause)


class Daemon:
    """`async with Daemon(folder, toml)`: runs until the end of the block, then is stopped by SIGTERM unless it is gone."""

    def __init__(self, folder: Path, accounts: str, *, state: str = "state", more: str = "", env: dict[str, str] | None = None):
        self.folder = folder
        self.config = folder / "listener.toml"
        self.state = folder / state
        self.log_file = folder / "listener.log"
        self.env = env or {}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "password").write_text("secret\n")
        (folder / "password").chmod(0o600)
        self.write(accounts, more)
        self.process: asyncio.subprocess.Process | None = None

    def write(self, accounts: str, more: str = "") -> None:
        """Write the configuration (anew)."""
        head = f'[listener]\nstate_dir = "{self.state}"\n[admin]\nbind = "127.0.0.1:0"\n{more}\n'
        self.config.write_text(head + accounts)

    async def __aenter__(self) -> Daemon:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self.process is not None and self.process.returncode is None:
            await self.stop()

    async def start(self, *, ready: bool = True) -> None:
        """Start the process; returns once it says that it is ready."""
        with self.log_file.open("ab") as log:
            self.log_before = self.log()
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "listener", "run", "--config", str(self.config)),
                stderr=log,
                stdout=log,
                env={**os.environ, **self.env},
            )
        if ready:
            await eventually(self._is_ready)

    async def _is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None, f"the daemon ended with {self.process.returncode}:\n{self.log()}"
        try:
            return (await self.request("GET", "/readyz"))[0] == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send the signal and wait for the end; returns the exit status."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        return await asyncio.wait_for(self.process.wait(), DEADLINE)

    async def command(self, *words: str) -> tuple[int, str]:
        """Run `listener WORDS --config …` beside it: exit code, and all it said."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "listener", *words, "--config", str(self.config)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env={**os.environ, **self.env},
        )
        out, _ = await asyncio.wait_for(process.communicate(), DEADLINE)
        assert process.returncode is not None
        return process.returncode, out.decode()

    async def kill(self) -> None:
        """End it as a power cut would."""
        await self.stop(signal.SIGKILL)

    def log(self) -> str:
        """All it wrote."""
        return self.log_file.read_text(errors="replace")

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        lines = (json.loads(line) for line in self.log().splitlines() if line.startswith("{"))
        return [line for line in lines if line.get("event") == name]

    async def request(self, method: str, path: str) -> tuple[int, Any]:
        """Ask over the control socket; JSON where it is JSON."""
        connector = aiohttp.UnixConnector(str(self.state / "control.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://listener{path}") as answer,
        ):
            body = await answer.read()
            return answer.status, json.loads(body) if "json" in answer.content_type else body.decode()

    async def get(self, path: str) -> Any:
        """One object, or all rows of a list."""
        status, body = await self.request("GET", f"/api/v1{path}")
        assert status == 200, body
        return body["items"] if isinstance(body, dict) and "items" in body else body

    async def messages(self, **query: str) -> list[dict[str, Any]]:
        """Every message, newest first."""
        rows: list[dict[str, Any]] = []
        while True:
            page = {"limit": "1000", **query} | ({"before": str(rows[-1]["id"])} if rows else {})
            got = await self.get("/messages?" + "&".join(f"{key}={value}" for key, value in page.items()))
            rows += got
            if len(got) < 1000:
                return rows

    def count(self, sql: str, *parameters: object) -> Any:
        """One value out of the ledger's file, also when the daemon is dead."""
        with closing(sqlite3.connect(f"file:{self.state / 'ledger.sqlite3'}?mode=ro", uri=True)) as ledger:
            return ledger.execute(sql, parameters).fetchone()[0]

    async def account(self, name: str) -> dict[str, Any]:
        """One account's row of `/healthz`."""
        _, health = await self.request("GET", "/healthz")
        return next((row for row in health["accounts"] if row["id"] == name), {"state": None, "last_error": None})
