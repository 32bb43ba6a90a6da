"""Ingest rate over POP3 on Dovecot with TLS: Listener (maildrop to settled case) beside getmail6 (maildrop to Maildir).

usage: python bench/pop3.py [--messages 2000] [--size 17600] [--rounds 3]
Both keep the mail on the server, and are timed as whole processes from start to the last message, in turn, on copies of the
same maildrop. Without `getmail` (Debian: getmail6) only Listener is timed, and that is said.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

from ingest import listener
from lab import Dovecot, lab, mail


def getmail(server: Dovecot, user: str, folder: Path, count: int) -> float:
    """Seconds that getmail6 takes."""
    target = folder / "maildir"
    for part in ("new", "cur", "tmp"):
        (target / part).mkdir(parents=True)
    (folder / "getmailrc").write_text(
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = localhost\nport = {server.pop3s}\nusername = {user}\n"
        f"password = secret\nca_certs = {server.ca_file}\n\n[destination]\ntype = Maildir\npath = {target}/\n\n"
        "[options]\nread_all = true\ndelete = false\nverbose = 0\n"
    )
    other = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    for path in (folder, *folder.rglob("*")) if other else ():  # getmail refuses to deliver as root
        shutil.chown(path, "nobody", "nogroup")
    command = ["getmail", "--getmaildir", str(folder), "--rcfile", "getmailrc"]
    began = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **other)
    took = time.monotonic() - began
    assert sum(1 for path in target.rglob("new/*") if path.is_file()) == count
    return took


def account(server: Dovecot, user: str) -> str:
    """The TOML of a POP3 account."""
    return (
        f'[[accounts]]\nid = "support"\naddress = "support@example.com"\nstart = "all"\n[accounts.receiver]\n'
        f'protocol = "pop3"\nhost = "localhost"\nport = {server.pop3s}\nuser = "{user}"\npassword_file = "password"\n'
        f'truststore_file = "{server.ca_file}"\n'
    )


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--messages", type=int, default=2000)
    options.add_argument("--size", type=int, default=17600)
    options.add_argument("--rounds", type=int, default=3)
    o = options.parse_args()
    peer = shutil.which("getmail") is not None
    if not peer:
        print("getmail is not installed (Debian: apt-get install getmail6): nothing to compare with")
    ratios = []
    with lab() as (server, home):
        for turn in range(o.rounds):
            theirs = 0.0
            if peer:
                server.deliver(f"peer{turn}", mail(o.messages, o.size))
                theirs = getmail(server, f"peer{turn}", home / f"peer{turn}", o.messages)
            server.deliver(f"ours{turn}", mail(o.messages, o.size))
            stored, settled = asyncio.run(
                listener(server, f"ours{turn}", home / f"ours{turn}", o.messages, settings=account(server, f"ours{turn}"))
            )
            rates = (o.messages / stored, o.messages / settled)
            said = f"round {turn + 1}: listener in the ledger {rates[0]:,.0f}/s, settled {rates[1]:,.0f}/s"
            if peer:
                ratios.append(theirs / settled)
                said += f"   getmail6 {o.messages / theirs:,.0f}/s   ratio {ratios[-1]:.2f}"
            print(said)
    if ratios:
        print(f"median ratio {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()
