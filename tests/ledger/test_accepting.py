"""One page, one commit: rows, raw and sync state together; receipts owed from then on; everything twice is once."""

import dataclasses

import pytest
from ledger.makers import ACCOUNT, INBOX, dump, events, listing, look, page, states, take, take_one, whole

from listener.errors import Refused
from listener.mailbox import Baseline, Extent, Fetched, Folder, Page, Receipt, SyncState


async def test_a_page_is_accepted_with_its_sync_state_and_its_receipts_are_owed(ledger):
    accepted = await take(ledger, page(listing(1), listing(2), state="1:3"), {"1:1": b"one", "1:2": b"two"})
    assert accepted.accepted == 2
    assert accepted.receipts == (Receipt(INBOX, "1:1"), Receipt(INBOX, "1:2"))
    assert await ledger.owed(ACCOUNT) == list(accepted.receipts)
    assert await ledger.sync_states(ACCOUNT) == {INBOX: "1:3"}
    assert ledger.read_raw(1) == b"one"


async def test_accepting_twice_changes_nothing_more(ledger, state_dir):
    one = page(listing(1), listing(2), listing(3), listing(4), state="1:5")
    plan = await ledger.plan(ACCOUNT, one)
    fetched = [
        whole(one.listings[0], b"one"),
        whole(one.listings[1], b"one"),
        Fetched(one.listings[2], Extent.HEADER, b"head"),
        Fetched(one.listings[3], Extent.GONE),
    ]
    first = await ledger.accept(ACCOUNT, one, plan, fetched, owe=True)
    before = dump(state_dir)
    second = await ledger.accept(ACCOUNT, one, plan, fetched, owe=True)
    assert dump(state_dir) == before
    assert second.receipts == first.receipts
    assert (second.accepted, second.duplicates, second.quarantined, second.ignored) == (0, 0, 0, 0)


async def test_a_listing_that_has_a_row_is_not_fetched_again(ledger):
    await take_one(ledger, 1, b"one")
    plan = await ledger.plan(ACCOUNT, page(listing(1), listing(2)))
    assert [one.unique_id for one in plan.fetch] == ["1:2"]
    assert [one.unique_id for one in plan.known] == ["1:1"]


async def test_a_message_listed_twice_on_a_page_has_one_row(ledger):
    await take(ledger, page(listing(1), listing(1), state="1:2"), {"1:1": b"one"})
    assert await states(ledger) == [("accepted", None)]


async def test_the_server_may_hand_over_what_nobody_asked_for(ledger):
    one = page(listing(1), state="1:2")
    plan = await ledger.plan(ACCOUNT, one)
    await ledger.accept(ACCOUNT, one, plan, [whole(listing(9), b"nine"), whole(listing(1), b"one")], owe=True)
    assert [row["state"] for row in await ledger.messages()] == ["accepted"]


async def test_a_page_that_came_in_part_keeps_what_came_and_leaves_the_sync_state(ledger):
    one = page(listing(1), listing(2), state="1:3")
    plan = await ledger.plan(ACCOUNT, one)
    await ledger.accept(ACCOUNT, one, plan, [whole(listing(1), b"one")], owe=True)
    assert await ledger.sync_states(ACCOUNT) == {}
    plan = await ledger.plan(ACCOUNT, one)
    assert [missing.unique_id for missing in plan.fetch] == ["1:2"]
    await ledger.accept(ACCOUNT, one, plan, [whole(listing(2), b"two")], owe=True)
    assert await ledger.sync_states(ACCOUNT) == {INBOX: "1:3"}


async def test_an_empty_page_moves_the_sync_state(ledger):
    await take(ledger, page(state="1:77"), {})
    assert await ledger.sync_states(ACCOUNT) == {INBOX: "1:77"}


async def test_a_confirmed_receipt_is_owed_no_longer(ledger):
    accepted = await take_one(ledger, 1, b"one")
    await ledger.confirm(ACCOUNT, accepted.receipts)
    assert await ledger.owed(ACCOUNT) == []
    again = await take(ledger, page(listing(1)), {})
    assert again.receipts == ()


async def test_a_known_message_that_is_still_owed_is_told_again(ledger):
    await take_one(ledger, 1, b"one")
    again = await take(ledger, page(listing(1)), {})
    assert again.receipts == (Receipt(INBOX, "1:1"),)


async def test_the_servers_listing_says_that_an_owed_receipt_is_needed_no_more(ledger):
    await take_one(ledger, 1, b"one")
    again = await take(ledger, page(listing(1, acknowledged=True)), {})
    assert again.receipts == ()
    assert await ledger.owed(ACCOUNT) == []


async def test_nothing_is_owed_for_what_the_server_shows_as_told(ledger):
    assert (await take_one(ledger, 1, b"one", acknowledged=True)).receipts == ()


async def test_nothing_is_owed_when_mail_is_kept_as_it_is(ledger):
    accepted = await take(ledger, page(listing(1), state="1:2"), {"1:1": b"one"}, owe=False)
    assert accepted.receipts == ()


async def test_raw_octets_are_kept_once_across_accounts(ledger, state_dir):
    await take_one(ledger, 1, b"same")
    await take(ledger, page(listing(1), state="1:2"), {"1:1": b"same"}, account="sales")
    assert look(state_dir, "SELECT count(*) FROM raw") == [(1,)]
    assert await states(ledger) == [("accepted", None), ("accepted", None)]


async def test_equal_octets_in_the_account_are_a_duplicate_and_owed_too(ledger):
    await take_one(ledger, 1, b"same")
    accepted = await take_one(ledger, 2, b"same")
    assert accepted.duplicates == 1
    assert accepted.receipts == (Receipt(INBOX, "1:2"),)
    assert await states(ledger) == [("accepted", None), ("ignored", "duplicate of 1")]


async def test_equal_octets_on_one_page_and_in_another_folder_are_duplicates(ledger):
    await take(ledger, page(listing(1), listing(2), state="1:3"), {"1:1": b"same", "1:2": b"same"})
    archive = Folder("Archive")
    there = dataclasses.replace(listing(1), folder=archive)
    await take(ledger, Page(archive, (there,), SyncState("1:2")), {"1:1": b"same"})
    assert [reason for _, reason in await states(ledger)] == [None, "duplicate of 1", "duplicate of 1"]


async def test_a_reused_message_id_with_other_content_is_never_dropped(ledger):
    first, second = b"Message-ID: <x@example.com>\r\n\r\none", b"Message-ID: <x@example.com>\r\n\r\ntwo"
    await take_one(ledger, 1, first, message_id="x@example.com")
    await take_one(ledger, 2, second, message_id="x@example.com")
    assert await states(ledger) == [("accepted", None), ("accepted", None)]


async def test_too_large_is_quarantined_with_its_header_and_never_owed(ledger):
    one = listing(1, size=10**9)
    accepted = await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.HEADER, b"Subject: big")})
    assert accepted.quarantined == 1
    assert accepted.receipts == ()
    assert await states(ledger) == [("quarantined", "too_large")]
    assert ledger.read_raw(1) == b"Subject: big"
    assert await ledger.sync_states(ACCOUNT) == {INBOX: "1:2"}


async def test_a_header_alone_never_makes_a_whole_message_a_duplicate(ledger):
    one = listing(1)
    await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.HEADER, b"same octets")})
    await take_one(ledger, 2, b"same octets")
    assert await states(ledger) == [("quarantined", "too_large"), ("accepted", None)]


async def test_what_is_gone_is_ignored_and_fetched_if_the_server_lists_it_again(ledger):
    one = listing(1)
    await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.GONE)})
    assert await states(ledger) == [("ignored", "vanished")]
    assert await ledger.released(ACCOUNT) == []
    accepted = await take(ledger, page(one), {"1:1": b"one after all"})
    assert accepted.receipts == (Receipt(INBOX, "1:1"),)
    assert await states(ledger) == [("accepted", None)]


@pytest.mark.parametrize(("extent", "reason"), [(Extent.HEADER, "too_large"), (Extent.REFUSED, "refused")])
async def test_what_was_gone_and_comes_back_unusable_is_quarantined(ledger, extent, reason):
    one = listing(1)
    await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.GONE)})
    await take(ledger, page(one), {"1:1": Fetched(one, extent, b"Subject: x")})
    assert await states(ledger) == [("quarantined", reason)]


async def test_what_is_gone_twice_stays_as_it_is(ledger, state_dir):
    one = listing(1)
    await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.GONE)})
    before = dump(state_dir)
    await take(ledger, page(one), {"1:1": Fetched(one, Extent.GONE)})
    assert dump(state_dir) == before


async def test_a_refused_message_is_quarantined_with_the_servers_words(ledger):
    one = listing(1)
    await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.REFUSED, detail="NO cannot decrypt")})
    assert await states(ledger) == [("quarantined", "refused")]
    assert (await ledger.explain(1))["events"][0]["server"] == "NO cannot decrypt"


async def test_a_released_large_message_is_fetched_whole_and_goes_on(ledger):
    one = listing(1, size=10**9)
    await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.HEADER, b"Subject: big")})
    assert await ledger.release(1) == "quarantined"
    assert [wanted.unique_id for wanted in await ledger.released(ACCOUNT)] == ["1:1"]
    accepted = await take(ledger, page(*await ledger.released(ACCOUNT)), {"1:1": b"Subject: big\r\n\r\nall of it"})
    assert accepted.receipts == (Receipt(INBOX, "1:1"),)
    assert await ledger.released(ACCOUNT) == []
    assert await states(ledger) == [("accepted", None)]
    assert ledger.read_raw(1) == b"Subject: big\r\n\r\nall of it"
    assert await ledger.sync_states(ACCOUNT) == {INBOX: "1:2"}
    assert await events(ledger, 1) == ["message.quarantined", "message.released", "message.fetched"]


async def test_a_released_message_that_was_known_all_along_is_a_duplicate(ledger):
    one = listing(1)
    await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.HEADER, b"Subject: big")})
    await take_one(ledger, 2, b"whole")
    await ledger.release(1)
    await take(ledger, page(*await ledger.released(ACCOUNT)), {"1:1": b"whole"})
    assert await states(ledger) == [("ignored", "duplicate of 2"), ("accepted", None)]


@pytest.mark.parametrize(("extent", "reason"), [(Extent.HEADER, "too_large"), (Extent.GONE, "vanished")])
async def test_a_released_message_that_is_still_not_had_stays_in_quarantine(ledger, extent, reason):
    one = listing(1)
    await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.HEADER, b"Subject: big")})
    await ledger.release(1)
    await take(ledger, page(*await ledger.released(ACCOUNT)), {"1:1": Fetched(one, extent, b"Subject: big")})
    assert await states(ledger) == [("quarantined", reason)]
    assert await ledger.released(ACCOUNT) == []


async def test_release_says_why_it_cannot(ledger):
    await take_one(ledger, 1, b"one")
    with pytest.raises(Refused, match="entry 1 is accepted; only a quarantined one can be released"):
        await ledger.release(1)
    with pytest.raises(Refused, match="there is no entry 2"):
        await ledger.release(2)


async def test_lone_fetches_are_counted_and_forgotten_once_it_is_here(ledger):
    assert [await ledger.fetch_attempted(ACCOUNT, listing(1)) for _ in range(3)] == [1, 2, 3]
    await take_one(ledger, 1, b"one")
    assert await ledger.fetch_attempted(ACCOUNT, listing(1)) == 1


async def test_the_first_baseline_wins_and_brings_its_sync_state(ledger):
    first = await ledger.set_baseline(ACCOUNT, INBOX, Baseline(SyncState("1:5"), 100.0))
    second = await ledger.set_baseline(ACCOUNT, INBOX, Baseline(SyncState("9:9"), 900.0))
    assert first == second == Baseline(SyncState("1:5"), 100.0)
    assert await ledger.baselines(ACCOUNT) == {INBOX: first}
    assert await ledger.sync_states(ACCOUNT) == {INBOX: "1:5"}
    assert await ledger.baselines("sales") == {}


async def test_what_was_present_at_the_baseline_is_never_fetched(ledger):
    await ledger.set_baseline(ACCOUNT, INBOX, Baseline(None, 100.0, present=("1:1", "1:2")))
    plan = await ledger.plan(ACCOUNT, page(listing(1), listing(2), listing(3)))
    assert [one.unique_id for one in plan.fetch] == ["1:3"]
    assert await states(ledger) == [("ignored", "before_baseline")] * 2
    assert await ledger.sync_states(ACCOUNT) == {}


async def test_a_large_page_is_one_commit(ledger):
    listings = [listing(uid) for uid in range(1, 234)]
    accepted = await take(ledger, page(*listings, state="1:234"), {one.unique_id: one.unique_id.encode() for one in listings})
    assert accepted.accepted == len(accepted.receipts) == 233
    assert [row["id"] for row in await ledger.messages(limit=1000)] == list(range(233, 0, -1))
