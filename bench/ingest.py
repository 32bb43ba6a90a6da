"""Ingest rate on Dovecot over TLS: Listener (mailbox to settled case, acknowledged) beside mbsync (mailbox to Maildir).

usage: python bench/ingest.py [--messages 5000] [--size 17600] [--rounds 3]
Both are timed as whole processes from start to the last message, in turn, on copies of the same mailbox.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import time
from pathlib import Path

from lab import Daemon, Dovecot, account, lab, mail


def mbsync(server: Dovecot, user: str, folder: Path, count: int) -> float:
    """Seconds that mbsync takes."""
    target = folder / "maildir"
    target.mkdir(parents=True)
    config = folder / "mbsyncrc"
    config.write_text(
        f"IMAPAccount a\nHost localhost\nPort {server.imaps}\nUser {user}\nPass secret\n"
        f"SSLType IMAPS\nCertificateFile {server.ca_file}\n\nIMAPStore far\nAccount a\n\n"
        f"MaildirStore near\nPath {target}/\nInbox {target}/INBOX\n\n"
        "Channel c\nFar :far:\nNear :near:\nPatterns INBOX\nSync Pull\nCreate Near\nSyncState *\n"
    )
    began = time.monotonic()
    subprocess.run(["mbsync", "-c", config, "-q", "c"], check=True)
    took = time.monotonic() - began
    assert sum(1 for path in target.rglob("new/*") if path.is_file()) == count
    return took


async def listener(server: Dovecot, user: str, folder: Path, count: int, *, settings: str = "") -> tuple[float, float]:
    """Seconds until all are in the ledger, and until all are settled and acknowledged; by IMAP unless `settings` say else."""
    daemon = Daemon(folder, settings or account(server, user))
    began = time.monotonic()
    await daemon.start(ready=False)
    accepted = 0.0
    while True:
        await asyncio.sleep(0.05)
        try:
            total = daemon.count("SELECT count(*) FROM entries")
            waiting = daemon.count("SELECT count(*) FROM entries WHERE state IN ('accepted', 'filed') OR owed")
        except Exception:
            continue
        if total == count and not accepted:
            accepted = time.monotonic() - began
        if total == count and not waiting:
            break
    took = time.monotonic() - began
    assert daemon.count("SELECT count(*) FROM cases") == count
    await daemon.stop()
    return accepted, took


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--messages", type=int, default=5000)
    options.add_argument("--size", type=int, default=17600)
    options.add_argument("--rounds", type=int, default=3)
    o = options.parse_args()
    ratios = []
    with lab() as (server, home):
        for turn in range(o.rounds):
            for user in (f"peer{turn}", f"ours{turn}"):
                server.deliver(user, mail(o.messages, o.size))
            peer = mbsync(server, f"peer{turn}", home / f"peer{turn}", o.messages)
            accepted, settled = asyncio.run(listener(server, f"ours{turn}", home / f"ours{turn}", o.messages))
            ratios.append(peer / settled)
            print(
                f"round {turn + 1}: mbsync {o.messages / peer:,.0f}/s   listener in the ledger {o.messages / accepted:,.0f}/s, "
                f"settled {o.messages / settled:,.0f}/s   ratio {ratios[-1]:.2f}"
            )
    print(f"median ratio {statistics.median(ratios):.2f} (mark: 1.5)")


if __name__ == "__main__":
    main()
