"""The one receiver loop, whatever the protocol: pages → fetch → accept → acknowledge → wait.

A receiver's only duty is to get a message into the ledger and tell the server so. The supervisor calls `run_session` again
and again; one call is one session of one account's mailbox. It returns when the session is over and a new one may be
opened, and raises what the session died of; only the supervisor decides what follows.

Rules of the file
1. Nothing is acknowledged but receipts that a finished `accept` gave out (P1). There is no other caller of `acknowledge`.
2. A page's sync state goes into the transaction of its rows (P5); this file never stores one by itself.
3. The mailbox is used by one call at a time. What overlaps is the ledger: while a page is being committed, the next one is
   fetched and the one before is acknowledged.
4. Memory is bounded by the byte budget, taken by announced size before a fetch and given back after the commit.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import structlog

from .budget import ByteBudget, DayAllowance
from .errors import ConnectionLost, FolderMissing
from .ledger import Accepted, Ledger, Plan
from .mailbox import Baseline, Extent, Fetched, Folder, Listing, Mailbox, Page, Receipt, SyncState
from .status import AccountState, AccountStatus

MAX_FETCH_ATTEMPTS = 5
"""How often a message may cost us the connection while it alone is fetched, before it becomes a quarantined row."""
OWED_BATCH = 1000
"""How many receipts left over from an earlier session are settled in one round."""
UNANNOUNCED_SIZE = 1 << 20
"""What a message without an announced size takes of the byte budget."""
FLAPPING = 5
FLAPPING_SECONDS = 3600.0
"""More resets than this within this time are a server's fault that a person should hear of (R-19)."""
RELEASE_FACTOR = 4
"""A released message may be this many times larger than `max_message`; it was asked for by a person."""

log = structlog.get_logger(__name__)


class Receiver:
    """One account's receiver. `since` is where a new folder begins: None now, 0 everything, else POSIX seconds.

    `owe` is False where `after = "keep"`: then nothing is ever acknowledged; `removes` is True where acknowledging deletes
    or moves. `limit` is `max_message` in octets.
    `allowance` is how much of the older mail may be fetched in a day.
    `identity` says which mailbox it is (`Account.mailbox_identity`), so that another one is noticed.
    """

    def __init__(
        self,
        account: str,
        ledger: Ledger,
        open_mailbox: Callable[[], Awaitable[Mailbox]],
        budget: ByteBudget,
        status: AccountStatus,
        *,
        since: float | None,
        owe: bool,
        removes: bool = False,
        limit: int,
        on_accepted: Callable[[Accepted], None] = lambda accepted: None,
        on_staged: Callable[[float], None] = lambda seconds: None,
        on_reset: Callable[[], None] = lambda: None,
        may_fetch: Callable[[], Awaitable[None]] | None = None,
        allowance: DayAllowance | None = None,
        identity: str = "",
    ) -> None:
        self.account = account
        self.ledger = ledger
        self.open_mailbox = open_mailbox
        self.budget = budget
        self.status = status
        self.since = since
        self.owe = owe
        self.removes = removes
        self.limit = limit
        self.on_accepted = on_accepted
        self.on_staged = on_staged
        self.on_reset = on_reset
        self.may_fetch = may_fetch
        self.allowance = allowance or DayAllowance(None, time.time)
        self.identity = identity
        self._suspects: set[str] = set()
        self._by_time: set[Folder] = set()
        self._resets: deque[float] = deque(maxlen=FLAPPING + 1)
        self._remarked = ""
        self._counted = False
        self._said_spent = 0.0

    async def run_session(self) -> None:
        """One session from open to close. Returns when a new one may be opened; raises what this one died of."""
        self.status.enter(AccountState.CONNECTING)
        mailbox = await self.open_mailbox()
        self.status.mailbox = mailbox
        try:
            self.status.succeeded()
            await self._count_today()
            await self._settle_identity()
            await self._settle_owed(mailbox)
            await self._settle_baselines(mailbox)
            while True:
                await self._sweep(mailbox)
                self.status.started = True
                if not await self._wait(mailbox):
                    return
        finally:
            self.status.mailbox = None
            await self._close(mailbox)

    async def _close(self, mailbox: Mailbox) -> None:
        """End the session; what only its end confirmed (POP3) is cleared, even while we are being cancelled."""
        confirmed = await mailbox.close()
        if confirmed:
            await asyncio.shield(self.ledger.confirm(self.account, confirmed, gone=self.removes))

    async def _wait(self, mailbox: Mailbox) -> bool:
        self.status.enter(AccountState.IDLE)
        more = await mailbox.wait()
        self.status.succeeded()
        return more

    # --- what earlier sessions left ---------------------------------------------------------------------------------

    async def _count_today(self) -> None:
        """What an earlier process fetched today was handed out by the server, too."""
        if not self._counted and self.allowance.limit is not None:
            self.allowance.count(await self.ledger.octets_since(self.account, self.allowance.day))
        self._counted = True

    async def _settle_identity(self) -> None:
        """Another server, user or protocol than last time: the ids of its mail are others, and what was owed is void."""
        if self.identity and await self.ledger.identify(self.account, self.identity):
            log.info("account.moved", account=self.account)

    async def _settle_owed(self, mailbox: Mailbox) -> None:
        """Tell the server what a session that died between commit and acknowledgement could not."""
        refused = 0
        while owed := await self.ledger.owed(self.account, OWED_BATCH, refused):
            confirmed = await mailbox.acknowledge(owed)
            self.status.succeeded()
            self.note_remarks(mailbox)
            await self.ledger.confirm(self.account, confirmed, gone=self.removes)
            refused += len(owed) - len(confirmed)  # the next session tries them again

    async def _settle_baselines(self, mailbox: Mailbox) -> None:
        """Commit where each folder begins before its first fetch, also for a folder that is not there yet."""
        known = await self.ledger.baselines(self.account)
        self._by_time = {folder for folder, b in known.items() if b.sync_state is None and b.received_at > 0}
        for folder in await mailbox.folders():
            if folder in known:
                continue
            try:
                baseline = await mailbox.baseline(folder, self.since)
            except FolderMissing:
                # When it appears, what was received from today on counts, and what it brings from before does not.
                baseline = Baseline(None, time.time() if self.since is None else self.since)
                self._by_time.add(folder)
            await self.ledger.set_baseline(self.account, folder, baseline)
            self.status.succeeded()

    # --- new mail -----------------------------------------------------------------------------------------------------

    async def _sweep(self, mailbox: Mailbox) -> None:
        """Bring in all there is, page by page, and acknowledge it."""
        await self._fetch_released(mailbox)
        if self.allowance.spent:
            await self._read_ahead(mailbox)
            return
        missing: FolderMissing | None = None
        listed: set[Folder] = set()
        resets: set[Folder] = set()
        since = await self.ledger.sync_states(self.account)
        pipeline = _Pipeline(self, mailbox)
        try:
            async with aclosing(mailbox.pages(since)) as pages:
                async for page in pages:
                    listed.add(page.folder)
                    self._note_page(page)
                    if page.reset and page.folder not in resets:
                        resets.add(page.folder)
                        self._note_reset(page.folder)
                    if page.folder in self._by_time - since.keys():
                        page = replace(page, reset=True)  # begun by time alone: what is older is left alone
                    await pipeline.push(page, since.get(page.folder))
                    if self.allowance.spent:
                        break
        except FolderMissing as error:
            missing = error
        except BaseException:
            await pipeline.abandon()
            raise
        await pipeline.drain()
        self._note_missing(listed, missing)
        if missing is not None and not listed:
            raise missing
        if self.allowance.spent:
            await self._read_ahead(mailbox)

    async def _read_ahead(self, mailbox: Mailbox) -> None:
        """The day's share is spent: only what came in today, beside the sync states, which stay where they are (R-48).

        So older mail is listed again tomorrow, and what was read ahead is known then.
        """
        if self._said_spent != self.allowance.day:
            self._said_spent = self.allowance.day
            log.warning("account.day_spent", account=self.account, octets=self.allowance.used)
        lag = dict(self.status.lag)
        since = await self.ledger.sync_states(self.account)
        pipeline = _Pipeline(self, mailbox)
        try:
            async with aclosing(mailbox.recent(since, self.allowance.day)) as pages:
                async for page in pages:
                    self.status.succeeded()
                    if page.folder not in self._by_time - since.keys():
                        await pipeline.push(page, None)
        except BaseException:
            await pipeline.abandon()
            raise
        await pipeline.drain()
        self.status.lag = lag

    def _note_page(self, page: Page) -> None:
        self.status.succeeded()
        if page.listings:
            self.status.enter(AccountState.RECONCILING if page.reset else AccountState.RECEIVING)
        self.status.lag[page.folder] = page.remaining + len(page.listings)

    def _note_reset(self, folder: Folder) -> None:
        """Once is a server's right; again and again its storage is broken, and all we can do is say so and go on."""
        self.on_reset()
        now = time.monotonic()
        self._resets.append(now)
        if len(self._resets) > FLAPPING and now - self._resets[0] < FLAPPING_SECONDS:
            self.status.last_error = f"the server gave the ids of {folder!r} anew {FLAPPING + 1} times within an hour"
            log.warning("folder.flapping", account=self.account, folder=folder)

    def note_remarks(self, mailbox: Mailbox) -> None:
        """Say what the server would not be told; the mail is safe, and its receipts stay owed."""
        said = "; ".join(f"{folder!r}: {words}" for folder, words in mailbox.remarks.items())
        if said and said != self._remarked:
            log.warning("acknowledge.refused", account=self.account, error=said)
        if said:
            self.status.last_error = f"stored, but the server could not be told ({said})"
        self._remarked = said

    def _note_missing(self, listed: set[Folder], missing: FolderMissing | None) -> None:
        for folder in listed:
            if self.status.missing_folders.pop(folder, None):
                log.info("folder.found", account=self.account, folder=folder)
        if missing is not None and Folder(missing.folder) not in self.status.missing_folders:
            self.status.missing_folders[Folder(missing.folder)] = missing.reason
            log.warning("folder.missing", account=self.account, folder=missing.folder, error=str(missing))

    async def _fetch_released(self, mailbox: Mailbox) -> None:
        """Fetch what a person released although it is too large or was refused once."""
        for listing in await self.ledger.released(self.account):
            page = Page(listing.folder, (listing,))
            async with self._budgeted((listing,), self.limit * RELEASE_FACTOR):
                fetched = [f async for f in mailbox.fetch((listing,), limit=self.limit * RELEASE_FACTOR)]
                self.status.succeeded()
                plan = Plan(fetch=(listing,))
                accepted = await self.ledger.accept(self.account, page, plan, fetched, owe=self.owe)
            self.on_accepted(accepted)
            confirmed = await mailbox.acknowledge(accepted.receipts)
            await self.ledger.confirm(self.account, confirmed, gone=self.removes)

    async def fetch(self, mailbox: Mailbox, listings: Sequence[Listing]) -> list[Fetched]:
        """All of them in batches; those that an earlier session died of one by one, each attempt counted first."""
        fetched: list[Fetched] = []
        plain = [listing for listing in listings if listing.unique_id not in self._suspects]
        waiting = {listing.unique_id for listing in plain}
        try:
            async for one in mailbox.fetch(plain, limit=self.limit):
                self.allowance.count(len(one.octets))
                waiting.discard(one.listing.unique_id)
                fetched.append(one)
        except ConnectionLost:
            self._suspects |= waiting
            raise
        for listing in listings:
            if listing.unique_id in self._suspects:
                fetched.append(await self._fetch_suspect(mailbox, listing))
        return fetched

    async def _fetch_suspect(self, mailbox: Mailbox, listing: Listing) -> Fetched:
        attempts = await self.ledger.fetch_attempted(self.account, listing)
        if attempts > MAX_FETCH_ATTEMPTS:
            outcome = Fetched(listing, Extent.REFUSED, detail=f"the connection broke {attempts - 1} times while it was fetched")
        else:
            (outcome,) = [one async for one in mailbox.fetch((listing,), limit=self.limit)]
        self._suspects.discard(listing.unique_id)
        return outcome

    @asynccontextmanager
    async def _budgeted(self, listings: Sequence[Listing], limit: int) -> AsyncIterator[None]:
        taken = await self.budget.take(announced(listings, limit))
        try:
            yield
        finally:
            self.budget.give(taken)


def announced(listings: Sequence[Listing], limit: int) -> int:
    """Octets that fetching these may bring; what is larger than the limit brings its header only."""
    sizes = (UNANNOUNCED_SIZE if listing.size is None else listing.size for listing in listings)
    return sum(min(size, limit) for size in sizes)


class _Pipeline:
    """Overlaps the steps of successive pages: one is fetched while the one before is committed; then that is acknowledged."""

    def __init__(self, receiver: Receiver, mailbox: Mailbox) -> None:
        self.receiver = receiver
        self.mailbox = mailbox
        self._committing: asyncio.Task[Accepted] | None = None

    async def push(self, page: Page, stored: SyncState | None) -> None:
        """Fetch this page, then start its commit and acknowledge the one before meanwhile.

        A page that tells nothing new is left at that: what its rows owe was settled when the session began.
        """
        me = self.receiver
        if me.may_fetch is not None and page.listings:
            await me.may_fetch()
        if page.reset:  # it is recognised against the rows of the page before
            await self.drain()
        plan = await me.ledger.plan(me.account, page) if page.listings else Plan()
        news = plan.fetch or plan.rebind or plan.before_baseline or page.reset
        if not news and page.sync_state in (None, stored):
            me.status.lag[page.folder] = page.remaining
            return
        taken = await me.budget.take(announced(plan.fetch, me.limit))
        began = time.monotonic()
        try:
            fetched = await me.fetch(self.mailbox, plan.fetch) if plan.fetch else []
            before = await self._committed()
        except BaseException:
            me.budget.give(taken)
            raise
        self._committing = asyncio.create_task(self._commit(page, plan, fetched, taken, began))
        await self._acknowledge(before)

    async def drain(self) -> None:
        """Finish what was pushed."""
        await self._acknowledge(await self._committed())

    async def abandon(self) -> None:
        """The session died: let the commit under way end (it counts), and leave its receipts owed.

        Raises what the commit raised: trouble with the ledger matters more than trouble with a server.
        """
        await self._committed()

    async def _commit(self, page: Page, plan: Plan, fetched: Sequence[Fetched], taken: int, began: float) -> Accepted:
        me = self.receiver
        try:
            accepted = await me.ledger.accept(me.account, page, plan, fetched, owe=me.owe)
        finally:
            me.budget.give(taken)
        me.status.lag[page.folder] = page.remaining
        if fetched:
            me.on_staged(time.monotonic() - began)
        me.on_accepted(accepted)
        return accepted

    async def _committed(self) -> Sequence[Receipt]:
        """The receipts of the commit under way, once it is done."""
        committing = self._committing
        if committing is None:
            return ()
        try:
            return (await asyncio.shield(committing)).receipts
        finally:
            if committing.done():  # else we are being cancelled, and `abandon` waits for it
                self._committing = None

    async def _acknowledge(self, receipts: Sequence[Receipt]) -> None:
        if not receipts:
            return
        me = self.receiver
        confirmed = await self.mailbox.acknowledge(receipts)
        me.status.succeeded()
        me.note_remarks(self.mailbox)
        if confirmed:
            await me.ledger.confirm(me.account, confirmed, gone=me.removes)
