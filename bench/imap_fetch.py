"""Fetch rate of the IMAP layer alone, over TLS from Dovecot: Listener's mailbox beside aioimaplib, in turn, same mailbox.

usage: python bench/imap_fetch.py [--messages 2000] [--size 2000] [--rounds 5]

Timed is one call that brings all messages (aioimaplib: one `uid fetch` of the same set), after the folder is open. Nothing is
stored or parsed. Also said: processor time of our own process for each message, which other work on the machine does
not change.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import statistics
import time

from aioimaplib import IMAP4_SSL
from lab import Dovecot, lab, mail

from listener.protocols.endpoint import Endpoint
from listener.protocols.imap.mailbox import ImapMailbox, ImapSettings
from listener.protocols.sasl import Credentials

USER = "bench"
PASSWORD = "secret"


async def ours(server: Dovecot, count: int, size: int) -> tuple[float, float]:
    """Seconds on the clock and of the processor."""

    async def secret() -> str:
        return PASSWORD

    endpoint = Endpoint("localhost", server.imaps, truststore_file=server.ca_file)
    mailbox = await ImapMailbox.open(endpoint, Credentials(USER, secret), ImapSettings())
    listings = [listing async for page in mailbox.pages({}) for listing in page.listings]
    began, spent = time.perf_counter(), time.process_time()
    octets = 0
    async for fetched in mailbox.fetch(listings, limit=size * 4):
        octets += len(fetched.octets)
    took, spent = time.perf_counter() - began, time.process_time() - spent
    await mailbox.close()
    assert len(listings) == count
    assert octets >= count * size * 0.9
    return took, spent


async def theirs(server: Dovecot, count: int) -> float:
    """Seconds on the clock."""
    client = IMAP4_SSL("localhost", server.imaps, timeout=120, ssl_context=ssl.create_default_context(cafile=server.ca_file))
    await client.wait_hello_from_server()
    await client.login(USER, PASSWORD)
    await client.select("INBOX")
    began = time.perf_counter()
    answer = await client.uid("fetch", f"1:{count}", "(UID BODY.PEEK[])")
    took = time.perf_counter() - began
    await client.logout()
    assert sum(isinstance(line, bytearray) for line in answer.lines) == count
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--size", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    count = options.messages
    with lab() as (server, _):
        server.deliver(USER, mail(count, options.size))
        asyncio.run(ours(server, count, options.size))  # Dovecot makes its index
        mine, processor, peer = [], [], []
        for _ in range(options.rounds):
            took, spent = asyncio.run(ours(server, count, options.size))
            mine.append(count / took)
            processor.append(spent / count * 1e6)
            peer.append(count / asyncio.run(theirs(server, count)))
    rate, other = statistics.median(mine), statistics.median(peer)
    print(f"{count} messages of {options.size} octets, TLS, median of {options.rounds}")
    print(f"  listener    {rate:8.0f} messages/s   {statistics.median(processor):4.0f} µs of processor each")
    print(f"  aioimaplib  {other:8.0f} messages/s   ({rate / other:.1f} times)")


if __name__ == "__main__":
    main()
