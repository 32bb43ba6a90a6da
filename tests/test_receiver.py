"""The receiver's loop over an in-memory mailbox and a real ledger."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from listener import receiver as receiver_module
from listener.budget import DAY, ByteBudget, DayAllowance
from listener.errors import ConnectionLost, FolderMissing
from listener.ledger import Ledger
from listener.mailbox import Extent, Folder
from listener.receiver import MAX_FETCH_ATTEMPTS, Receiver, announced
from listener.status import AccountState, AccountStatus
from listener.testing.mailbox import FakeMailbox
from listener.testing.store import Store

LIMIT = 10_000


def mail(number: int, size: int = 100) -> bytes:
    return f"Message-ID: <{number}@example.net>\r\nSubject: {number}\r\n\r\n".encode() + b"x" * size


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    ledger = await Ledger.open(tmp_path / "state")
    yield ledger
    await ledger.close()


class Desk:
    """One account: its store on the far side, and sessions of a receiver that end when there is nothing more to do."""

    def __init__(self, ledger: Ledger, **mailbox: object) -> None:
        self.ledger = ledger
        self.store = Store(time.time)
        self.mailbox = mailbox
        self.status = AccountStatus("a", "imap")
        self.budget = ByteBudget(1_000_000)
        self.sessions: list[FakeMailbox] = []
        self.kind: Callable[..., FakeMailbox] = OneSweep
        self.since: float | None = 0
        self.owe = True

    async def open(self) -> FakeMailbox:
        session = self.kind(self.store, **self.mailbox)
        self.sessions.append(session)
        return session

    def receiver(self) -> Receiver:
        return Receiver("a", self.ledger, self.open, self.budget, self.status, since=self.since, owe=self.owe, limit=LIMIT)

    async def states(self) -> list[tuple[str, str]]:
        rows = await self.ledger.messages(account="a", limit=100)
        return [(row["state"], row["reason"] or "") for row in reversed(rows)]

    def seen(self) -> int:
        return sum("\\Seen" in m.flags for m in self.store["INBOX"].messages.values())


class OneSweep(FakeMailbox):
    """Says after the first sweep that nothing more can come."""

    async def wait(self) -> bool:
        return False


async def test_new_mail_is_stored_then_acknowledged(ledger: Ledger) -> None:
    desk = Desk(ledger)
    for number in range(5):
        desk.store.deliver("INBOX", mail(number))
    await desk.receiver().run_session()
    assert await desk.states() == [("accepted", "")] * 5
    assert desk.seen() == 5
    assert await ledger.owed("a") == []
    assert desk.status.lag_messages == 0
    assert desk.status.last_success is not None


async def test_start_now_leaves_old_mail_alone(ledger: Ledger) -> None:
    desk = Desk(ledger)
    desk.since = None
    desk.store.deliver("INBOX", mail(1))
    receiver = desk.receiver()
    await receiver.run_session()
    desk.store.deliver("INBOX", mail(2))
    await receiver.run_session()
    assert await desk.states() == [("accepted", "")]
    assert desk.seen() == 1


async def test_what_an_earlier_session_owes_is_settled_first(ledger: Ledger) -> None:
    desk = Desk(ledger)
    desk.store.deliver("INBOX", mail(1))

    class Deaf(OneSweep):
        async def acknowledge(self, receipts):
            raise ConnectionLost("cut")

    desk.kind = Deaf
    with pytest.raises(ConnectionLost):
        await desk.receiver().run_session()
    assert len(await ledger.owed("a")) == 1
    assert desk.seen() == 0
    desk.kind = OneSweep
    await desk.receiver().run_session()
    assert desk.seen() == 1
    assert await ledger.owed("a") == []
    assert await desk.states() == [("accepted", "")]


async def test_receipts_that_the_server_refuses_do_not_keep_later_ones_waiting(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver_module, "OWED_BATCH", 2)
    desk = Desk(ledger)

    class Stubborn(OneSweep):
        async def acknowledge(self, receipts):
            return await super().acknowledge([r for r in receipts if int(r.unique_id.partition(":")[2]) > 4])

    class Deaf(OneSweep):
        async def acknowledge(self, receipts):
            return ()

    for number in range(7):
        desk.store.deliver("INBOX", mail(number))
    desk.kind = Deaf
    await desk.receiver().run_session()
    assert len(await ledger.owed("a")) == 7
    desk.kind = Stubborn
    await desk.receiver().run_session()
    assert [receipt.unique_id.partition(":")[2] for receipt in await ledger.owed("a")] == ["1", "2", "3", "4"]


async def test_after_keep_owes_nothing(ledger: Ledger) -> None:
    desk = Desk(ledger, after="keep")
    desk.owe = False
    desk.store.deliver("INBOX", mail(1))
    await desk.receiver().run_session()
    assert await ledger.owed("a") == []
    assert desk.seen() == 0


async def test_a_message_that_breaks_the_connection_each_time_ends_in_quarantine_and_blocks_nobody(ledger: Ledger) -> None:
    class Breaks(OneSweep):
        async def fetch(self, listings, *, limit):
            for listing in listings:
                if listing.unique_id.endswith(":2"):
                    raise ConnectionLost("a parenthesis too many")
                async for fetched in FakeMailbox.fetch(self, [listing], limit=limit):
                    yield fetched

    desk = Desk(ledger)
    desk.kind = Breaks
    for number in (1, 2, 3):
        desk.store.deliver("INBOX", mail(number))
    receiver = desk.receiver()
    for _ in range(MAX_FETCH_ATTEMPTS + 1):
        with pytest.raises(ConnectionLost):
            await receiver.run_session()
    await receiver.run_session()
    assert sorted(await desk.states()) == [("accepted", ""), ("accepted", ""), ("quarantined", "refused")]
    assert desk.seen() == 2


async def test_a_missing_folder_parks_alone(ledger: Ledger) -> None:
    desk = Desk(ledger, folders=("INBOX", "Gone"))
    desk.store.deliver("INBOX", mail(1))
    receiver = desk.receiver()
    await receiver.run_session()
    assert await desk.states() == [("accepted", "")]
    assert set(desk.status.missing_folders) == {Folder("Gone")}
    desk.store.create("Gone")
    desk.store.deliver("Gone", mail(2))
    await receiver.run_session()
    assert await desk.states() == [("accepted", "")] * 2
    assert desk.status.missing_folders == {}


async def test_a_folder_that_appears_later_brings_no_mail_from_before_the_start(ledger: Ledger) -> None:
    desk = Desk(ledger, folders=("INBOX", "Late"), page_count=1)
    desk.since = None
    receiver = desk.receiver()
    await receiver.run_session()
    desk.store.create("Late")
    desk.store.deliver("Late", mail(1), internal_date=time.time() - 86400)
    desk.store.deliver("Late", mail(2), internal_date=time.time() + 1)
    await receiver.run_session()
    assert await desk.states() == [("ignored", "before_baseline"), ("accepted", "")]


async def test_the_only_folder_missing_is_the_accounts_failure(ledger: Ledger) -> None:
    desk = Desk(ledger, folders=("Gone",))
    with pytest.raises(FolderMissing):
        await desk.receiver().run_session()


async def test_too_large_is_quarantined_unacknowledged_and_fetched_once_released(ledger: Ledger) -> None:
    desk = Desk(ledger)
    desk.store.deliver("INBOX", mail(1, size=LIMIT * 2))
    receiver = desk.receiver()
    await receiver.run_session()
    assert await desk.states() == [("quarantined", "too_large")]
    assert desk.seen() == 0
    (row,) = await ledger.messages(account="a", limit=1)
    await ledger.release(row["id"])
    await receiver.run_session()
    assert await desk.states() == [("accepted", "")]
    assert desk.seen() == 1


async def test_a_reset_over_many_pages_doubles_nothing(ledger: Ledger) -> None:
    desk = Desk(ledger, page_count=3)
    for number in range(10):
        desk.store.deliver("INBOX", mail(number))
    receiver = desk.receiver()
    await receiver.run_session()
    desk.store["INBOX"].renumber(99)
    desk.store.deliver("INBOX", mail(10))
    await receiver.run_session()
    assert await desk.states() == [("accepted", "")] * 11


async def test_the_budget_is_given_back_whatever_happens(ledger: Ledger) -> None:
    class Breaks(OneSweep):
        async def fetch(self, listings, *, limit):
            raise ConnectionLost("cut")
            yield

    desk = Desk(ledger)
    desk.kind = Breaks
    desk.store.deliver("INBOX", mail(1))
    with pytest.raises(ConnectionLost):
        await desk.receiver().run_session()
    assert desk.budget.used == 0


async def test_the_budget_makes_others_wait_in_order() -> None:
    budget = ByteBudget(100)
    await budget.take(80)
    order: list[str] = []

    async def want(name: str, octets: int) -> None:
        taken = await budget.take(octets)
        order.append(name)
        budget.give(taken)

    big, small = asyncio.create_task(want("big", 90)), asyncio.create_task(want("small", 5))
    await asyncio.sleep(0)
    assert order == [], "a small one does not overtake, or a big one would wait for ever"
    budget.give(80)
    await asyncio.gather(big, small)
    assert order == ["big", "small"]
    assert budget.used == 0


async def test_a_wish_larger_than_the_budget_gets_all_of_it() -> None:
    budget = ByteBudget(100)
    assert await budget.take(1000) == 100
    budget.give(100)


async def test_a_cancelled_wait_keeps_nothing_of_the_budget() -> None:
    budget = ByteBudget(100)
    await budget.take(100)
    waiting = asyncio.create_task(budget.take(50))
    await asyncio.sleep(0)
    waiting.cancel()
    budget.give(100)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert budget.used == 0


def test_announced_counts_the_limit_for_what_is_larger() -> None:
    from listener.mailbox import Listing

    folder = Folder("INBOX")
    assert announced([Listing(folder, "1", 500), Listing(folder, "2", 10**9)], limit=1000) == 1500


def test_states_are_those_of_the_contract() -> None:
    names = "starting connecting receiving idle polling backoff auth_failed needs_consent reconciling parked stopped"
    assert [state.value for state in AccountState] == names.split()
    assert Extent.WHOLE == "whole"


async def test_ids_given_anew_again_and_again_are_an_alarm_and_no_end(ledger: Ledger) -> None:
    desk = Desk(ledger)
    desk.store.deliver("INBOX", mail(1))
    receiver = desk.receiver()
    await receiver.run_session()
    for validity in range(100, 106):
        assert desk.status.last_error is None
        desk.store["INBOX"].renumber(validity)
        await receiver.run_session()
    assert "anew" in (desk.status.last_error or "")
    assert await desk.states() == [("accepted", "")]


# --- an account's share of a day (R-48) -----------------------------------------------------------------------------------


class Days:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.now = 20_000 * DAY + 3600

    def __call__(self) -> float:
        return self.now


class Rationed(Desk):
    """A desk whose account may fetch so many octets a day, with a mailbox whose old mail comes in pages of one."""

    def __init__(self, ledger: Ledger, days: Days, limit: int) -> None:
        super().__init__(ledger, page_count=1)
        self.days, self.limit = days, limit
        self.store = Store(days)

    def receiver(self) -> Receiver:
        receiver = super().receiver()
        receiver.allowance = DayAllowance(self.limit, self.days)
        return receiver

    def fill(self, count: int) -> None:
        for number in range(count):
            self.store.deliver("INBOX", mail(number), internal_date=self.days.now - 30 * DAY)


async def test_when_the_share_of_the_day_is_spent_old_mail_waits_and_new_mail_is_read(tmp_path: Path) -> None:
    days = Days()
    ledger = await Ledger.open(tmp_path / "state", now=days)
    desk = Rationed(ledger, days, 3 * len(mail(0)))
    desk.fill(10)
    receiver = desk.receiver()
    await receiver.run_session()
    assert len(await desk.states()) == 3
    desk.store.deliver("INBOX", mail(100))
    await receiver.run_session()
    assert len(await desk.states()) == 4
    assert "\\Seen" in desk.store["INBOX"].messages[11].flags
    assert desk.status.lag_messages > 0
    await ledger.close()


async def test_old_mail_goes_on_the_next_day_and_nothing_is_taken_twice(tmp_path: Path) -> None:
    days = Days()
    ledger = await Ledger.open(tmp_path / "state", now=days)
    desk = Rationed(ledger, days, 3 * len(mail(0)))
    desk.fill(5)
    receiver = desk.receiver()
    await receiver.run_session()
    desk.store.deliver("INBOX", mail(100))
    await receiver.run_session()
    days.now += DAY
    await receiver.run_session()
    assert await desk.states() == [("accepted", "")] * 6
    assert desk.seen() == 6
    assert desk.status.lag_messages == 0
    await ledger.close()


async def test_a_restart_does_not_give_the_share_of_the_day_again(tmp_path: Path) -> None:
    days = Days()
    ledger = await Ledger.open(tmp_path / "state", now=days)
    desk = Rationed(ledger, days, 3 * len(mail(0)))
    desk.fill(10)
    await desk.receiver().run_session()
    await ledger.close()
    desk.ledger = ledger = await Ledger.open(tmp_path / "state", now=days)
    await desk.receiver().run_session()
    assert len(await desk.states()) == 3
    assert await ledger.octets_since("a", days.now - 3600) == 3 * len(mail(0))
    assert await ledger.octets_since("b", 0) == 0
    await ledger.close()
