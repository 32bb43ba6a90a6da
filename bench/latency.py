"""Latency from the server's notice to the case committed in the ledger, while idling over IMAP.

usage: python bench/latency.py [--messages 60]
Twice: on the embedded server, which tells a new message at once, and on a real Dovecot over TLS, which gathers changes for
half a second before it tells an idling client. A reader of the ledger's file looks every millisecond.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lab import Daemon, account, lab, mail

from listener.testing import ImapServer


async def idle(daemon: Daemon) -> None:
    while (await daemon.account("support"))["state"] != "idle":
        await asyncio.sleep(0.05)


async def measure(daemon: Daemon, deliver: Callable[[bytes], object], count: int) -> list[float]:
    """Milliseconds from each delivery to its case."""
    async with daemon:
        await idle(daemon)
        ledger = sqlite3.connect(f"file:{daemon.state / 'ledger.sqlite3'}?mode=ro", uri=True)
        taken = []
        for number, octets in enumerate(mail(count, 4000)):
            await asyncio.sleep(0.1)
            began = time.monotonic()
            deliver(octets)
            while ledger.execute("SELECT count(*) FROM cases").fetchone()[0] <= number:
                await asyncio.sleep(0.001)
            taken.append((time.monotonic() - began) * 1000)
        ledger.close()
        return sorted(taken)


async def embedded(count: int) -> list[float]:
    with tempfile.TemporaryDirectory() as folder:
        async with ImapServer(users={"u": "secret"}) as server:
            toml = (
                '[[accounts]]\nid = "support"\naddress = "s@example.com"\n[accounts.receiver]\nhost = "127.0.0.1"\n'
                f'port = {server.port}\nsecurity = "none"\nuser = "u"\npassword_file = "password"\n'
            )
            return await measure(Daemon(Path(folder), toml), lambda octets: server.deliver("INBOX", octets), count)


async def dovecot(count: int) -> list[float]:
    with lab() as (server, home):
        server.deliver("u", [])
        daemon = Daemon(home / "ours", account(server, "u", start="now"))
        return await measure(daemon, lambda octets: server.deliver("u", [octets]), count)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--messages", type=int, default=60)
    count = options.parse_args().messages
    for name, taken in (("embedded", asyncio.run(embedded(count))), ("Dovecot", asyncio.run(dovecot(count)))):
        median, late = statistics.median(taken), taken[int(len(taken) * 0.95)]
        print(f"{name:<9} {count} messages: median {median:.1f} ms, p95 {late:.1f} ms, worst {taken[-1]:.1f} ms")
    print("mark: median under 50 ms from the server's notice (the embedded row)")


if __name__ == "__main__":
    main()
