"""A restart must cost the same on 1,000 old messages as on 100,000: work and octets grow with new mail only.

usage: python bench/restart.py [--few 1000] [--many 100000]
Octets are what the server's own log says of the session; seconds are from process start to idle.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import time

from lab import Daemon, account, lab, mail


async def measure(count: int) -> str:
    with lab() as (server, home):
        server.deliver("u", mail(count, 300))
        server.doveadm("index", "-u", "u", "INBOX")
        daemon = Daemon(home / "ours", account(server, "u", start="now"))
        async with daemon:
            while (await daemon.account("support"))["state"] != "idle":
                await asyncio.sleep(0.02)
            await daemon.stop()
            began = time.monotonic()
            await daemon.start(ready=False)
            while True:
                await asyncio.sleep(0.02)
                try:
                    if (await daemon.account("support"))["state"] == "idle":
                        break
                except Exception:
                    continue
            took = time.monotonic() - began
        await asyncio.sleep(0.5)
        said = re.findall(r"imap\(u\).*in=(\d+) out=(\d+)", (server.home / "dovecot.log").read_text())
        return f"{count:>7,} old messages: {took:.2f} s to idle, {said[-1][0]} octets sent, {said[-1][1]} received"


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--few", type=int, default=1000)
    options.add_argument("--many", type=int, default=100_000)
    o = options.parse_args()
    for count in (o.few, o.many):
        print(asyncio.run(measure(count)))


if __name__ == "__main__":
    main()
