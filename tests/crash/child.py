"""The daemon under test, in a forked child with proxies around every seam. Runs until all mail is settled, or is killed.

The mail server and the hook's record live outside and survive: the server in the test, the record in a file that the hook
appends to and syncs before it returns.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import random
import sqlite3
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crash.proxy import HOOK, LEDGER, MAILBOX, Gate, Proxy
from listener.config.load import load
from listener.errors import ConnectionLost, LedgerFull
from listener.hooks import Filed, HookFailed
from listener.supervisor import Supervisor
from listener.supervisor.seams import Seams

SURE = 0.25
"""Seconds for which everything must have been settled before a run ends by itself."""
ENOUGH = 1.0
"""Seconds of failing for good, after which the run is ended as an operator would."""
LONGEST = 15.0
"""Seconds after which a run has hung: exit 3."""


@dataclass(frozen=True)
class Run:
    """One run: where, how much mail, what strikes at which call, and which deliberate fault is built in."""

    config: Path
    record: Path
    expected: int
    at: int = 0
    after: bool = False
    fail: bool = False
    for_good: bool = False
    fault: str = ""


def fails(name: str) -> BaseException:
    """What the called seam raises when it fails."""
    if name.startswith("mailbox"):
        return ConnectionLost("the proxy cut the connection")
    if name.startswith("hook"):
        return HookFailed("the proxy failed the hook")
    return LedgerFull("the proxy filled the disk")


class RecordingHook:
    """Writes one line for every call, durably, before it answers; so it is what the outside world saw."""

    name = "record"

    def __init__(self, record: Path) -> None:
        self._record = record

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def handle(self, message: Any, case: Any, entry: Any) -> Filed:
        line = json.dumps({"message_id": message.message_id, "key": entry.idempotency_key, "case": case.id}) + "\n"
        with self._record.open("a") as record:
            record.write(line)
            record.flush()
            os.fsync(record.fileno())
        return Filed(reference=f"ref-{case.id}", note=entry.idempotency_key)


def main(run: Run) -> None:
    """The child's whole life; its exit status is the daemon's, 3 when it hung."""
    log = run.config.with_name("child.log").open("a")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    sys.exit(asyncio.run(live(run)))


async def live(run: Run) -> int:
    gate = Gate(run.at, run.after, fails if run.fail else None, run.for_good)
    config = load(run.config)
    supervisor = Supervisor(config, seams=seams(run, gate), chance=Quick())
    done = asyncio.create_task(settled(config.listener.state_dir / "ledger.sqlite3", run, gate, supervisor))
    try:
        async with asyncio.timeout(LONGEST):
            code = await supervisor.run()
    except TimeoutError:
        code = 3
    done.cancel()
    run.config.with_name("calls.json").write_text(json.dumps(gate.names))
    return code


class Quick(random.Random):
    """No patience: the shortest jitter every time."""

    def uniform(self, a: float, b: float) -> float:
        return min(a, 0.01)

    def random(self) -> float:
        return 0.0


def seams(run: Run, gate: Gate) -> Seams:
    """The product's factories, each result behind a proxy, with the deliberate fault where one is asked for."""
    plain = Seams()

    async def open_ledger(*args: Any, **kwargs: Any) -> Any:
        ledger = await plain.open_ledger(*args, **kwargs)
        return FAULTS.get(run.fault, lambda x: x)(Proxy(ledger, gate, LEDGER, "ledger"))

    async def open_mailbox(*args: Any, **kwargs: Any) -> Any:
        mailbox = await plain.open_mailbox(*args, **kwargs)
        return Proxy(mailbox, gate, MAILBOX, "mailbox")

    def build_hosts(config: Any) -> Mapping[str, Any]:
        hook = RecordingHook(run.record)
        return {name: Proxy(hook, gate, HOOK, "hook") for account in config.accounts for name in account.hooks}

    if run.fault == "acknowledge before commit":
        acknowledge_first()
    if run.fault == "BODY[] marks as read":
        body_without_peek()
    return dataclasses.replace(plain, open_ledger=open_ledger, open_mailbox=open_mailbox, build_hosts=build_hosts)


async def settled(ledger: Path, run: Run, gate: Gate, supervisor: Supervisor) -> None:
    """End the run once all mail has been settled for a while."""
    quiet = struck = 0.0
    while True:
        await asyncio.sleep(0.02)
        try:
            with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
                total, waiting = database.execute(
                    "SELECT count(*), count(*) FILTER (WHERE state IN ('accepted', 'filed') OR owed) FROM entries"
                ).fetchone()
            database.close()
        except sqlite3.OperationalError:
            total = waiting = 0
        if total >= run.expected and not waiting:
            quiet += 0.02
        else:
            quiet = 0.0
        struck += 0.02 if run.for_good and gate.count >= gate.at else 0.0
        if quiet >= SURE or struck >= ENOUGH:
            gate.armed = False
            supervisor.terminate()
            return


# --- deliberate faults: each must turn the suite red -----------------------------------------------------------------


def acknowledge_first() -> None:
    """Tell the server before the commit."""
    from listener import receiver
    from listener.mailbox import Receipt

    commit = receiver._Pipeline._commit

    async def wrong(self: Any, page: Any, plan: Any, fetched: Any, taken: int) -> Any:
        await self.mailbox.acknowledge([Receipt(f.listing.folder, f.listing.unique_id) for f in fetched])
        return await commit(self, page, plan, fetched, taken)

    receiver._Pipeline._commit = wrong  # type: ignore[method-assign]


def body_without_peek() -> None:
    """Let the fetch itself mark mail as read."""
    from listener.protocols.connection import Connection

    write = Connection.write

    def wrong(self: Any, octets: Any) -> Any:
        return write(self, bytes(octets).replace(b"BODY.PEEK[]", b"BODY[]"))

    Connection.write = wrong  # type: ignore[method-assign]


class _StateFirst:
    """Commits a page's sync state in a transaction of its own, before the rows."""

    def __init__(self, ledger: Any) -> None:
        self.__dict__["_ledger"] = ledger

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    async def accept(self, account: str, page: Any, plan: Any, fetched: Any, **kwargs: Any) -> Any:
        from listener.ledger import Plan

        await self._ledger.accept(account, dataclasses.replace(page, listings=()), Plan(), (), **kwargs)
        return await self._ledger.accept(account, dataclasses.replace(page, sync_state=None), plan, fetched, **kwargs)


FAULTS: dict[str, Callable[[Any], Any]] = {"sync state before rows": _StateFirst}
