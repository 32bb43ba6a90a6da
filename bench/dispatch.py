"""How fast the dispatcher turns stored mail into cases and hook calls: `python bench/dispatch.py [--messages N] [--dir DIR]`.

A real ledger (synchronous=FULL) and the real parser; ordinary messages of some 5 KB, text and HTML, every third one an answer.
Prints one JSON object a line: a backlog filed without a hook and with one, then the latency from `accept` to the committed case
and to the hook's settled delivery, one message at a time. First marks: ≥ 2,500/s without a hook, median to the case < 50 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import resource
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import structlog

from listener.dispatcher import AccountPlan, Dispatcher
from listener.hooks import Filed
from listener.ledger import Ledger
from listener.mailbox import Extent, Fetched, Folder, Listing, Page, SyncState
from listener.parsing import Parser

INBOX = Folder("INBOX")
ACCOUNT = "support"
PAGE = 100
SINGLE = 300


class Hook:
    """A HookHost that files at once and counts."""

    name = "python:bench:Hook"

    def __init__(self) -> None:
        self.calls = 0
        self.called = asyncio.Event()

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def handle(self, message, case, entry) -> Filed:
        self.calls += 1
        return Filed("REF-1")


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=10_000)
    options.add_argument("--dir", type=Path, default=None, help="where the ledgers lie; default: a temporary directory")
    chosen = options.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    root = Path(tempfile.mkdtemp(dir=chosen.dir))
    try:
        await backlog(root / "plain", chosen.messages, [])
        await backlog(root / "hooked", min(chosen.messages, 4_000), [Hook()])
        await latency(root / "single")
    finally:
        shutil.rmtree(root)
    print(json.dumps({"peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}))


async def backlog(state_dir: Path, messages: int, hooks: list[Hook]) -> None:
    """Everything is stored first, then dispatched."""
    ledger = await Ledger.open(state_dir)
    for start in range(1, messages + 1, PAGE):
        await receive(ledger, range(start, start + PAGE))
    parser = Parser()
    dispatcher = dispatching(ledger, parser, hooks)
    begun, cpu = time.perf_counter(), time.process_time()
    running = asyncio.create_task(dispatcher.run())
    while (await ledger.counts()).get((ACCOUNT, "done", ""), 0) < messages:
        await asyncio.sleep(0.05)
    took = time.perf_counter() - begun
    print(
        json.dumps(
            {"what": f"backlog with {len(hooks)} hooks", "messages": messages, "per_second": round(messages / took)}
            | {"seconds": round(took, 2), "cpu_seconds": round(time.process_time() - cpu, 2)}
        ),
        flush=True,
    )
    await dispatcher.drain(5)
    await running
    await parser.close()
    await ledger.close()


async def latency(state_dir: Path) -> None:
    """One message at a time, from the moment it is stored."""
    ledger = await Ledger.open(state_dir)
    parser, hook = Parser(), Hook()
    dispatcher = dispatching(ledger, parser, [hook])
    running = asyncio.create_task(dispatcher.run())
    filed, done = [], []
    file, settle = ledger.file, ledger.settle_delivery
    begun = 0.0

    async def filing(batch, plans):
        answer = await file(batch, plans)
        filed.append(time.perf_counter() - begun)
        return answer

    async def settling(delivery, outcome):
        await settle(delivery, outcome)
        done.append(time.perf_counter() - begun)

    ledger.file, ledger.settle_delivery = filing, settling
    for number in range(1, SINGLE + 1):
        begun = time.perf_counter()
        await receive(ledger, [number])
        while len(done) < number:
            await asyncio.sleep(0.0005)
    for what, times in (("accept to case", filed), ("accept to settled hook", done)):
        ordered = sorted(one * 1000 for one in times)
        figures = {"median_ms": statistics.median(ordered), "p99_ms": ordered[int(len(ordered) * 0.99)]}
        print(json.dumps({"what": what} | {name: round(value, 2) for name, value in figures.items()}), flush=True)
    await dispatcher.drain(5)
    await running
    await parser.close()
    await ledger.close()


def dispatching(ledger: Ledger, parser: Parser, hooks: list[Hook]) -> Dispatcher:
    names = tuple(hook.name for hook in hooks)
    return Dispatcher(ledger, parser, {hook.name: hook for hook in hooks}, {ACCOUNT: AccountPlan(names)})


async def receive(ledger: Ledger, numbers) -> None:
    fetched = [Fetched(Listing(INBOX, f"1:{n}", None, 1_800_000_000.0), Extent.WHOLE, letter(n)) for n in numbers]
    page = Page(INBOX, tuple(one.listing for one in fetched), SyncState(f"1:{numbers[-1] + 1}"))
    await ledger.accept(ACCOUNT, page, await ledger.plan(ACCOUNT, page), fetched, owe=False)


def letter(number: int) -> bytes:
    """An ordinary message: text and HTML, an answer with its quote where the number is divisible by three."""
    references = (
        f"In-Reply-To: <{number - 1}@example.com>\r\nReferences: <{number - 1}@example.com>\r\n" if number % 3 == 0 else ""
    )
    customer = (number - bool(references)) % 500
    lines = "How do I change the address of my order? It went to the old one again.\r\n" * 12
    quoted = "".join(f"> {line}\r\n" for line in lines.splitlines()) if references else ""
    return (
        f"Return-Path: <customer{customer}@example.com>\r\nReceived: from a.example.com by mx.example.com with ESMTPS;"
        f" Sun, 22 Nov 2026 10:00:00 +0000\r\nFrom: A Customer <customer{customer}@example.com>\r\n"
        f"To: Support <support@example.com>\r\nSubject: Question {number}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
        f"Message-ID: <{number}@example.com>\r\n{references}MIME-Version: 1.0\r\n"
        'Content-Type: multipart/alternative; boundary="b"\r\n\r\n'
        f"--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{lines}\r\n{quoted}\r\n"
        "--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<html><body>"
        f"{''.join(f'<p>{line}</p>' for line in lines.splitlines())}</body></html>\r\n--b--\r\n"
    ).encode()


if __name__ == "__main__":
    asyncio.run(main())
