"""Graph ingest: delta, MIME and marks from an embedded Graph into the ledger, beside Microsoft's own SDK, which stores nothing.

usage: python bench/graph.py [--messages 2000] [--size 17600] [--rounds 3]
The server is a process of its own. Exchange Online would allow 10,000 requests in ten minutes; here that limit is off. The SDK
fetches the same messages one after the other two at a time, without marking them; it needs the `interop` extra.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from lab import mail

from listener.budget import ByteBudget
from listener.ledger import Ledger
from listener.protocols.endpoint import Endpoint, Security
from listener.protocols.graph.mailbox import GraphMailbox, GraphSettings
from listener.protocols.graph.pacing import Pacing
from listener.receiver import Receiver
from listener.status import AccountStatus
from listener.testing.graph import GraphServer

USER, TOKEN = "support@example.com", "token"
LIMIT = 50_000_000
SDK_AT_ONCE = 2


class OneSweep(GraphMailbox):
    """Ends its session after one pass."""

    async def wait(self) -> bool:
        return False


def serve(pipe: Connection, count: int, size: int) -> None:
    """The server, in its own process, until told to end."""

    async def run() -> None:
        async with GraphServer(users=[USER], tokens=[TOKEN], strict=False) as server:
            for octets in mail(count, size):
                server.deliver("INBOX", octets)
            pipe.send(server.port)
            await asyncio.to_thread(pipe.recv)

    asyncio.run(run())


async def ours(port: int, folder: Path, count: int, at_once: int) -> tuple[float, float]:
    """Wall and processor seconds until all are in the ledger and marked as read."""

    async def token() -> str:
        return TOKEN

    async def opened() -> GraphMailbox:
        pacing = {"pacing": Pacing(at_once, per_period=10**9)}
        there = Endpoint("127.0.0.1", port, Security.NONE)
        return await OneSweep.open(there, USER, token, GraphSettings(), client=pacing)

    ledger = await Ledger.open(folder)
    status = AccountStatus("a", "graph")
    receiver = Receiver("a", ledger, opened, ByteBudget(1 << 26), status, since=0.0, owe=True, limit=LIMIT)
    began, used = time.monotonic(), time.process_time()
    await receiver.run_session()
    took, used = time.monotonic() - began, time.process_time() - used
    assert sum((await ledger.counts()).values()) == count
    assert await ledger.owed("a") == []
    await ledger.close()
    return took, used


async def sdk(port: int, count: int) -> tuple[float, float]:
    """Wall and processor seconds of Microsoft's SDK for the same round, without marking."""
    from kiota_abstractions.authentication import AuthenticationProvider
    from kiota_abstractions.base_request_configuration import RequestConfiguration
    from msgraph import GraphRequestAdapter, GraphServiceClient

    class Bearer(AuthenticationProvider):
        async def authenticate_request(self, request, additional_authentication_context=None):
            request.headers.try_add("Authorization", f"Bearer {TOKEN}")

    adapter = GraphRequestAdapter(Bearer())
    adapter.base_url = f"http://127.0.0.1:{port}/v1.0"
    user = GraphServiceClient(request_adapter=adapter).users.by_user_id(USER)
    delta = user.mail_folders.by_mail_folder_id("inbox").messages.delta
    slots, fetched = asyncio.Semaphore(SDK_AT_ONCE), 0

    async def fetch(message: str) -> None:
        nonlocal fetched
        async with slots:
            octets = await user.messages.by_message_id(message).content.get()
        fetched += bool(octets)

    def asking() -> RequestConfiguration:
        configuration = RequestConfiguration()
        configuration.headers.add("Prefer", "odata.maxpagesize=200")
        return configuration

    began, used = time.monotonic(), time.process_time()
    page = await delta.get(asking())
    while True:
        await asyncio.gather(*(fetch(message.id) for message in page.value))
        if not page.odata_next_link:
            break
        page = await delta.with_url(page.odata_next_link).get(asking())
    assert fetched == count
    return time.monotonic() - began, time.process_time() - used


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--messages", type=int, default=2000)
    options.add_argument("--size", type=int, default=17600)
    options.add_argument("--rounds", type=int, default=3)
    o = options.parse_args()
    spawn, ratios = multiprocessing.get_context("spawn"), []
    peer = importlib.util.find_spec("msgraph") is not None
    for turn in range(o.rounds):
        near, far = spawn.Pipe()
        server = spawn.Process(target=serve, args=(far, o.messages, o.size), daemon=True)
        server.start()
        port = near.recv()
        with tempfile.TemporaryDirectory(prefix="listener-bench-") as home:
            theirs = asyncio.run(sdk(port, o.messages)) if peer else (0.0, 0.0)
            line = f"round {turn + 1}:"
            took, used = asyncio.run(ours(port, Path(home) / "two", o.messages, 2))
            line += f" in the ledger and marked {o.messages / took:,.0f}/s ({used / o.messages * 1000:.2f} ms CPU each)"
            if peer:
                ratios.append(theirs[0] / took)
                line += f"   SDK, fetched only {o.messages / theirs[0]:,.0f}/s ({theirs[1] / o.messages * 1000:.2f} ms)"
            print(line)
        near.send(None)
        server.join()
    if ratios:
        print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
