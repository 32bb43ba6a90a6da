"""Waiting for mail: one request a folder and interval, woken by mail, by the hourly listing, by a folder that appears."""

import asyncio

import pytest
from virtual_clock import run_virtual

from listener.backoff import QUIET_AFTER, QUIET_FACTOR
from listener.errors import FolderMissing, TransientFailure
from listener.protocols.graph.listing import SAFETY_SECONDS, Bounds
from tests.protocols.graph.desk import LIMIT, graph, kept, mail, mailbox, pages_of

INTERVAL = 60.0


async def asleep(box):
    while not box.waiting:
        await asyncio.sleep(0.01)


def test_an_idle_mailbox_costs_one_request_an_interval():
    async def main(loop):
        async with graph() as server, mailbox(server, now=loop.wall) as box:
            await pages_of(box)
            before, began = len(server.transcript), loop.time()
            waiting = asyncio.create_task(box.wait())
            await asyncio.sleep(10 * INTERVAL + 1)
            asked = server.transcript[before:]
            assert [one.name for one in asked] == ["delta"] * 10
            assert all(abs(one.at - began - INTERVAL * n) < 1 for n, one in enumerate(asked, 1))
            assert box.last_round_trip > loop.wall() - INTERVAL
            server.deliver("INBOX", mail(1))
            assert await waiting

    run_virtual(main)


def test_after_an_hour_without_mail_it_is_asked_a_fifth_as_often_until_mail_comes():
    async def main(loop):
        async with graph() as server, mailbox(server, now=loop.wall, bounds=Bounds(safety_seconds=1e9)) as box:
            pages = await pages_of(box)
            waiting = asyncio.create_task(box.wait())
            await asyncio.sleep(QUIET_AFTER + INTERVAL)
            before = len(server.transcript)
            await asyncio.sleep(10 * QUIET_FACTOR * INTERVAL)
            assert [one.name for one in server.transcript[before:]] == ["delta"] * 10
            server.deliver("INBOX", mail(1))
            assert await waiting
            found = await pages_of(box, kept(pages))
            async for _ in box.fetch([one for page in found for one in page.listings], limit=LIMIT):
                pass
            before, waiting = len(server.transcript), asyncio.create_task(box.wait())
            await asyncio.sleep(10 * INTERVAL + 1)
            assert len(server.transcript) - before == 10
            waiting.cancel()

    run_virtual(main)


def test_the_hourly_listing_is_not_slept_through():
    async def main(loop):
        async with graph() as server, mailbox(server, now=loop.wall) as box:
            await pages_of(box)
            began = loop.time()
            assert await box.wait()
            assert SAFETY_SECONDS <= loop.time() - began <= SAFETY_SECONDS + QUIET_FACTOR * INTERVAL + 1

    run_virtual(main)


def test_a_missing_folder_that_appears_is_noticed():
    async def main(loop):
        async with graph() as server, mailbox(server, "INBOX", "Team", now=loop.wall) as box:
            with pytest.raises(FolderMissing):
                await pages_of(box)
            waiting = asyncio.create_task(box.wait())
            await asyncio.sleep(5 * INTERVAL)
            assert not waiting.done()
            server.store().create("Team")
            began = loop.time()
            assert await waiting
            assert loop.time() - began <= INTERVAL + 1

    run_virtual(main)


@pytest.mark.parametrize("fault", [{"status": 410}, {"status": 404, "code": "ErrorItemNotFound"}, {"status": 400}])
def test_whatever_else_the_server_answers_is_for_the_next_listing_to_judge(fault):
    async def main(loop):
        async with graph() as server, mailbox(server, now=loop.wall) as box:
            await pages_of(box)
            server.script.on("delta", **fault)
            assert await box.wait()

    run_virtual(main)


def test_a_server_that_went_away_ends_the_wait():
    async def main(loop):
        async with graph() as server, mailbox(server, now=loop.wall) as box:
            await pages_of(box)
            waiting = asyncio.create_task(box.wait())
            await asleep(box)
            await server.stop()
            with pytest.raises(TransientFailure):
                await waiting

    run_virtual(main)


def test_our_own_marks_wake_it_once_at_most():
    async def main(loop):
        async with graph() as server, mailbox(server, now=loop.wall, bounds=Bounds(safety_seconds=1e9)) as box:
            server.deliver("INBOX", mail(1))
            pages = await pages_of(box)
            await box.acknowledge([listing for page in pages for listing in page.listings])
            assert await box.wait()
            await pages_of(box, kept(pages))
            waiting = asyncio.create_task(box.wait())
            await asyncio.sleep(5 * INTERVAL)
            assert not waiting.done()
            waiting.cancel()

    run_virtual(main)
