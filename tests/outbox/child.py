"""The outbox under test, in a forked child with proxies around ledger and way out. Runs until all is settled, or is killed.

The mail server lives in the test and survives; the ledger is all that a second life finds of the first.
"""

import asyncio
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from crash.proxy import Gate, Proxy
from ledger.makers import Clock

from listener.config.load import load
from listener.ledger import Ledger
from listener.outbox import Outbox, open_carrier, plan_of
from listener.outbox.carriers import GraphCarrier
from tests.outbox.office import KEYRING

LEDGER = ("begun", "waiting", "due", "get", "begin", "keep_draft", "settle", "postpone")
CARRIER = ("carry", "close")
GRAPH = ("find", "draft", "send", "look")
LONGEST = 15.0
LEAP = 4000.0
"""Seconds that the clock leaps whenever everything waits for later."""
FINAL = {"sent", "failed", "suppressed"}


@dataclass(frozen=True)
class Run:
    """One life: kill it before or after its call number `at` (0: never)."""

    config: Path
    at: int = 0
    after: bool = False
    token: str = ""


def main(run):
    log = run.config.with_name("child.log").open("a")
    os.dup2(log.fileno(), 1)
    os.dup2(log.fileno(), 2)
    sys.exit(asyncio.run(live(run)))


async def live(run):
    gate = Gate(run.at, run.after)
    config = load(run.config)
    clock = Leaping()
    ledger = await Ledger.open(config.listener.state_dir, now=clock)
    ledger.responses = Proxy(ledger.responses, gate, LEDGER, "ledger")

    async def carrier(account, token_of):
        opened = await open_carrier(account, token_of)
        if isinstance(opened, GraphCarrier):
            opened.sender = Proxy(opened.sender, gate, GRAPH, "graph")
        return Proxy(opened, gate, CARRIER, "carrier")

    def token_of(profile, user, protocol):
        async def token():
            return run.token

        return token

    outbox = Outbox(ledger, plan_of(config, KEYRING), token_of, carrier, now=clock, uniform=lambda a, b: b)
    running = asyncio.create_task(outbox.run())
    try:
        async with asyncio.timeout(LONGEST):
            while not await settled(ledger):
                assert not running.done(), running.result()
                await asyncio.sleep(0.03)
                if not outbox._state.running and not ledger.responses.work.is_set():
                    clock.leap += LEAP
                    ledger.responses.stir()
    except TimeoutError:
        return 3
    gate.armed = False
    await outbox.drain(1.0)
    await running
    await ledger.close()
    run.config.with_name("calls.json").write_text(json.dumps(gate.names))
    return 0


class Leaping:
    """The clock of the test that made the mail, and what was leapt over."""

    def __init__(self):
        self.leap, self.began = 0.0, time.monotonic()

    def __call__(self):
        return Clock().now + time.monotonic() - self.began + self.leap


async def settled(ledger):
    """Nothing is under way, and nothing waits for later."""
    rows = await ledger.responses._target.rows(limit=1000)
    return all(row["state"] in FINAL or (row["state"] == "unknown" and row["due_at"] is None) for row in rows)
