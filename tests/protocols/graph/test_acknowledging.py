"""What Graph is told of stored messages: only those, where they were listed, as often as one likes."""

import pytest

from listener.errors import ConnectionLost, TransientFailure
from listener.mailbox import Receipt
from listener.protocols.graph.acknowledging import MAX_REFUSALS
from tests.protocols.graph.desk import Desk, graph, ids_of, mail, mailbox

WAYS = ["seen", "delete", "move:Done"]


def receipts(ids):
    return [Receipt("INBOX", one) for one in ids]


async def told(server, after, count=3):
    """A mailbox's ids, after so many messages were delivered."""
    server.store().create("Done")
    server.store().create("Other")
    for n in range(count):
        server.deliver("INBOX", mail(n))
    async with mailbox(server, after=after) as box:
        return await ids_of(box)


def place(server, found):
    return server.mailbox().exchange.find(found)


@pytest.mark.parametrize("after", ["delete", "move:Done"])
async def test_what_somebody_moved_elsewhere_is_left_there_and_confirmed(after):
    async with graph() as server:
        first, *_ = ids = await told(server, after)
        server.mailbox().exchange.move(place(server, first), "Other")
        async with mailbox(server, after=after) as box:
            assert set(await box.acknowledge(receipts(ids))) == set(receipts(ids))
        assert place(server, first).folder.name == "Other"
        assert not server.store()["INBOX"].messages


async def test_deleting_twice_leaves_the_copy_in_deleted_items_alone():
    async with graph() as server:
        ids = await told(server, "delete")
        for _ in range(2):
            async with mailbox(server, after="delete") as box:
                assert len(await box.acknowledge(receipts(ids))) == 3
        assert len(server.store()["Deleted Items"].messages) == 3
        assert len(server.asked("move")) == 3


@pytest.mark.parametrize("after", WAYS)
async def test_an_answer_that_was_lost_is_made_good_in_the_next_session(after):
    async with graph() as server:
        ids = await told(server, after, count=1)
        name = "patch" if after == "seen" else "move"
        server.script.on(name, close="instead", times=1)
        async with mailbox(server, after=after) as box:
            with pytest.raises(ConnectionLost):
                await box.acknowledge(receipts(ids))
        async with mailbox(server, after=after) as box:
            assert await box.acknowledge(receipts(ids)) == receipts(ids)
        assert len(server.asked(name)) == (2 if after == "seen" else 1)


async def test_a_missing_target_keeps_receipts_owed_and_says_so_and_mail_still_comes_in(tmp_path):
    async with graph() as server, Desk(server, tmp_path, after="move:Nowhere") as desk:
        server.deliver("INBOX", mail(1))
        await desk.sweep()
        server.deliver("INBOX", mail(2))
        await desk.sweep()
        assert await desk.subjects() == [1, 2]
        assert len(await desk.ledger.owed("a")) == 2
        server.store().create("Nowhere")
        await desk.sweep()
        assert await desk.ledger.owed("a") == []
        assert len(server.store()["Nowhere"].messages) == 2


async def test_one_refused_message_stays_owed_and_the_others_are_told():
    async with graph() as server:
        ids = await told(server, "seen", count=5)
        server.script.on("patch", when=lambda asked: asked.id == ids[2], status=403, code="ErrorAccessDenied", words="No.")
        said = []
        async with mailbox(server, after="seen", notice=said.append) as box:
            confirmed = await box.acknowledge(receipts(ids))
        assert set(confirmed) == set(receipts(ids)) - set(receipts([ids[2]]))
        assert "ErrorAccessDenied" in said[0]


async def test_a_server_that_refuses_all_is_not_asked_for_each():
    async with graph() as server:
        ids = await told(server, "seen", count=50)
        server.script.on("patch", status=403, code="ErrorAccessDenied")
        said = []
        async with mailbox(server, after="seen", notice=said.append) as box:
            assert await box.acknowledge(receipts(ids)) == []
        assert MAX_REFUSALS <= len(server.asked("patch")) <= 20
        assert len(said) == 1


async def test_keeping_tells_nothing():
    async with graph() as server:
        ids = await told(server, "keep")
        before = len(server.transcript)
        async with mailbox(server, after="keep") as box:
            assert await box.acknowledge(receipts(ids)) == receipts(ids)
        assert len(server.transcript) == before + 1  # opening the session


async def test_trouble_with_the_session_is_raised_and_leaves_no_request_behind():
    async with graph() as server:
        ids = await told(server, "seen", count=10)
        async with mailbox(server, after="seen") as box:
            server.script.on("patch", skip=3, close="before")
            with pytest.raises(TransientFailure):
                await box.acknowledge(receipts(ids))


@pytest.mark.parametrize("after", WAYS)
async def test_the_server_is_told_only_once_the_message_is_stored(tmp_path, after):
    async with graph() as server, Desk(server, tmp_path, after=after) as desk:
        server.store().create("Done")
        early = []

        def look(asked):
            if asked.name in ("patch", "move"):
                rows = desk.ledger.read_raw(1)
                early.append(rows is None)

        server.observe = look
        server.deliver("INBOX", mail(1))
        await desk.sweep()
        assert early == [False]
