"""The server gave its ids anew: known mail is recognised by identity, nothing is doubled, nothing from before comes up."""

import dataclasses

import pytest
from ledger.makers import (
    ACCOUNT,
    INBOX,
    dump,
    events,
    file_due,
    filed,
    listing,
    look,
    message,
    page,
    states,
    take,
    take_one,
    whole,
)

from listener.mailbox import Baseline, Extent, Fetched, Folder, Page, Receipt, SyncState


def reset(*listings, state="2:9", **more):
    return page(*listings, state=state, reset=True, **more)


async def test_a_lasting_provider_id_rebinds_without_a_fetch(ledger):
    await take_one(ledger, 1, b"one", provider_id="G1")
    one = reset(listing("2:7", provider_id="G1"))
    plan = await ledger.plan(ACCOUNT, one)
    assert plan.fetch == ()
    assert [(rebind.entry, rebind.listing.unique_id) for rebind in plan.rebind] == [(1, "2:7")]
    await ledger.accept(ACCOUNT, one, plan, [], owe=True)
    assert (await ledger.explain(1))["unique_id"] == "2:7"
    assert await ledger.sync_states(ACCOUNT) == {INBOX: "2:9"}


async def test_message_id_size_and_date_together_rebind_without_a_fetch(ledger):
    known = {"size": 3, "received_at": 50.0}
    await take_one(ledger, 1, b"one", **known)
    await file_due(ledger)
    plan = await ledger.plan(ACCOUNT, reset(listing("2:7", message_id="one@example.com", **known)))
    assert [rebind.entry for rebind in plan.rebind] == [1]


@pytest.mark.parametrize("other", [{"size": 4}, {"received_at": 51.0}, {"message_id": "two@example.com"}])
async def test_anything_less_is_fetched(ledger, other):
    known = {"size": 3, "received_at": 50.0}
    await take_one(ledger, 1, b"one", **known)
    await file_due(ledger)
    plan = await ledger.plan(ACCOUNT, reset(listing("2:7", **{"message_id": "one@example.com", **known, **other})))
    assert [one.unique_id for one in plan.fetch] == ["2:7"]


async def test_two_of_one_identity_are_fetched_and_told_apart_by_their_octets(ledger):
    """A new message may bear the Message-ID, size and second of one that is gone: it must not be taken for it."""
    known = {"size": 3, "received_at": 50.0, "message_id": "same@example.com"}
    same = {"one": message("same"), "two": message("same")}
    await take(ledger, page(listing(1, **known), listing(2, **known), state="1:3"), {"1:1": b"one", "1:2": b"two"})
    await file_due(ledger, **same)
    one = reset(listing("2:7", **known), listing("2:8", **known))
    assert len((await ledger.plan(ACCOUNT, one)).fetch) == 2
    accepted = await take(ledger, one, {"2:7": b"two", "2:8": b"new"})
    assert accepted.accepted == 1
    assert (await ledger.explain(2))["unique_id"] == "2:7"
    assert (await ledger.explain(1))["unique_id"] == "1:1"


async def test_equal_octets_rebind_after_the_fetch(ledger):
    await take_one(ledger, 1, b"one")
    accepted = await take(ledger, reset(listing("2:7")), {"2:7": b"one"})
    assert (accepted.accepted, accepted.duplicates) == (0, 0)
    assert (await ledger.explain(1))["unique_id"] == "2:7"
    assert accepted.receipts == (Receipt(INBOX, "2:7"),)


async def test_each_row_is_rebound_once_and_a_further_copy_is_a_duplicate(ledger):
    await take_one(ledger, 1, b"one")
    accepted = await take(ledger, reset(listing("2:7"), listing("2:8")), {"2:7": b"one", "2:8": b"one"})
    assert accepted.duplicates == 1
    assert await states(ledger) == [("accepted", None), ("ignored", "duplicate of 1")]


async def test_copies_are_rebound_to_copies(ledger, state_dir):
    await take(ledger, page(listing(1), listing(2), state="1:3"), {"1:1": b"one", "1:2": b"one"})
    await take(ledger, reset(listing("2:7"), listing("2:8")), {"2:7": b"one", "2:8": b"one"})
    assert look(state_dir, "SELECT id, unique_id FROM entries ORDER BY id") == [(1, "2:7"), (2, "2:8")]


async def test_what_is_still_listed_under_its_id_keeps_it(ledger, state_dir):
    """POP3: most ids changed, this one did not, and a copy of it has turned up."""
    await take_one(ledger, 1, b"one")
    await take(ledger, reset(listing(1), listing("2:8")), {"2:8": b"one"})
    assert look(state_dir, "SELECT unique_id, state FROM entries ORDER BY id") == [("1:1", "accepted"), ("2:8", "ignored")]


async def test_equal_octets_in_another_folder_are_not_rebound(ledger):
    await take_one(ledger, 1, b"one")
    archive = Folder("Archive")
    there = dataclasses.replace(listing("2:1"), folder=archive)
    await take(ledger, Page(archive, (there,), SyncState("2:2"), reset=True), {"2:1": b"one"})
    assert (await ledger.explain(1))["unique_id"] == "1:1"
    assert await states(ledger) == [("accepted", None), ("ignored", "duplicate of 1")]


async def test_unknown_mail_from_before_the_baseline_is_left_alone(ledger):
    await ledger.set_baseline(ACCOUNT, INBOX, Baseline(SyncState("1:5"), 100.0))
    old, new, undated = (listing("2:1", received_at=99.0), listing("2:2", received_at=100.0), listing("2:3"))
    plan = await ledger.plan(ACCOUNT, reset(old, new, undated))
    assert plan.before_baseline == (old,)
    assert plan.fetch == (new, undated)
    accepted = await take(ledger, reset(old, new, undated), {"2:2": b"two", "2:3": b"three"})
    assert accepted.ignored == 1
    assert await states(ledger) == [("ignored", "before_baseline"), ("accepted", None), ("accepted", None)]


async def test_without_a_reset_the_date_leaves_nothing_out(ledger):
    """A message may bear any INTERNALDATE (APPEND); only a reset needs it to tell old from new."""
    await ledger.set_baseline(ACCOUNT, INBOX, Baseline(SyncState("1:5"), 100.0))
    plan = await ledger.plan(ACCOUNT, page(listing(5, received_at=3.0)))
    assert [one.unique_id for one in plan.fetch] == ["1:5"]


async def test_new_mail_during_the_reset_is_accepted_once(ledger):
    await filed(ledger, "1:1", "1:2", "1:3")
    names = {"2:1": b"1:1", "2:2": b"1:2", "2:3": b"1:3", "2:4": b"new"}
    await take(ledger, reset(*(listing(key) for key in names)), names)
    assert [state for state, _ in await states(ledger)] == ["filed"] * 3 + ["accepted"]


async def test_a_flapping_uidvalidity_leaves_every_message_its_one_row(ledger):
    await take(ledger, page(listing(1), listing(2), state="1:3"), {"1:1": b"one", "1:2": b"two"})
    for validity in ("2", "1", "2", "1", "3"):
        ids = {f"{validity}:1": b"one", f"{validity}:2": b"two"}
        await take(ledger, reset(*(listing(key) for key in ids), state=f"{validity}:3"), ids)
        assert await states(ledger) == [("accepted", None), ("accepted", None)]
    assert (await ledger.explain(2))["unique_id"] == "3:2"


async def test_a_flapping_uidvalidity_does_not_bring_up_old_mail_nor_rows_without_end(ledger):
    await ledger.set_baseline(ACCOUNT, INBOX, Baseline(SyncState("1:5"), 100.0))
    for validity in ("2", "1", "2", "1", "2"):
        await take(ledger, reset(listing(f"{validity}:1", received_at=9.0), state=f"{validity}:5"), {})
    assert await states(ledger) == [("ignored", "before_baseline")] * 2


async def test_a_reset_in_several_pages_stays_a_reset_until_its_last_one(ledger):
    """Also when the connection broke between them and the later pages no longer say so."""
    await ledger.set_baseline(ACCOUNT, INBOX, Baseline(SyncState("1:5"), 100.0))
    await take(ledger, reset(listing("2:1", received_at=9.0), state="2:2", remaining=2), {})
    await take(ledger, page(listing("2:2", received_at=9.0), state="2:3", remaining=1), {})
    await take(ledger, page(listing("2:3", received_at=9.0), state="2:4"), {})
    assert await states(ledger) == [("ignored", "before_baseline")] * 3
    plan = await ledger.plan(ACCOUNT, page(listing("2:4", received_at=9.0)))
    assert [one.unique_id for one in plan.fetch] == ["2:4"]


async def test_a_copy_on_a_later_page_of_the_reset_is_a_duplicate(ledger, state_dir):
    await take_one(ledger, 1, b"one")
    await take(ledger, reset(listing("2:1"), state="2:2", remaining=1), {"2:1": b"one"})
    await take(ledger, reset(listing("2:2"), state="2:3"), {"2:2": b"one"})
    assert look(state_dir, "SELECT unique_id, state FROM entries ORDER BY id") == [("2:1", "accepted"), ("2:2", "ignored")]


async def test_accepting_a_page_of_a_reset_twice_changes_nothing_more(ledger, state_dir):
    await take(ledger, page(listing(1, provider_id="G1"), listing(2), state="1:3"), {"1:1": b"one", "1:2": b"two"})
    one = reset(listing("2:1", provider_id="G1"), listing("2:2"), listing("2:3"))
    plan = await ledger.plan(ACCOUNT, one)
    fetched = {"2:2": b"two", "2:3": b"two"}
    await take(ledger, one, fetched)
    before = dump(state_dir)
    again = [whole(wanted, fetched[wanted.unique_id]) for wanted in plan.fetch]
    await ledger.accept(ACCOUNT, one, plan, again, owe=True)
    assert dump(state_dir) == before


async def test_a_rebound_message_that_the_server_shows_as_told_is_owed_no_more(ledger):
    await take_one(ledger, 1, b"one", provider_id="G1")
    accepted = await take(ledger, reset(listing("2:1", provider_id="G1", acknowledged=True)), {})
    assert accepted.receipts == ()
    assert await ledger.owed(ACCOUNT) == []


async def test_a_rebound_header_is_never_owed(ledger):
    one = listing(1, provider_id="G1")
    await take(ledger, page(one, state="1:2"), {"1:1": Fetched(one, Extent.HEADER, b"Subject: big")})
    accepted = await take(ledger, reset(listing("2:1", provider_id="G1")), {})
    assert accepted.receipts == ()


async def test_an_identity_shared_by_many_is_no_identity(ledger):
    """And looking for it does not read them all: a stranger may send the same Message-ID for ever."""
    known = {"size": 3, "received_at": 50.0}
    listings = [listing(uid, **known) for uid in range(1, 41)]
    octets = {one.unique_id: one.unique_id.encode() for one in listings}
    await take(ledger, page(*listings, state="1:41"), octets)
    await file_due(ledger, **{name.decode(): message("same", subject=name.decode()) for name in octets.values()})
    plan = await ledger.plan(ACCOUNT, reset(listing("2:1", message_id="same@example.com", **known)))
    assert [one.unique_id for one in plan.fetch] == ["2:1"]


# --- a server that was put back to an earlier day gives ids a second time -----------------------------------------------


async def put_back(ledger, **more):
    """The server gave id 2 to a message, forgot it, and gave it to another."""
    old = [listing(1, received_at=100.0), listing(2, received_at=200.0)]
    await take(ledger, page(*old, state="1:3"), {"1:1": b"one", "1:2": b"lost there"})
    another = page(listing(2, received_at=300.0, **more), state="1:3")
    return await take(ledger, another, {"1:2": b"another"})


async def test_a_message_under_an_id_that_was_given_before_is_taken_in(ledger, state_dir):
    assert (await put_back(ledger)).accepted == 1
    contents = look(state_dir, "SELECT r.octets FROM entries AS e JOIN raw AS r ON r.id = e.raw ORDER BY e.id")
    assert contents == [(b"one",), (b"lost there",), (b"another",)]


async def test_nothing_is_owed_for_the_message_that_lost_its_id(ledger, state_dir):
    accepted = await put_back(ledger, acknowledged=True)
    assert accepted.receipts == ()
    assert look(state_dir, "SELECT unique_id FROM entries WHERE owed ORDER BY id") == [("1:1",)]


async def test_the_message_that_lost_its_id_says_so_and_is_found_again_by_its_octets(ledger):
    await put_back(ledger)
    assert (await events(ledger, 2))[-1] == "message.displaced"
    anew = page(listing("2:7", received_at=200.0), state="2:8", reset=True)
    await take(ledger, anew, {"2:7": b"lost there"})
    assert (await events(ledger, 2))[-1] == "message.rebound"


async def test_one_of_the_same_lasting_id_is_the_same_whatever_its_date(ledger):
    first = listing(1, received_at=100.0, provider_id="x")
    await take(ledger, page(first, state="1:2"), {"1:1": b"one"})
    plan = await ledger.plan(ACCOUNT, page(listing(1, received_at=900.0, provider_id="x"), state="1:2"))
    assert plan.fetch == ()


async def test_the_same_id_with_another_date_and_the_same_octets_makes_no_second_case(ledger):
    await take(ledger, page(listing(1, received_at=100.0), state="1:2"), {"1:1": b"one"})
    await take(ledger, page(listing(1, received_at=900.0), state="1:2", reset=True), {"1:1": b"one"})
    again = await ledger.plan(ACCOUNT, page(listing(1, received_at=900.0), state="1:2", reset=True))
    assert again.fetch == ()
    assert [row["id"] for row in await ledger.messages()] == [1]
