"""The Ledger: every state change of Listener, one class, one writer; what people ask and order stands in people.py.

Opened by the supervisor (or a command without a daemon) and handed to receivers, dispatcher, outbox and admin. Each writing
method is one operation of the writer's group commit and returns after the commit; each reading one runs on a reader's
thread and sees all that was committed before. A caller who is cancelled while it waits loses the answer, never half a commit.

Every method may raise LedgerFull (wait, then go on: nothing of it was committed), LedgerFailed or FenceLost (this object is
finished: end the process), and LedgerError once closed. What each operation does stands in the module of its concern:
receiving, planning, accepting · filing, deliveries · verbs, queries, backup.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

from ..errors import ConfigurationError, Fault
from ..hooks import Outcome
from ..mailbox import Baseline, Extent, Fetched, Folder, Listing, Page, Receipt, SyncState
from ..message import parse_quickly
from ..message.model import InboundMessage
from . import (
    accepting,
    casebook,
    deliveries,
    directory,
    filing,
    moving,
    planning,
    receiving,
    retention,
    verbs,
)
from .access import Access
from .alerts import Alerts
from .kept import KeptSettings
from .notices import Notices
from .people import ForPeople
from .records import (
    Accepted,
    Delivery,
    DueDelivery,
    DueEntry,
    FiledAs,
    Parsed,
    Plan,
)
from .responses import Responses
from .retention import Retention
from .search import Search
from .storage import Readers, open_writer
from .stories import Stories
from .writer import Transaction, Writer

READER_THREADS = 2
OWED_AT_ONCE = 1_000
RELEASED_AT_ONCE = 100


class Ledger(ForPeople):
    """See the module. Made by `open`."""

    def __init__(self, path: Path, claim: directory.Claim, connection: sqlite3.Connection, now: Callable[[], float]) -> None:
        self.work = asyncio.Event()
        """Set whenever a commit may have made an entry or a delivery due; whoever waits for it clears it."""
        self._path, self._claim, self._now = path, claim, now
        self._writer = Writer(connection, path, now, self.work)
        self._readers = Readers(path)
        self._threads = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="ledger-reader")
        self._handed_out: set[int] = set()
        self.access = Access(self._write, self._read)
        self.search = Search(self._write, self._read)
        self.kept = KeptSettings(self._write, self._read)
        """Accounts and profiles made in the console."""
        self.responses = Responses(self._write, self._read)
        """Outgoing mail, and by which policies messages are answered."""
        self.retention = Retention(self._write, self._read)
        """Letting go of what is dealt with."""
        self.stories = Stories(self._read)
        """The history of messages, for those who follow along."""
        self.notices = Notices(self._write, self._read)
        """Whom to tell of which case."""
        self.alerts = Alerts(self._write, self._read)
        """What is wrong at the moment."""
        self._closing: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, state_dir: Path, *, now: Callable[[], float] = time.time, expect_state: bool = False) -> Self:
        """Take the state directory, bring its ledger up to date and begin a new epoch.

        Raises ConfigurationError (no such directory can be had, a network file system, `expect_state` and no ledger),
        LedgerLocked, LedgerNewer, LedgerFull, LedgerFailed.
        """
        claim = await asyncio.to_thread(directory.claim, state_dir)
        try:
            path = state_dir / directory.LEDGER
            if expect_state and not (path.exists() and path.stat().st_size):
                raise ConfigurationError([Fault("listener.expect_state", _LOST.format(path))])
            connection = await asyncio.to_thread(open_writer, path)
            try:
                ledger = cls(path, claim, connection, now)
                await asyncio.to_thread(ledger._writer.start)
            except BaseException:
                connection.close()
                raise
        except BaseException:
            claim.release()
            raise
        return ledger

    async def close(self) -> None:
        """Commit what was asked for, checkpoint, give the lock back. Idempotent; goes on when its caller is cancelled."""
        if self._closing is None:
            self._writer.finish()
            self._closing = asyncio.create_task(asyncio.to_thread(self._close))
        await asyncio.shield(self._closing)

    def _close(self) -> None:
        self._threads.shutdown(wait=True)
        self._readers.close()
        self._writer.stop()
        self._claim.release()

    # --- health ------------------------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Which opening of this ledger we are; the fence of every write."""
        return self._writer.epoch

    @property
    def writable(self) -> bool:
        """False from a failed write until one succeeds; `probe` tries."""
        return self._writer.writable

    @property
    def last_progress(self) -> float:
        """`time.monotonic` of the writer thread's last move; now, when nothing waits for it."""
        return self._writer.last_progress

    def watch_commits(self, took: Callable[[float], None]) -> None:
        """Tell `took` the length of each commit from now on, in seconds; it is called on the writer's thread."""
        self._writer.took = took

    async def probe(self) -> None:
        """A tiny write, committed. Raises what a real one would."""
        await self._write(verbs.probe)

    # --- receiving ---------------------------------------------------------------------------------------------------

    async def identify(self, account: str, mailbox: str) -> bool:
        """Say which mailbox a session opened. True: it was another one before, whose ids are put aside now (moving.py)."""
        if await self._read(moving.identity, account) == mailbox:
            return False
        return await self._write(moving.identify, account, mailbox)

    async def baselines(self, account: str) -> dict[Folder, Baseline]:
        """Of every folder that has one; `present` is not given back."""
        return await self._read(receiving.baselines, account)

    async def set_baseline(self, account: str, folder: Folder, baseline: Baseline) -> Baseline:
        """The first one wins: keeps its sync state and its `present` ids as ignored(before_baseline). The one in force."""
        return await self._write(receiving.set_baseline, account, folder, baseline)

    async def sync_states(self, account: str) -> dict[Folder, SyncState]:
        """Where to go on, per folder."""
        return await self._read(receiving.sync_states, account)

    async def plan(self, account: str, page: Page) -> Plan:
        """Which of the page's listings to fetch, re-key or leave alone."""
        found = await self._read(planning.plan, account, page)
        if found.back:
            await self._write(retention.still_listed, found.back)
        return found

    async def accept(self, account: str, page: Page, plan: Plan, fetched: Sequence[Fetched], *, owe: bool) -> Accepted:
        """The one commit of a page: raw, rows, re-keyed rows, sync state. The receipts are owed from now on. Idempotent.

        `fetched` may lack some of the plan's (a lost connection): the sync state then stays where it was.
        """
        digests, heads = await asyncio.to_thread(lambda: (_digests(fetched), _heads(fetched)))
        octets = sum(len(item.octets) for item in fetched)

        def run(tx: Transaction) -> Accepted:
            accepted = accepting.accept(tx, account, page, plan, fetched, digests, owe)
            filing.keep_headers(tx, account, page.folder, heads)
            return accepted

        return await self._writer.submit(run, octets=octets, wakes=True)

    async def confirm(self, account: str, receipts: Sequence[Receipt], *, gone: bool = False) -> None:
        """The server was told of these. `gone`: told to delete or move them. Idempotent."""
        await self._write(receiving.confirm, account, receipts, gone)

    async def owed(self, account: str, limit: int = OWED_AT_ONCE, passed: int = 0) -> list[Receipt]:
        """Receipts that the server was not yet confirmed to know, oldest first, the first so many passed over."""
        return await self._read(receiving.owed, account, limit, passed)

    async def fetch_attempted(self, account: str, listing: Listing) -> int:
        """Count one more lone fetch of a suspect message, committed before it begins; the new count."""
        return await self._write(receiving.fetch_attempted, account, listing)

    async def octets_since(self, account: str, moment: float) -> int:
        """Octets of the account's messages taken in since that time (POSIX seconds), as their server announced them."""
        return await self._read(receiving.octets_since, account, moment)

    async def released(self, account: str) -> list[Listing]:
        """Quarantined messages that `release` wants fetched whole."""
        return await self._read(receiving.released, account, RELEASED_AT_ONCE)

    # --- dispatching -------------------------------------------------------------------------------------------------

    async def due_entries(self, limit: int, max_octets: int) -> list[DueEntry]:
        """Accepted messages to parse, in order of arrival, suspicious ones first; each is handed out once, until it is
        filed, or `hand_back` says that it was not.
        """
        before = frozenset(self._handed_out)
        due = await self._read(filing.due_entries, self.epoch, limit, max_octets, before)
        fresh = [entry for entry in due if entry.id not in self._handed_out]
        self._handed_out.update(entry.id for entry in fresh)
        return fresh

    def hand_back(self, entries: Collection[int]) -> None:
        """These were handed out and will not be filed by whoever took them: they are due again. Not async."""
        self._handed_out.difference_update(entries)
        self.work.set()

    async def parse_attempted(self, entry: int) -> int:
        """Count one more parse of it, committed before it begins; the new count. Raises Refused when it is not accepted."""
        return await self._write(filing.parse_attempted, entry)

    async def parses_given_up(self, entries: Collection[int]) -> None:
        """The last parse that was counted of each did not fail: we were told to end before it was filed."""
        await self._write(filing.parses_given_up, entries)

    async def file(
        self,
        batch: Sequence[Parsed],
        hooks: Mapping[str, Sequence[str]],
        rules: casebook.Rules = filing.NO_RULES,
    ) -> list[tuple[int, FiledAs]]:
        """Cases, parsed content, deliveries and answers of the batch in one transaction; what became of each entry, in order:
        its case, how the ledger itself ended it, or None for what came without a case. `hooks` and `rules` by account; who is
        answered, `responses.answer_by` has said.
        """
        try:
            return await self._write(filing.file, batch, hooks, rules, self.responses.policies, wakes=True)
        finally:
            self._handed_out.difference_update(parsed.entry for parsed in batch)
            self.responses.stir()

    async def due_deliveries(
        self, limit: int, excluding: Collection[int] = (), *, hook: str | None = None
    ) -> list[DueDelivery]:
        """Deliveries to begin now, of one hook or of all: at most one of each case and hook."""
        return await self._read(deliveries.due_deliveries, self._now(), limit, frozenset(excluding), hook)

    async def next_due(self, excluding: Collection[int] = (), *, hook: str | None = None) -> float | None:
        """POSIX seconds when the next delivery is due, of one hook or of all; None: none waits."""
        return await self._read(deliveries.next_due, frozenset(excluding), hook)

    async def begin_delivery(self, delivery: int) -> Delivery:
        """All that the hook needs; its attempt is counted and committed. Raises Refused when it is no longer due."""
        return await self._write(deliveries.begin_delivery, delivery)

    async def settle_delivery(self, delivery: int, outcome: Outcome | None) -> None:
        """What the hook answered, carried out. Twice is the same as once."""
        await self._write(deliveries.settle_delivery, delivery, outcome, self.responses.policies, wakes=True)
        self.responses.stir()

    async def fail_delivery(self, delivery: int, error: str, *, retry_at: float | None) -> None:
        """The attempt failed: again at `retry_at` (POSIX seconds), or dead."""
        await self._write(deliveries.fail_delivery, delivery, error, retry_at, wakes=True)

    async def drop_hooks(self, configured: Mapping[str, Sequence[str]]) -> int:
        """Deliveries of hooks that an account no longer has: dead(hook_removed). How many."""
        dropped, after = 0, 0
        while True:
            some, following = await self._write(deliveries.drop_hooks, configured, after, wakes=True)
            dropped += some
            if following is None:
                return dropped
            after = following


_LOST = (
    "{} is not there, and expect_state = true says that it should be: restore it, or set expect_state = false for one start, "
    "which begins from now (or as `start` says) and takes what the server still holds for new"
)


def _digests(fetched: Sequence[Fetched]) -> list[bytes]:
    return [hashlib.sha256(item.octets).digest() for item in fetched]


def _heads(fetched: Sequence[Fetched]) -> dict[str, InboundMessage]:
    """What the headers say that came without their bodies, as far as that is quickly read."""
    read = {f.listing.unique_id: parse_quickly(f.octets) for f in fetched if f.extent is Extent.HEADER}
    return {unique_id: message for unique_id, message in read.items() if message is not None}
