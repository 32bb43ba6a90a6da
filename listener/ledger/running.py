"""How an operation of the ledger runs: on the writer's thread, answered after its commit, or on a reader's, beside it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from .storage import Readers
from .writer import Writer

P = ParamSpec("P")
T = TypeVar("T")


class Running:
    """What both halves of `Ledger` stand on; made by `Ledger`."""

    _path: Path
    _now: Callable[[], float]
    _writer: Writer
    _readers: Readers
    _threads: ThreadPoolExecutor

    async def _write(self, operation: Callable[..., T], *values: Any, wakes: bool = False) -> T:
        return await self._writer.submit(lambda tx: operation(tx, *values), wakes=wakes)

    async def _read(self, query: Callable[Concatenate[sqlite3.Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        self._writer.check()

        def run() -> T:
            with self._readers.lend() as connection:
                return query(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, run)
