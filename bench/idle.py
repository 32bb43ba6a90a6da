"""Memory of idle TLS accounts: resident kilobytes an account, from the difference between few and many.

usage: python bench/idle.py [--few 20] [--many 400]
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from lab import Daemon, account, lab


def resident(pid: int) -> int:
    """Kilobytes."""
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])


async def measure(count: int) -> int:
    with lab() as (server, home):
        toml = "".join(account(server, f"u{n}", name=f"a{n}", start="now") for n in range(count))
        async with Daemon(home / "ours", toml, more="[limits]\nlogin_rate = 200") as daemon:
            while True:
                await asyncio.sleep(0.5)
                _, health = await daemon.request("GET", "/healthz")
                if all(row["state"] == "idle" for row in health["accounts"]):
                    break
            await asyncio.sleep(3)
            return resident(daemon.process.pid)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--few", type=int, default=20)
    options.add_argument("--many", type=int, default=400)
    o = options.parse_args()
    few, many = asyncio.run(measure(o.few)), asyncio.run(measure(o.many))
    each = (many - few) / (o.many - o.few)
    print(f"{o.few} accounts {few:,} kB, {o.many} accounts {many:,} kB: {each:.1f} kB an idle account (mark: 90)")


if __name__ == "__main__":
    main()
