"""How fast the ledger takes mail in and files it, on this machine: `python bench/ledger.py [--messages N] [--dir DIR]`.

Messages of 17.6 KB in pages of 100, one commit each, synchronous=FULL; then filed in batches of 100; then delivered. Prints
one JSON object a line. First marks: accept ≥ 5,000/s, file ≥ 4,000/s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import tempfile
import time
from pathlib import Path

from listener.hooks import Filed
from listener.ledger import Ledger, Parsed
from listener.mailbox import Baseline, Extent, Fetched, Folder, Listing, Page, SyncState
from listener.message.model import Address, InboundMessage

INBOX = Folder("INBOX")
ACCOUNT = "support"
HOOK = "python:hook"
OCTETS = 17_600
PAGE = 100


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=10_000)
    options.add_argument("--dir", type=Path, default=None, help="where the ledger lies; default: a temporary directory")
    chosen = options.parse_args()
    root = Path(tempfile.mkdtemp(dir=chosen.dir))
    try:
        await measure(root / "state", chosen.messages)
    finally:
        shutil.rmtree(root)


async def measure(state_dir: Path, messages: int) -> None:
    ledger = await Ledger.open(state_dir)
    await ledger.set_baseline(ACCOUNT, INBOX, Baseline(SyncState("1:1"), 0.0))
    pages = [page(start) for start in range(1, messages, PAGE)]
    await timed("accept", messages, accept(ledger, pages))
    await timed("file", messages, file(ledger, messages))
    await timed("deliver", min(messages, 2_000), deliver(ledger, min(messages, 2_000)))
    await timed("list newest of a state", 50, ledger.messages(state="done"))
    await ledger.close()
    size = sum(item.stat().st_size for item in state_dir.iterdir())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(json.dumps({"ledger_mb": round(size / 1e6, 1), "peak_rss_mb": round(peak / 1024, 1)}))


async def timed(what: str, count: int, work) -> None:
    begun, cpu = time.perf_counter(), time.process_time()
    await work
    took = time.perf_counter() - begun
    print(
        json.dumps(
            {"what": what, "per_second": round(count / took), "seconds": round(took, 2)}
            | {"cpu_seconds": round(time.process_time() - cpu, 2)}
        ),
        flush=True,
    )


def page(start: int) -> tuple[Page, list[Fetched]]:
    listings = tuple(Listing(INBOX, f"1:{uid}", OCTETS, 1_700_000_000.0 + uid) for uid in range(start, start + PAGE))
    fetched = [Fetched(listing, Extent.WHOLE, os.urandom(OCTETS)) for listing in listings]
    return Page(INBOX, listings, SyncState(f"1:{start + PAGE}")), fetched


async def accept(ledger: Ledger, pages: list[tuple[Page, list[Fetched]]]) -> None:
    for one, fetched in pages:
        plan = await ledger.plan(ACCOUNT, one)
        accepted = await ledger.accept(ACCOUNT, one, plan, fetched, owe=True)
        await ledger.confirm(ACCOUNT, accepted.receipts)


async def file(ledger: Ledger, messages: int) -> None:
    """One message in three answers the one before it, by the same customer."""
    filed = 0
    while filed < messages:
        due = await ledger.due_entries(PAGE, 64 * 1024 * 1024)
        batch = [Parsed(entry.id, message(entry.id)) for entry in due]
        filed += len(await ledger.file(batch, {ACCOUNT: [HOOK]}))


def message(number: int) -> InboundMessage:
    references = (f"{number - 1}@example.com",) if number % 3 == 0 else ()
    sender = Address("A Customer", f"customer{(number - bool(references)) % 500}@example.com")
    return InboundMessage(
        message_id=f"{number}@example.com",
        subject=f"Question {number}",
        from_=(sender,),
        to=(Address("Support", "support@example.com"),),
        references=references,
        text="How do I change the address of my order?\n" * 40,
    )


async def deliver(ledger: Ledger, deliveries: int) -> None:
    """Sixteen at a time, as the dispatcher does."""
    done = 0
    while done < deliveries:
        due = await ledger.due_deliveries(16, hook=HOOK)
        await asyncio.gather(*(one(ledger, delivery.id) for delivery in due))
        done += len(due)


async def one(ledger: Ledger, delivery: int) -> None:
    await ledger.begin_delivery(delivery)
    await ledger.settle_delivery(delivery, Filed(reference="R"))


if __name__ == "__main__":
    asyncio.run(main())
