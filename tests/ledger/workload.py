"""A process that takes mail into a ledger and says on standard output what was acknowledged: the victim of the storage tests.

`python workload.py STATE_DIR MESSAGES [--synchronous N] [--file-limit OCTETS] [--checkpoint OCTETS]` prints `ready`, then
`ack N` for each message once its commit returned, `full` for each LedgerFull (after which it tries again, `--file-limit`
lifted), and ends with 0, or with 75 after LedgerFailed.
"""

import argparse
import asyncio
import os
import resource
import sys
from pathlib import Path

from listener.errors import LedgerFailed, LedgerFull
from listener.ledger import Ledger, storage, writer
from listener.mailbox import Extent, Fetched, Folder, Listing, Page, SyncState

ACCOUNT = "support"
INBOX = Folder("INBOX")
TRIES = 100


def octets(number: int) -> bytes:
    return f"message {number}\r\n".encode() * 200


def say(words: str) -> None:
    os.write(1, f"{words}\n".encode())


async def take(ledger: Ledger, number: int) -> None:
    listing = Listing(INBOX, f"1:{number}")
    page = Page(INBOX, (listing,), SyncState(f"1:{number + 1}"))
    plan = await ledger.plan(ACCOUNT, page)
    fetched = [Fetched(wanted, Extent.WHOLE, octets(number)) for wanted in plan.fetch]
    await ledger.accept(ACCOUNT, page, plan, fetched, owe=True)


async def insist(ledger: Ledger, number: int) -> None:
    """Until there is room again, as a receiver would with its mail still on the server."""
    for _ in range(TRIES):
        try:
            await take(ledger, number)
        except LedgerFull:
            say("full")
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        else:
            say(f"ack {number}")
            return
    raise SystemExit("never any room")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("state_dir", type=Path)
    parser.add_argument("messages", type=int)
    parser.add_argument("--synchronous", type=int, default=2)
    parser.add_argument("--file-limit", type=int, default=0)
    parser.add_argument("--checkpoint", type=int, default=writer.CHECKPOINT_OCTETS)
    chosen = parser.parse_args()
    storage._WRITER["synchronous"] = chosen.synchronous
    writer.CHECKPOINT_OCTETS = chosen.checkpoint
    ledger = await Ledger.open(chosen.state_dir)
    say("ready")
    if chosen.file_limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (chosen.file_limit, resource.RLIM_INFINITY))
    for number in range(1, chosen.messages + 1):
        await insist(ledger, number)
    await ledger.close()


if __name__ == "__main__":
    try:
        asyncio.run(main())
    except LedgerFull:
        sys.exit(75)
    except LedgerFailed:
        say("failed")
        sys.exit(75)
