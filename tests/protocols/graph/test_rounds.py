"""Rounds of delta under a receiver with a real ledger: whatever Exchange does, each message has one row (R-32 to R-36)."""

import random

import pytest

from listener.errors import ConnectionLost, FolderMissing, InsecureConnection, ServerUnavailable
from listener.mailbox import Receipt
from listener.protocols.graph.listing import MAX_RESTARTS, SAFETY_SECONDS, Bounds
from listener.protocols.graph.state import State
from tests.protocols.graph.desk import Desk, graph, ids_of, kept, mail, mailbox, pages_of

COUNT = 7
LOST = [
    (410, "SyncStateNotFound"),
    (410, "resyncRequired"),
    (410, ""),
    (404, "SyncStateNotFound"),
    (400, "SyncStateNotFound"),
    (400, "syncStateInvalid"),
    (400, "resyncRequired"),
]


def deliver(server, numbers):
    for n in numbers:
        server.deliver("INBOX", mail(n))


SURPRISES = {
    "none": {},
    "small pages": {"page_size": 1},
    "empty pages": {"empty_pages": True},
    "deltaLink on a page of its own": {"trailing": True},
    "doubled in a page": {"doubled": True},
    "pages that repeat": {"replayed": True},
    "any order": {"shuffle": random.Random(3)},
    "all at once": {
        **{"empty_pages": True, "trailing": True, "doubled": True},
        **{"replayed": True, "partial": True, "shuffle": random.Random(5)},
    },
}


@pytest.mark.parametrize("surprise", SURPRISES)
async def test_every_message_comes_in_once_whatever_the_pages_look_like(tmp_path, surprise):
    async with graph() as server, Desk(server, tmp_path) as desk:
        for name, value in SURPRISES[surprise].items():
            setattr(server.delta(), name, value)
        deliver(server, range(COUNT))
        await desk.sweep()
        deliver(server, range(COUNT, COUNT + 3))
        await desk.sweep()
        await desk.sweep()
        assert sorted(await desk.subjects()) == list(range(COUNT + 3))
        assert await desk.states() == [("accepted", "")] * (COUNT + 3)
        assert len({asked.id for asked in server.asked("value")}) == COUNT + 3


async def test_a_page_is_sorted_by_arrival(tmp_path):
    async with graph() as server, Desk(server, tmp_path, bounds=Bounds(100, 100)) as desk:
        server.delta().shuffle = random.Random(1)
        for n in range(9):
            server.deliver("INBOX", mail(n), received_at=1_793_000_000.0 + n)
        await desk.sweep()
        assert await desk.subjects() == list(range(9))


@pytest.mark.parametrize(("status", "code"), LOST)
async def test_a_lost_state_is_a_silent_walk_in_which_known_mail_is_recognised(tmp_path, status, code):
    async with graph() as server, Desk(server, tmp_path) as desk:
        deliver(server, range(COUNT))
        await desk.sweep()
        fetched = len(server.asked("value"))
        server.script.on("delta", status=status, code=code, times=1)
        deliver(server, [50])
        await desk.sweep()
        assert sorted(await desk.subjects()) == [*range(COUNT), 50]
        assert len(server.asked("value")) == fetched + 1
        assert await desk.states() == [("accepted", "")] * (COUNT + 1)


@pytest.mark.parametrize("page", range(5))
async def test_the_state_may_be_lost_at_every_page_of_a_walk(tmp_path, page):
    async with graph() as server, Desk(server, tmp_path) as desk:
        deliver(server, range(COUNT))
        server.script.on("delta", skip=page, times=1, status=410, code="SyncStateNotFound")
        await desk.sweep()
        await desk.sweep()
        assert sorted(await desk.subjects()) == list(range(COUNT))
        assert len(server.asked("value")) == COUNT


async def test_a_reset_begins_where_the_server_says(tmp_path):
    async with graph() as server, Desk(server, tmp_path) as desk:
        deliver(server, [1])
        await desk.sweep()
        again = f"{server.url}/v1.0/users/support@example.com/mailFolders/inbox/messages/delta?$select=id&again=1"
        server.script.on("delta", status=410, headers={"Location": again}, times=1)
        await desk.sweep()
        assert server.asked("delta")[-1].query["again"] == "1"
        assert await desk.states() == [("accepted", "")]


async def test_a_state_that_is_lost_again_and_again_ends_the_session_and_loses_nothing(tmp_path):
    async with graph() as server, Desk(server, tmp_path) as desk:
        deliver(server, [1])
        rule = server.script.on("delta", status=410, code="SyncStateNotFound")
        with pytest.raises(ServerUnavailable, match="again and again"):
            await desk.sweep()
        assert rule.hits == MAX_RESTARTS + 1
        rule.remove()
        await desk.sweep()
        assert await desk.subjects() == [1]


async def test_mail_older_than_the_baseline_that_a_reset_brings_up_is_recorded_and_left_alone(tmp_path):
    async with graph() as server, Desk(server, tmp_path, since=None) as desk:
        await desk.sweep()
        server.deliver("INBOX", mail(1), received_at=1_700_000_000.0)
        server.delta().expire()
        await desk.sweep()
        assert await desk.states() == [("ignored", "before_baseline")]
        assert server.asked("value") == []


async def test_ids_given_anew_make_no_second_row(tmp_path):
    async with graph() as server, Desk(server, tmp_path) as desk:
        deliver(server, range(3))
        await desk.sweep()
        for message in server.store()["INBOX"].messages.values():
            message.email_id = f"N{message.email_id}"
        server.delta().expire()
        await desk.sweep()
        assert await desk.states() == [("accepted", "")] * 3


@pytest.mark.parametrize("page", range(4))
async def test_a_process_that_dies_after_any_page_loses_and_doubles_nothing(tmp_path, page):
    async with graph() as server, Desk(server, tmp_path, after="delete") as desk:
        deliver(server, range(COUNT))
        rule = server.script.on("delta", skip=page, close="before")
        with pytest.raises(ConnectionLost):
            await desk.sweep()
        await desk.restart()
        rule.remove()
        await desk.sweep()
        await desk.sweep()
        assert sorted(await desk.subjects()) == list(range(COUNT))
        assert len(server.asked("value")) == COUNT
        assert not server.store()["INBOX"].messages


async def test_the_walk_goes_on_from_the_link_of_the_last_page_that_was_committed(tmp_path):
    async with graph() as server, Desk(server, tmp_path, after="keep") as desk:
        deliver(server, range(COUNT))
        rule = server.script.on("delta", skip=2, close="before")
        with pytest.raises(ConnectionLost):
            await desk.sweep()
        rule.remove()
        before = len(server.asked("delta"))
        await desk.sweep()
        resumed = server.asked("delta")[before:]
        assert all("$skiptoken" in asked.query for asked in resumed)
        assert len(resumed) == 2


# --- changes that are no mail --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("partial", [False, True])
async def test_a_storm_of_reading_makes_no_cases(tmp_path, partial):
    async with graph() as server, Desk(server, tmp_path, since=None) as desk:
        server.delta().partial = partial
        deliver(server, range(20))
        await desk.sweep()
        deliver(server, range(20, 25))
        await desk.sweep()
        inbox = server.store()["INBOX"]
        for round_ in range(3):
            for uid in list(inbox.messages):
                inbox.set_flags(uid, {"\\Seen"} if round_ % 2 else {"\\Flagged"})
            await desk.sweep()
        assert sorted(await desk.subjects()) == list(range(20, 25))
        assert len(server.asked("value")) == 5
        assert await desk.states() == [("accepted", "")] * 5 + [("ignored", "before_baseline")] * 20


async def test_removed_items_are_left_out(tmp_path):
    async with graph() as server, Desk(server, tmp_path) as desk:
        deliver(server, range(4))
        await desk.sweep()
        server.store()["INBOX"].expunge([1, 2])
        await desk.sweep()
        async with mailbox(server) as box:
            assert all(one for one in await ids_of(box, await desk.ledger.sync_states("a")))
        assert await desk.states() == [("accepted", "")] * 4


async def test_mail_moved_out_and_back_is_the_same_mail(tmp_path):
    async with graph() as server, Desk(server, tmp_path, after="keep") as desk:
        deliver(server, [1])
        await desk.sweep()
        exchange = server.mailbox().exchange
        server.store().create("Elsewhere")
        for target in ("Elsewhere", "INBOX"):
            place = exchange.find(server.asked("value")[0].id)
            exchange.move(place, target)
            await desk.sweep()
        assert await desk.states() == [("accepted", "")]
        assert len(server.asked("value")) == 1


async def test_our_own_marks_coming_back_are_not_listed(tmp_path):
    async with graph() as server, mailbox(server) as box:
        deliver(server, range(3))
        since = kept(await pages_of(box))
        found = await ids_of(box)
        await box.acknowledge([Receipt("INBOX", one) for one in found])
        assert await ids_of(box, since) == []


# --- where an account begins -------------------------------------------------------------------------------------------------


async def test_from_now_on_is_everything_that_came_after_the_walk_and_while_it_went_on(tmp_path):
    async with graph() as server, Desk(server, tmp_path, since=None) as desk:
        for n in range(6):
            server.deliver("INBOX", mail(n), received_at=1_790_000_000.0 + n)
        walked = []

        def arrives(asked):
            if asked.name == "delta":
                walked.append(asked)
                if len(walked) == 2:
                    server.deliver("INBOX", mail(100), received_at=2_000_000_000.0)
            return False

        server.script.on("*", when=arrives)
        await desk.sweep()
        deliver(server, [101])
        await desk.sweep()
        assert sorted(await desk.subjects()) == [100, 101]
        assert await desk.states() == [("accepted", "")] * 2 + [("ignored", "before_baseline")] * 6


async def test_old_mail_moved_into_the_folder_later_is_new_there(tmp_path):
    async with graph() as server, Desk(server, tmp_path, since=None) as desk:
        await desk.sweep()
        server.deliver("INBOX", mail(1), received_at=1_700_000_000.0)
        await desk.sweep()
        assert await desk.subjects() == [1]


# --- what the delta forgets -----------------------------------------------------------------------------------------------


async def test_the_hourly_listing_finds_what_the_delta_forgot(tmp_path):
    async with graph() as server, Desk(server, tmp_path) as desk:
        deliver(server, [1])
        await desk.sweep()
        message = server.deliver("INBOX", mail(2))
        server.delta().forgotten.add(server.mailbox().exchange.message_id("INBOX", message, immutable=True))
        await desk.sweep()
        assert await desk.subjects() == [1]
        assert server.asked("list") == []
        desk.offset = SAFETY_SECONDS + 1
        await desk.sweep()
        assert await desk.subjects() == [1, 2]
        await desk.sweep()
        assert len(server.asked("list")) == 1


async def test_the_hourly_listing_reaches_two_days_back(tmp_path):
    async with graph() as server, Desk(server, tmp_path) as desk:
        await desk.sweep()
        desk.offset = SAFETY_SECONDS + 1
        for n, days in ((1, 3), (2, 1)):
            message = server.deliver("INBOX", mail(n), received_at=desk.now() - days * 86_400)
            server.delta().forgotten.add(server.mailbox().exchange.message_id("INBOX", message, immutable=True))
        await desk.sweep()
        assert await desk.subjects() == [2]


# --- links, and answers that are none ----------------------------------------------------------------------------------------

FOREIGN = [
    "https://evil.example/v1.0/users/x/messages/delta?$skiptoken=1",
    "http://127.0.0.1:1/v1.0/x",
    "https://127.0.0.1/v1.0/x",
    "http://user@127.0.0.1:{port}/v1.0/x",
    "http://127.0.0.1.evil.example:{port}/v1.0/x",
    "//evil.example/v1.0/x",
]


@pytest.mark.parametrize("member", ["@odata.nextLink", "@odata.deltaLink"])
@pytest.mark.parametrize("link", FOREIGN)
async def test_a_link_to_another_host_is_never_stored_or_followed(tmp_path, link, member):
    async with graph() as server, graph(users=["x"]) as other, Desk(server, tmp_path) as desk:
        deliver(server, [1])
        link = link.replace("127.0.0.1:1/", f"127.0.0.1:{other.port}/").replace("{port}", str(server.port))
        server.script.on("delta", rewrite=lambda document: {**document, member: link})
        with pytest.raises(InsecureConnection) as told:
            await desk.sweep()
        assert told.value.setting == "receiver.host"
        assert other.transcript == []
        assert await desk.ledger.sync_states("a") == {}


async def test_a_stored_link_is_looked_at_again_before_it_is_used(tmp_path):
    async with graph() as server, graph(users=["x"]) as other, mailbox(server) as box:
        pages = await pages_of(box)
        state = State.read(pages[-1].sync_state)
        foreign = State(state.folder, f"{other.url}/v1.0/users/x/messages").text()
        with pytest.raises(InsecureConnection):
            await pages_of(box, {"INBOX": foreign})
        assert other.transcript == []


NONSENSE = [
    {"value": "text"},
    {"value": [1]},
    {"value": [{"subject": "no id"}]},
    {"value": [{"id": "two\r\nlines"}]},
    {"value": [{"id": "x" * 2000}]},
    {"value": []},
    {"value": [], "@odata.nextLink": 5},
    {"value": [{"id": "x"}] * 3000},
    {},
]


@pytest.mark.parametrize("document", NONSENSE, ids=lambda document: str(document)[:30])
async def test_nonsense_ends_the_session_and_commits_nothing(tmp_path, document):
    async with graph() as server, Desk(server, tmp_path) as desk:
        server.script.on("delta", rewrite=lambda _: document)
        with pytest.raises((ConnectionLost, ServerUnavailable)):
            await desk.sweep()
        assert await desk.ledger.sync_states("a") == {}


async def test_a_next_link_that_leads_nowhere_else_does_not_spin(tmp_path):
    async with graph() as server, Desk(server, tmp_path) as desk:
        link = f"{server.url}/v1.0/users/support@example.com/mailFolders/inbox/messages/delta?same=1"
        rule = server.script.on("delta", rewrite=lambda document: {"value": [], "@odata.nextLink": link})
        with pytest.raises(ServerUnavailable, match="the page that it is on"):
            await desk.sweep()
        assert rule.hits == 2


async def test_a_folder_deleted_while_it_is_watched_is_missing_and_found_again(tmp_path):
    async with graph() as server, mailbox(server, "INBOX", "Team/Help") as box:
        server.store().create("Team/Help")
        since = kept(await pages_of(box))
        server.store().delete("Team/Help")
        with pytest.raises(FolderMissing):
            await pages_of(box, since)
        server.store().create("Team/Help")
        server.deliver("Team/Help", mail(1))
        assert len(await ids_of(box, since)) == 1


@pytest.mark.parametrize("text", ["", "{}", "[]", "7:8", '{"folder": 5}', "[" * 100_000])
def test_a_state_that_cannot_be_read_is_none(text):
    assert State.read(text) is None


def test_a_state_reads_back_as_it_was():
    state = State("id", "link", reset=True, floor=12.5, swept=3.0)
    assert State.read(state.text()) == state
    assert State.read(State("id").text()) == State("id")
