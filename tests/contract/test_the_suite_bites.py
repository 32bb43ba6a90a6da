"""The contract suite turns red for the faults that lost or doubled mail elsewhere: each is made on purpose, and is caught."""

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from listener.errors import FolderMissing
from listener.mailbox import Extent, Receipt, SyncState
from listener.testing.mailbox import FakeMailbox
from tests.contract import test_acknowledging, test_fetching, test_listing, test_waiting
from tests.contract.worlds import FakeMove, FakeSeen


class MarksWhileFetching(FakeMailbox):
    """`BODY[]` in place of `BODY.PEEK[]`."""

    async def fetch(self, listings, *, limit):
        async for one in super().fetch(listings, limit=limit):
            self._store[one.listing.folder].set_flags(int(one.listing.unique_id.split(":")[1]), {"\\Seen"})
            yield one


class KeepsTheStateOfAfterwards(FakeMailbox):
    """The state taken after the listing, not before it: what arrived in between is never listed."""

    async def pages(self, since):
        async for page in super().pages(since):
            yield page
            if not page.remaining:
                state = SyncState(f"{self._store['INBOX'].uid_validity}:{self._store['INBOX'].uid_next}")
                yield replace(page, listings=(), sync_state=state)


class GivesTheLastStateAtOnce(FakeMailbox):
    """Every page carries the state of the end: a crash after the first page loses the rest."""

    async def pages(self, since):
        async for page in super().pages(since):
            box = self._store[page.folder]
            yield replace(page, sync_state=SyncState(f"{box.uid_validity}:{box.uid_next}"))


class IgnoresNewValidity(FakeMailbox):
    """A changed UIDVALIDITY is taken for the old one."""

    async def pages(self, since):
        here = {
            name: SyncState(f"{self._store[name].uid_validity}:{state.split(':')[1]}")
            for name, state in since.items()
            if name in self._store
        }
        async for page in super().pages(here):
            yield page


class StopsAtAMissingFolder(FakeMailbox):
    async def pages(self, since):
        if any(folder not in self._store for folder in self._folders):
            raise FolderMissing("Missing", "one is missing, so none is read")
        async for page in super().pages(since):
            yield page


class SleepsThroughMail(FakeMailbox):
    """Goes to sleep without looking once more."""

    async def wait(self):
        self._listed = {folder: self._store[folder].uid_next for folder in self._folders}
        return await super().wait()


class TellsTheWholeFolder(FakeMailbox):
    """Acknowledges `1:*` for a range."""

    async def acknowledge(self, receipts):
        for receipt in receipts:
            box = self._store[receipt.folder]
            every = [Receipt(receipt.folder, f"{box.uid_validity}:{uid}") for uid in box.messages]
            await super().acknowledge(every)
        return receipts


class ForgetsWhatIsGone(FakeMailbox):
    """Does not confirm what is no longer there, so that it stays owed for ever."""

    async def acknowledge(self, receipts):
        there = [receipt for receipt in receipts if self._find(receipt.folder, receipt.unique_id)]
        return await super().acknowledge(there)


class LeavesOutWhatIsRefused(FakeMailbox):
    async def fetch(self, listings, *, limit):
        async for one in super().fetch(listings, limit=limit):
            if one.extent is not Extent.REFUSED:
                yield one


class CallsALostConnectionEmpty(FakeMailbox):
    async def fetch(self, listings, *, limit):
        if not self._lost:
            async for one in super().fetch(listings, limit=limit):
                yield one


CAUGHT = [
    (MarksWhileFetching, test_fetching.test_fetching_changes_nothing_on_the_server),
    (KeepsTheStateOfAfterwards, test_listing.test_what_came_while_pages_were_read_is_in_the_next_listing),
    (IgnoresNewValidity, test_listing.test_after_a_reset_everything_is_listed_again_with_its_identity),
    (GivesTheLastStateAtOnce, test_listing.test_a_reset_that_breaks_off_is_still_a_reset_in_the_next_session),
    (StopsAtAMissingFolder, test_listing.test_a_missing_folder_is_told_only_after_the_others_were_listed),
    (SleepsThroughMail, test_waiting.test_mail_that_came_between_listing_and_waiting_is_not_slept_through),
    (TellsTheWholeFolder, test_acknowledging.test_what_is_acknowledged_shows_it_and_nothing_else_does),
    (ForgetsWhatIsGone, test_acknowledging.test_what_is_no_longer_there_counts_as_confirmed),
    (LeavesOutWhatIsRefused, test_fetching.test_a_message_that_is_never_handed_over_is_refused_and_the_others_come),
    (CallsALostConnectionEmpty, test_fetching.test_a_lost_connection_is_said_and_not_taken_for_an_empty_answer),
]


@pytest.mark.parametrize(("flawed", "case"), CAUGHT, ids=lambda value: value.__name__)
@pytest.mark.parametrize("far_side", [FakeSeen, FakeMove], ids=lambda far_side: far_side.name)
async def test_a_flaw_turns_its_case_red(far_side, flawed, case, monkeypatch):
    monkeypatch.setattr("tests.contract.worlds.FakeMailbox", flawed)
    monkeypatch.setattr(test_waiting, "WITHIN", 0.05)
    async with AsyncExitStack() as stack:
        here = far_side()
        await here.start(stack)
        with pytest.raises((AssertionError, TimeoutError, pytest.fail.Exception)):
            await case(here)
