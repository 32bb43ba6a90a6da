"""Contract of a Mailbox: what it lists. A page may repeat what we have; it never omits what we lack."""

import pytest

from listener.errors import FolderMissing
from listener.mailbox import Folder, Receipt
from tests.contract.reading import listed, listings, mail, new_octets, octets, states

DAY = 86_400.0
NOON = 1_793_620_800.0


async def test_an_empty_mailbox_gives_one_page_without_listings(world):
    mailbox = await world.open()
    (page,) = await listed(mailbox)
    assert page.listings == ()
    assert page.remaining == 0
    await mailbox.close()


async def test_everything_is_listed_in_the_order_it_arrived(world):
    for n in range(7):
        world.deliver(mail(n))
    mailbox = await world.open()
    assert await new_octets(mailbox) == [mail(n) for n in range(7)]
    await mailbox.close()


async def test_a_listing_says_what_a_receiver_must_know_before_fetching(world):
    world.deliver(mail(1, size=3000), received_at=NOON)
    mailbox = await world.open()
    (listing,) = await listings(mailbox)
    assert listing.folder == "INBOX"
    assert listing.size == 3000 or (listing.size is None and "sizes" not in world.traits)
    assert listing.received_at in (None, NOON)
    assert not listing.acknowledged
    await mailbox.close()


async def test_unique_ids_differ_and_are_the_same_in_another_session(world):
    for n in range(5):
        world.deliver(mail(n))
    ids = []
    for _ in range(2):
        mailbox = await world.open()
        ids.append([listing.unique_id for listing in await listings(mailbox)])
        await mailbox.close()
    assert len(set(ids[0])) == 5
    assert ids[0] == ids[1]


async def test_messages_of_the_same_octets_are_two_messages(world):
    world.deliver(mail(1))
    world.deliver(mail(1))
    mailbox = await world.open()
    first, second = await listings(mailbox)
    assert first.unique_id != second.unique_id
    assert await octets(mailbox, [first, second]) == [mail(1)] * 2
    await mailbox.close()


async def test_pages_are_cut_by_count_and_say_how_many_follow(world):
    for n in range(7):
        world.deliver(mail(n))
    mailbox = await world.open(page_count=3)
    pages = await listed(mailbox)
    assert [(len(page.listings), page.remaining) for page in pages] == [(3, 4), (3, 1), (1, 0)]
    await mailbox.close()


@pytest.mark.needs("sizes")
async def test_pages_are_cut_by_octets_and_one_message_may_be_larger_than_a_page(world):
    for n, size in enumerate((400, 400, 400, 5000, 400)):
        world.deliver(mail(n, size=size))
    mailbox = await world.open(page_octets=1000)
    pages = await listed(mailbox)
    assert [[listing.size for listing in page.listings] for page in pages] == [[400, 400], [400], [5000], [400]]
    await mailbox.close()


@pytest.mark.needs("states")
async def test_the_last_page_of_a_folder_has_a_state_even_when_nothing_is_listed(world):
    mailbox = await world.open()
    assert (await listed(mailbox))[-1].sync_state is not None
    await mailbox.close()


@pytest.mark.needs("states")
async def test_a_session_begun_from_a_state_lists_what_came_after_it(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    since = states(await listed(mailbox))
    await mailbox.close()
    world.deliver(mail(2))
    mailbox = await world.open()
    assert await new_octets(mailbox, since) == [mail(2)]
    await mailbox.close()


@pytest.mark.needs("states")
async def test_what_came_while_pages_were_read_is_in_the_next_listing(world):
    for n in range(4):
        world.deliver(mail(n))
    mailbox = await world.open(page_count=2)
    seen, kept = set(), {}
    async for page in mailbox.pages({}):
        seen.update(await octets(mailbox, page.listings))
        kept = states([page], kept)
        if not page.remaining:
            continue
        world.deliver(mail(10))
    seen.update(await new_octets(mailbox, kept))
    assert seen == {mail(n) for n in (0, 1, 2, 3, 10)}
    await mailbox.close()


@pytest.mark.needs("states")
@pytest.mark.parametrize("pages_kept", [1, 2, 3])
async def test_a_listing_that_broke_off_goes_on_from_the_last_page_kept(world, pages_kept):
    for n in range(6):
        world.deliver(mail(n))
    mailbox = await world.open(page_count=2)
    pages = (await listed(mailbox))[:pages_kept]
    have = [one for page in pages for one in await octets(mailbox, page.listings)]
    await mailbox.close()
    mailbox = await world.open()
    rest = await new_octets(mailbox, states(pages))
    assert set(have) | set(rest) == {mail(n) for n in range(6)}
    assert len(rest) <= 6 - 2 * pages_kept
    await mailbox.close()


@pytest.mark.needs("states")
async def test_mail_expunged_in_between_hides_no_other(world):
    for n in range(4):
        world.deliver(mail(n))
    mailbox = await world.open()
    since = states(await listed(mailbox))
    await mailbox.close()
    for n in range(4):
        world.expunge(mail(n))
    world.deliver(mail(9))
    mailbox = await world.open()
    assert await new_octets(mailbox, since) == [mail(9)]
    await mailbox.close()


# --- where an account begins -----------------------------------------------------------------------------------------


async def begun(world, since):
    """A new session, and what it lists beyond the baseline."""
    mailbox = await world.open()
    start = await mailbox.baseline("INBOX", since)
    return mailbox, start, {"INBOX": start.sync_state} if start.sync_state is not None else {}


async def test_from_now_on_means_nothing_that_is_there_already(world):
    world.deliver(mail(1))
    mailbox, start, since = await begun(world, None)
    old = [listing.unique_id for listing in await listings(mailbox, since)]
    assert set(old) <= set(start.present)
    await mailbox.close()
    world.deliver(mail(2))
    mailbox = await world.open()
    fresh = [listing for listing in await listings(mailbox, since) if listing.unique_id not in start.present]
    assert await octets(mailbox, fresh) == [mail(2)]
    await mailbox.close()


async def test_all_means_all(world):
    for n in range(3):
        world.deliver(mail(n))
    mailbox, start, since = await begun(world, 0)
    assert start.present == ()
    assert await new_octets(mailbox, since) == [mail(n) for n in range(3)]
    await mailbox.close()


@pytest.mark.needs("states")
async def test_since_a_day_begins_with_the_first_message_of_that_day(world):
    for n in range(5):
        world.deliver(mail(n), received_at=NOON + n * DAY)
    mailbox, _, since = await begun(world, NOON + 2 * DAY)
    assert await new_octets(mailbox, since) == [mail(2), mail(3), mail(4)]
    await mailbox.close()


@pytest.mark.needs("states")
async def test_since_a_day_nobody_wrote_after_begins_with_what_comes(world):
    world.deliver(mail(1), received_at=NOON)
    mailbox, _, since = await begun(world, NOON + DAY)
    assert await listings(mailbox, since) == []
    await mailbox.close()
    world.deliver(mail(2), received_at=NOON + 2 * DAY)
    mailbox = await world.open()
    assert await new_octets(mailbox, since) == [mail(2)]
    await mailbox.close()


# --- ids given anew --------------------------------------------------------------------------------------------------


@pytest.mark.needs("resets")
async def test_after_a_reset_everything_is_listed_again_with_its_identity(world):
    for n in range(3):
        world.deliver(mail(n, size=500 + n), received_at=NOON + n)
    mailbox = await world.open()
    before = await listed(mailbox)
    await mailbox.close()
    world.renumber()
    world.deliver(mail(3), received_at=NOON + 3)
    mailbox = await world.open()
    pages = await listed(mailbox, states(before))
    again = [listing for page in pages for listing in page.listings]
    assert all(page.reset for page in pages)
    assert not {listing.unique_id for listing in again} & {one.unique_id for page in before for one in page.listings}
    assert [(one.size, one.received_at, one.message_id) for one in again[:3]] == [
        (500 + n, NOON + n, f"{n}@example.com") for n in range(3)
    ] or all(one.provider_id for one in again)
    assert await octets(mailbox, again) == [mail(n, size=500 + n) for n in range(3)] + [mail(3)]
    await mailbox.close()


@pytest.mark.needs("resets")
async def test_after_a_reset_was_listed_the_next_session_is_as_always(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    since = states(await listed(mailbox))
    await mailbox.close()
    world.renumber()
    mailbox = await world.open()
    since = states(await listed(mailbox, since), since)
    await mailbox.close()
    world.deliver(mail(2))
    mailbox = await world.open()
    (page,) = await listed(mailbox, since)
    assert not page.reset
    assert await octets(mailbox, page.listings) == [mail(2)]
    await mailbox.close()


@pytest.mark.needs("resets")
async def test_a_reset_that_breaks_off_is_still_a_reset_in_the_next_session(world):
    for n in range(6):
        world.deliver(mail(n))
    mailbox = await world.open()
    since = states(await listed(mailbox))
    await mailbox.close()
    world.renumber()
    mailbox = await world.open(page_count=2)
    first = (await listed(mailbox, since))[0]
    have = await octets(mailbox, first.listings)
    await mailbox.close()
    mailbox = await world.open()
    pages = await listed(mailbox, states([first], since))
    rest = [one for page in pages for one in await octets(mailbox, page.listings)]
    assert all(page.reset for page in pages)
    assert set(have) | set(rest) == {mail(n) for n in range(6)}
    await mailbox.close()


@pytest.mark.needs("resets")
async def test_what_is_already_told_is_shown_as_told_after_a_reset(world):
    world.deliver(mail(1))
    mailbox = await world.open()
    pages = await listed(mailbox)
    before = await listings(mailbox)
    await mailbox.acknowledge([Receipt(one.folder, one.unique_id) for one in before])
    await mailbox.close()
    world.renumber()
    mailbox = await world.open()
    assert all(one.acknowledged for page in await listed(mailbox, states(pages)) for one in page.listings)
    await mailbox.close()


# --- several folders -------------------------------------------------------------------------------------------------

NAMES = ["Two words", 'The "quoted"', "back\\slash", "Entwürfe", "受信箱", "this & that", "deep/er/still", "[Odd]/All {1}"]


@pytest.mark.needs("folders")
async def test_folders_are_named_in_the_order_of_the_settings_also_when_missing(world):
    world.create("B")
    mailbox = await world.open("B", "Missing", "INBOX")
    assert list(await mailbox.folders()) == ["B", "Missing", "INBOX"]
    await mailbox.close()


@pytest.mark.needs("folders")
async def test_every_folder_has_its_own_listings_and_state(world):
    world.create("B")
    world.deliver(mail(1))
    world.deliver(mail(2), folder="B")
    mailbox = await world.open("INBOX", "B")
    pages = await listed(mailbox)
    assert [(page.folder, await octets(mailbox, page.listings)) for page in pages] == [("INBOX", [mail(1)]), ("B", [mail(2)])]
    await mailbox.close()
    world.deliver(mail(3), folder="B")
    mailbox = await world.open("INBOX", "B")
    assert await new_octets(mailbox, states(pages)) == [mail(3)]
    await mailbox.close()


@pytest.mark.needs("folders")
@pytest.mark.parametrize("name", NAMES)
async def test_folders_of_any_name_are_read(world, name):
    world.create(name)
    world.deliver(mail(1), folder=name)
    mailbox = await world.open(name)
    pages = await listed(mailbox)
    assert pages[0].folder == name
    assert await octets(mailbox, pages[0].listings) == [mail(1)]
    await mailbox.close()


@pytest.mark.needs("folders")
async def test_a_missing_folder_is_told_only_after_the_others_were_listed(world):
    world.create("B")
    world.deliver(mail(1))
    world.deliver(mail(2), folder="B")
    mailbox = await world.open("INBOX", "Missing", "B")
    seen = []

    async def read():
        async for page in mailbox.pages({}):
            seen.extend(await octets(mailbox, page.listings))

    with pytest.raises(FolderMissing) as told:
        await read()
    assert seen == [mail(1), mail(2)]
    assert told.value.folder == "Missing"
    await mailbox.close()


@pytest.mark.needs("folders")
async def test_a_missing_folder_has_no_baseline(world):
    mailbox = await world.open("INBOX", "Missing")
    with pytest.raises(FolderMissing):
        await mailbox.baseline("Missing", None)
    assert (await mailbox.baseline("INBOX", None)).sync_state is not None
    await mailbox.close()


@pytest.mark.needs("folders")
async def test_a_folder_that_comes_back_under_its_name_is_listed_anew(world):
    world.create("B")
    world.deliver(mail(1), folder="B")
    mailbox = await world.open("B")
    since = states(await listed(mailbox))
    await mailbox.close()
    world.drop("B")
    world.create("B")
    world.deliver(mail(2), folder="B")
    mailbox = await world.open("B")
    pages = await listed(mailbox, since)
    assert [await octets(mailbox, page.listings) for page in pages] == [[mail(2)]]
    assert pages[-1].reset
    await mailbox.close()


async def test_the_first_listing_behind_a_baseline_is_no_reset(world):
    for n in range(3):
        world.deliver(mail(n))
    mailbox = await world.open()
    baseline = await mailbox.baseline(Folder("INBOX"), None)
    assert baseline.sync_state is not None
    await mailbox.close()
    world.deliver(mail(3))
    mailbox = await world.open()
    assert not any(page.reset for page in await listed(mailbox, {Folder("INBOX"): baseline.sync_state}))
    await mailbox.close()
