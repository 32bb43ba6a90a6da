"""A supervisor on a virtual clock with mailboxes in memory and a real ledger: what the supervisor's tests share."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
from virtual_clock import TimeStandsStill, VirtualLoop, run_virtual

from listener.config import Config
from listener.ledger import Ledger
from listener.mailbox import Mailbox
from listener.supervisor import Supervisor
from listener.supervisor.seams import Seams
from listener.testing.imap import Store
from listener.testing.mailbox import FakeMailbox

TOKEN = "a-token-for-tests"


def mail(number: int, text: str = "Hello.") -> bytes:
    """A small message of its own."""
    head = f"Message-ID: <{number}@example.com>\r\nFrom: a{number}@example.com\r\nSubject: Message {number}\r\n"
    return f"{head}\r\n{text}\r\n".encode()


def configured(folder: Path, *ids: str, limits: dict[str, Any] | None = None, **account: Any) -> Config:
    """A checked configuration with these accounts."""
    token = folder / "token"
    token.write_text(TOKEN + "\n")
    receiver = {"protocol": "imap", "host": "127.0.0.1", "security": "none", **account.pop("receiver", {})}
    return Config(
        listener={"state_dir": str(folder / "state")},
        admin={"bind": "127.0.0.1:0", "token_file": str(token)},
        limits=limits or {},
        accounts=[{"id": id, "start": "all", "receiver": {"user": id, **receiver}, **account} for id in ids],
    )


class SteadyLedger(TimeStandsStill):
    """A real ledger during whose calls the virtual clock stands still. `failing`, where set, is raised by every write."""

    WRITES = frozenset(
        {"probe", "accept", "confirm", "set_baseline", "file", "begin_delivery", "settle_delivery", "set_paused"}
    )

    def __init__(self, wrapped: Ledger, loop: VirtualLoop) -> None:
        super().__init__(wrapped, loop)
        self.failing: BaseException | None = None
        self.stalled = False
        self.calls: Counter[str] = Counter()

    @property
    def last_progress(self) -> float:
        return -1e9 if self.stalled else self._loop.time()

    @property
    def writable(self) -> bool:
        return self.failing is None and self._wrapped.writable

    def __getattr__(self, name: str) -> Any:
        value = super().__getattr__(name)
        if name not in self.WRITES:
            return value

        async def write(*args: Any, **kwargs: Any) -> Any:
            self.calls[name] += 1
            if self.stalled:
                await asyncio.Event().wait()
            if self.failing is not None:
                raise self.failing
            return await value(*args, **kwargs)

        return write


Behaviour = Callable[["Rig", int], Awaitable[Mailbox | None]]
"""The rig and the number of this sign-in, from 1 → a mailbox; None is the ordinary one; may raise."""


@dataclass
class Rig:
    """One supervised daemon. `logins` notes account and virtual time of each sign-in."""

    loop: VirtualLoop
    config: Config
    behaviour: dict[str, Behaviour] = field(default_factory=dict)
    hosts: dict[str, Any] = field(default_factory=dict)
    stores: dict[str, Store] = field(default_factory=dict)
    mailboxes: dict[str, FakeMailbox] = field(default_factory=dict)
    traces: dict[str, Any] = field(default_factory=dict)
    logins: list[tuple[str, float]] = field(default_factory=list)
    ended_at_once: list[int] = field(default_factory=list)
    ledger: Any = None
    reread: Callable[[], Config] | None = None
    make_tokens: Callable[[Rig], Any] | None = None

    def counted(self, name: str, **labels: str) -> float:
        """A counter's value, as a scrape would show it."""
        return self.supervisor.metrics.registry.get_sample_value(f"maillistener_{name}", labels) or 0.0

    def __post_init__(self) -> None:
        seams = Seams(open_ledger=self._open_ledger, open_mailbox=self._open_mailbox, build_hosts=self._hosts)
        seams = replace(seams, rebuild_hosts=lambda old, hosts, new: self._hosts(new))
        if (make_tokens := self.make_tokens) is not None:
            seams = replace(seams, make_tokens=lambda config, ledger: make_tokens(self))
        self.supervisor = Supervisor(
            self.config,
            reread=lambda: (self.reread or (lambda: self.config))(),
            seams=seams,
            now=self.loop.wall,
            chance=random.Random(5),
            end_at_once=self.ended_at_once.append,
        )

    def _hosts(self, config: Config) -> dict[str, Any]:
        return {name: self.hosts[name] for account in config.accounts for name in account.hooks}

    async def _open_ledger(self, *args: Any, **kwargs: Any) -> Any:
        with self.loop.real_work():
            self.ledger = SteadyLedger(await Ledger.open(*args, **kwargs), self.loop)
        return self.ledger

    async def _open_mailbox(self, account: Any, config: Config, token_of: Any, *, trace: Any = None) -> Any:
        self.traces[account.id] = trace
        if account.receiver.oauth:
            await token_of(account.receiver.oauth, account.receiver.user, account.receiver.protocol.value)()
        self.logins.append((account.id, self.loop.time()))
        if account.id in self.behaviour:
            mailbox = await self.behaviour[account.id](self, self.count(account.id))
            if mailbox is not None:
                return mailbox
        self.mailboxes[account.id] = FakeMailbox(self.store(account.id), account.receiver.folders, after=account.receiver.after)
        return self.mailboxes[account.id]

    def store(self, account: str) -> Store:
        """What the account's provider holds."""
        return self.stores.setdefault(account, Store(self.loop.wall))

    def count(self, account: str) -> int:
        """Sign-ins of the account so far."""
        return sum(id == account for id, _ in self.logins)

    def status(self, account: str) -> Any:
        """Its progress."""
        return next(s for s in self.supervisor.health.statuses() if s.id == account)

    async def eventually(self, what: Callable[[], Any], seconds: float = 600.0, pause: float = 0.25) -> None:
        """Until it is so, in virtual time."""
        end = self.loop.time() + seconds
        while not what():
            assert self.loop.time() < end, "it did not come to pass"
            await asyncio.sleep(pause)

    async def get(self, path: str, *, method: str = "GET", token: str | None = None) -> tuple[int, Any]:
        """Ask the admin address; the virtual clock stands still meanwhile."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://{self.supervisor.admin.addresses[0]}{path}"
        with self.loop.real_work():
            async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as answer:
                return answer.status, (await answer.json() if "json" in answer.content_type else await answer.text())


def supervised(config: Config, scenario: Callable[[Rig], Awaitable[Any]], **rig: Any) -> int:
    """Run the daemon and the scenario beside it; SIGTERM at its end. The exit code."""

    async def main(loop: VirtualLoop) -> int:
        it = Rig(loop, config, **rig)
        daemon = asyncio.create_task(it.supervisor.run())
        try:
            while not hasattr(it.supervisor, "admin") or not it.supervisor._tasks:
                assert not daemon.done(), daemon.result()
                await asyncio.sleep(0.01)
            await scenario(it)
        finally:
            if not daemon.done() and not it.supervisor.health.draining:
                it.supervisor.terminate()
            code = await daemon
        return code

    return run_virtual(main)


class Stuck:
    """A hook that does nothing until it may."""

    name = "python:stuck"

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.calls: list[int] = []
        self.stopped = False

    async def start(self):
        pass

    async def handle(self, message, case, entry):
        self.calls.append(entry.id)
        await self.go.wait()

    async def stop(self):
        self.stopped = True
