"""`listener demo`: the real daemon on an embedded mail server, with sample mail that arrives while you watch.

Everything is on loopback and in a temporary folder: no credentials, nothing leaves the machine, nothing stays. An IMAP
server (listener.testing) holds the mailbox, an SMTP server beside it takes mail by hand, and the daemon is the one of
`listener run`, from its configuration file on. What is printed is asked of the daemon's API, as any other program would.
One sample is broken on purpose: the mail server lists it and never hands it over, so it ends in quarantine.

Ends by Ctrl-C (SIGINT, SIGTERM) or after `seconds`, with a summary and the daemon's exit code.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from typing import Any, TextIO

import aiohttp

from ..config import Config
from ..config.load import load
from ..supervisor import Supervisor
from ..testing import Envelope, ImapServer, SmtpReceiver, sample, sample_names
from ..testing.imap import Command
from ..testing.imap.grammar import Malformed, read_set
from .printing import harmless

ADDRESS = "support@example.com"
ADMIN_PORT, SMTP_PORT = 8025, 2525
"""Where they listen if the port is free; any free port else."""
PACE = 1.5
"""Seconds between two samples at most; a short demo hurries."""
SETTLING = 3.0
"""Seconds that a demo of limited length keeps for the last sample."""
LOOK_EVERY = 0.25
"""Seconds between two looks at the API."""
READY_WITHIN = 30.0
BROKEN = "07-broken.eml"
TOLD_STATES = frozenset({"filed", "done", "ignored", "quarantined", "dead"})

CONFIGURATION = """\
[listener]
state_dir = "state"

[admin]
bind = "127.0.0.1:{admin_port}"
token_file = "admin-token"

[[accounts]]
id = "support"
name = "Demo support"
address = "{address}"
start = "all"

[accounts.receiver]
protocol = "imap"
host = "127.0.0.1"
port = {imap_port}
security = "none"
user = "{address}"
password_file = "password"
after = "seen"
"""

Row = dict[str, Any]
Ask = Callable[[str], Awaitable[list[Row]]]


async def run_demo(seconds: float | None, out: TextIO) -> int:
    """The whole demo; returns the exit code. `seconds` None: until it is interrupted."""
    with tempfile.TemporaryDirectory(prefix="listener-demo-") as folder:
        async with AsyncExitStack() as stack:
            return await _Demo(Path(folder), out, stack).run(seconds)


class _Demo:
    """One run, in call order."""

    def __init__(self, folder: Path, out: TextIO, stack: AsyncExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._screen = _Screen(out)
        self._token = secrets.token_urlsafe(12)

    async def run(self, seconds: float | None) -> int:
        ends_at = None if seconds is None else asyncio.get_running_loop().time() + seconds
        config = await self._set_up()
        supervisor = Supervisor(config)
        daemon = asyncio.create_task(supervisor.run(), name="daemon")
        showing = asyncio.create_task(self._show(config, ends_at), name="demo")
        await asyncio.wait({daemon, showing}, return_when=asyncio.FIRST_COMPLETED)
        if not daemon.done():
            supervisor.terminate()
        showing.cancel()
        code, shown = await asyncio.gather(daemon, showing, return_exceptions=True)
        for ended in (code, shown):
            if isinstance(ended, Exception):
                raise ended
        self._screen.summary()
        return code if isinstance(code, int) else 1

    async def _set_up(self) -> Config:
        """Servers up, configuration written and read. Raises ConfigurationError only by a fault of ours."""
        password = secrets.token_urlsafe(12)
        self._imap = await self._stack.enter_async_context(ImapServer(users={ADDRESS: password}))
        self._imap.script.on(
            "FETCH", when=self._asks_for_broken, reply="NO [CONTACTADMIN] this message is damaged in the mail store"
        )
        self._broken: set[int] = set()
        smtp = SmtpReceiver(
            lambda envelope: self._imap.deliver("INBOX", envelope.octets), port=_free(SMTP_PORT), now=formatdate
        )
        self._smtp = await self._stack.enter_async_context(smtp)
        admin_port = _free(ADMIN_PORT)
        text = CONFIGURATION.format(admin_port=admin_port, imap_port=self._imap.port, address=ADDRESS)
        files = {"listener.toml": text, "password": password, "admin-token": self._token}
        return await asyncio.to_thread(_written, self._folder, files)

    def _take(self, envelope: Envelope) -> None:
        self._imap.deliver("INBOX", envelope.octets)

    def _asks_for_broken(self, command: Command) -> bool:
        """Whether this FETCH wants the body of the broken sample."""
        if not self._broken or b"BODY" not in command.line.upper():
            return False
        try:
            wanted = read_set(bytes(command.arguments[0]), max(self._broken))  # type: ignore[arg-type]
        except (Malformed, IndexError, TypeError):
            return False
        return any(low <= uid <= high for low, high in wanted for uid in self._broken)

    async def _show(self, config: Config, ends_at: float | None) -> None:
        """Deliver the samples and print what becomes of them, until the end."""
        base = f"http://{config.admin.bind}"
        headers = {"Authorization": f"Bearer {self._token}"}
        async with aiohttp.ClientSession(base, headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as session:
            self._screen.opening(base, self._token, f"{self._smtp.host}:{self._smtp.port}", self._folder)
            await _until_ready(session)
            delivering = asyncio.create_task(self._deliver(ends_at))
            try:
                await self._watch(session, ends_at)
            finally:
                delivering.cancel()

    async def _deliver(self, ends_at: float | None) -> None:
        names = sample_names()
        left = PACE * len(names) if ends_at is None else ends_at - asyncio.get_running_loop().time() - SETTLING
        pace = min(PACE, max(left, 0.0) / len(names))
        for name in names:
            message = self._imap.deliver("INBOX", sample(name))
            if name == BROKEN:
                self._broken.add(message.uid)
            await asyncio.sleep(pace)

    async def _watch(self, session: aiohttp.ClientSession, ends_at: float | None) -> None:
        clock = asyncio.get_running_loop().time
        while ends_at is None or clock() < ends_at:
            for row in reversed(await _asked(session, "/api/v1/messages?limit=200")):
                if self._screen.is_news(row):
                    self._screen.message(row, await _server_words(session, row))
            await asyncio.sleep(LOOK_EVERY)


async def _until_ready(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(READY_WITHIN):
        while True:
            try:
                async with session.get("/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass  # the daemon is still on its way up
            await asyncio.sleep(LOOK_EVERY)


async def _asked(session: aiohttp.ClientSession, path: str) -> list[Row]:
    """A list from the API; empty while the daemon cannot be asked, as at its end."""
    try:
        async with session.get(path) as answer:
            return list(await answer.json()) if answer.status == 200 else []
    except aiohttp.ClientConnectionError:
        return []


async def _server_words(session: aiohttp.ClientSession, row: Row) -> str:
    """Of a message in quarantine: what the mail server said of it."""
    if row["state"] != "quarantined":
        return ""
    async with session.get(f"/api/v1/messages/{row['id']}") as answer:
        events = (await answer.json()).get("events", []) if answer.status == 200 else []
    return next((str(event["server"]) for event in reversed(events) if event.get("server")), "")


def _written(folder: Path, files: dict[str, str]) -> Config:
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
        (folder / name).chmod(0o600)
    return load(folder / "listener.toml")


def _free(wanted: int) -> int:
    """This port of loopback, or another that is free at the moment."""
    for port in (wanted, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(trial.getsockname()[1])
    raise OSError("no free port on 127.0.0.1")


@dataclass(slots=True)
class _Screen:
    """Prints: plain lines, styled ones on a terminal. Everything from a message is made harmless first."""

    out: TextIO
    _messages: dict[int, Row] = field(default_factory=dict)
    _cases: dict[str, list[Row]] = field(default_factory=dict)

    def opening(self, base: str, token: str, smtp: str, folder: Path) -> None:
        host, port = smtp.split(":")
        self._line("Listener demo: the real daemon on an embedded mail server. Nothing leaves this machine.", "bold")
        self._line(f"  console   {base}/login   sign in with the token {token}")
        self._line(f"  health    {base}/readyz   {base}/metrics")
        self._line(f"  SMTP      {smtp}   send it mail yourself, for instance:")
        self._line(f"            python3 -c \"import smtplib; smtplib.SMTP('{host}', {port}).sendmail('me@example.org',")
        self._line(f"            ['{ADDRESS}'], 'From: me@example.org\\r\\nSubject: Hello\\r\\n\\r\\nIt is me.')\"")
        self._line(f"  config    {folder / 'listener.toml'}   (listener cases --config …; all of it is gone at the end)")
        self._line("  Ctrl-C    ends it\n")

    def is_news(self, row: Row) -> bool:
        """Whether the message is settled, and not in the state that was told already."""
        told = self._messages.get(row["id"])
        return row["state"] in TOLD_STATES and (told is None or _shown_state(told) != _shown_state(row))

    def message(self, row: Row, words: str) -> None:
        """Say what became of a message; `words` are the mail server's, where it said any."""
        self._messages[row["id"]] = row
        subject = harmless(row["subject"] or "(no subject)")
        sender = harmless(row["from"] or "")
        kind = f" [{row['kind']}]" if row["kind"] not in (None, "message") else ""
        if not row["case"]:
            why = harmless(words or row["reason"] or "")
            self._line(f"{_clock()}  {row['state']:<12}{'entry ' + str(row['id']):<14}{why}", "yellow")
            return
        known = self._cases.setdefault(row["case"], [])
        known.append(row)
        verb, style = ("new case", "green") if len(known) == 1 else ("joins case", "cyan")
        self._line(f"{_clock()}  {verb:<12}{row['case']:<14}{subject}{kind}  {sender}", style)

    def summary(self) -> None:
        """Cases with their messages, and what is not in a case."""
        self._line(f"\n{len(self._messages)} messages, {len(self._cases)} cases", "bold")
        for case, rows in self._cases.items():
            self._line(f"  {case:<14}{len(rows):>3}  {harmless(rows[0]['subject'] or '(no subject)')}")
        for row in self._messages.values():
            if not row["case"]:
                self._line(f"  {row['state']:<14}{1:>3}  entry {row['id']}: {harmless(row['reason'] or '')}")

    def _line(self, text: str, style: str = "") -> None:
        if self.out.isatty():
            from rich.console import Console
            from rich.text import Text

            Console(file=self.out, highlight=False, soft_wrap=True).print(Text(text, style=style))
        else:
            encoding = self.out.encoding or "ascii"
            print(text.encode(encoding, "backslashreplace").decode(encoding), file=self.out, flush=True)


def _shown_state(row: Row) -> str:
    """Filed and done are one thing to people who watch."""
    return "done" if row["state"] == "filed" else str(row["state"])


def _clock() -> str:
    return time.strftime("%H:%M:%S")
