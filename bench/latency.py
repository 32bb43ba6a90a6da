"""Delivery-to-case latency: milliseconds from the rename into the Maildir to the case committed in the ledger, while idling.

usage: python bench/latency.py [--messages 60]
A reader of the ledger's file looks every millisecond; its own share is about half of that.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import time

from lab import Daemon, account, lab, mail


async def measure(count: int) -> list[float]:
    with lab() as (server, home):
        server.deliver("u", [])
        async with Daemon(home / "ours", account(server, "u", start="now")) as daemon:
            while (await daemon.account("support"))["state"] != "idle":
                await asyncio.sleep(0.05)
            ledger = sqlite3.connect(f"file:{daemon.state / 'ledger.sqlite3'}?mode=ro", uri=True)
            taken = []
            for number, octets in enumerate(mail(count, 4000)):
                await asyncio.sleep(0.1)
                began = time.monotonic()
                server.deliver("u", [octets])
                while ledger.execute("SELECT count(*) FROM cases").fetchone()[0] <= number:
                    await asyncio.sleep(0.001)
                taken.append((time.monotonic() - began) * 1000)
            ledger.close()
            return taken


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--messages", type=int, default=60)
    taken = sorted(asyncio.run(measure(options.parse_args().messages)))
    print(
        f"delivery to case over {len(taken)} messages: median {statistics.median(taken):.1f} ms, "
        f"p95 {taken[int(len(taken) * 0.95)]:.1f} ms, worst {taken[-1]:.1f} ms (mark: median under 50 ms)"
    )


if __name__ == "__main__":
    main()
