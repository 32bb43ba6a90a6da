"""Parsing without stalling anybody: quick messages here, the others in worker processes that can be killed (R-64).

`Parser.parse` is what the dispatcher, preview and `release` call. An ordinary message is understood in this process, a small
one at once, a larger one in a thread; what `parse_quickly` declines, and whatever the caller wants isolated (entries
of an earlier process life), goes to a worker with limits on memory, processor time and wall clock. However hostile the
message, it costs its own deadline and nobody else's.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

from ..errors import MessageFailure
from ..message import InboundMessage, Trust, dkim, parse_quickly
from ..message.model import Verdict
from .keys import LookUp, ask_dns, gathered
from .worker import DEADLINE, MEMORY, Worker

DIRECT_OCTETS = 8 * 1024
DIRECT_LINES = 120
DIRECT_MARKS = 500
"""What has no more octets, lines and marks than this is read on the event loop: that takes less than handing it over. The most
hostile message of that size that fuzzing found took 20 ms of processor time; 100 ms would be felt by other accounts."""
_MARKS = b'<@;:=,"('
"""Octets that begin or divide something: what makes small mail slow to read consists of little else."""

__all__ = ["DIRECT_OCTETS", "Parser"]


class Parser:
    """A thread for what is quick and a few worker processes for what is not. Processes start when they are first needed."""

    def __init__(
        self, *, workers: int | None = None, deadline: float = DEADLINE, memory: int = MEMORY, look_up: LookUp = ask_dns
    ) -> None:
        self._look_up = look_up
        count = workers or min(2, os.cpu_count() or 1)
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._workers = [Worker(deadline=deadline, memory=memory) for _ in range(count)]
        for worker in self._workers:
            self._idle.put(worker)
        self._quick = ThreadPoolExecutor(1, "parse")
        self._waiting = ThreadPoolExecutor(count, "parse-worker")

    async def parse(self, octets: bytes, trust: Trust, *, isolated: bool = False) -> InboundMessage:
        """The message, however hostile.

        Raises ParseTimeout when it took too long and ParseCrash when it killed its worker (memory, processor time).
        """
        message = await self._understood(octets, trust, isolated)
        if trust.verify_dkim and message.authentication.verdict is Verdict.UNKNOWN:
            return await self._with_signatures(message, octets, trust)
        return message

    async def _with_signatures(self, message: InboundMessage, octets: bytes, trust: Trust) -> InboundMessage:
        """Looked at by ourselves, in a worker: what a signature can cost is not known."""
        keys = await gathered(dkim.key_names(octets), self._look_up)
        if not keys:
            return message
        try:
            return await asyncio.get_running_loop().run_in_executor(self._waiting, self._in_worker, octets, trust, keys)
        except MessageFailure:  # its signatures cost too much: nobody vouches for it, and that is all
            return message

    async def _understood(self, octets: bytes, trust: Trust, isolated: bool) -> InboundMessage:
        loop = asyncio.get_running_loop()
        if not isolated:
            if _is_little_work(octets):
                message = parse_quickly(octets, trust)
            else:
                message = await loop.run_in_executor(self._quick, parse_quickly, octets, trust)
            if message is not None:
                return message
        return await loop.run_in_executor(self._waiting, self._in_worker, octets, trust)

    async def close(self) -> None:
        """End at once; what workers are parsing now raises ParseCrash. Idempotent."""
        self._quick.shutdown(wait=False, cancel_futures=True)
        self._waiting.shutdown(wait=False, cancel_futures=True)
        for worker in self._workers:
            worker.interrupt()
        await asyncio.get_running_loop().run_in_executor(None, self._waiting.shutdown)
        for worker in self._workers:
            worker.kill()

    def _in_worker(self, octets: bytes, trust: Trust, keys: Mapping[str, str] | None = None) -> InboundMessage:
        worker = self._idle.get()
        try:
            return worker.parse(octets, trust, keys)
        finally:
            self._idle.put(worker)


def _is_little_work(octets: bytes) -> bool:
    if len(octets) > DIRECT_OCTETS or octets.count(b"\n") > DIRECT_LINES:
        return False
    return len(octets) - len(octets.translate(None, _MARKS)) <= DIRECT_MARKS
