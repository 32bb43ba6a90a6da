"""OpenTelemetry, where `[otlp]` wants it: one trace a message, from its arrival to its hooks, and the metrics of `/metrics`.

Run by the supervisor as a task. Traces are made of the ledger's history of messages that ended: nothing is added to the way of
a message, and what the collector did not take is sent again, from where it was, as long as the daemon runs. The history from
before the start is not sent.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import structlog

from ..ledger import Ledger
from .spans import Span, spans

PAUSE = 5.0
"""Seconds between two looks at what ended."""
AT_ONCE = 100
"""Messages whose traces are sent in one request."""

log = structlog.get_logger(__name__)


class Takes(Protocol):
    """What `sending.Collector` does; both block."""

    def take_spans(self, spans: Sequence[Span]) -> bool: ...
    def take_metrics(self, families: Iterable[Any], begun: float, now: float) -> bool: ...


class Exporter:
    """Of one daemon. `refresh` brings the gauges up to date, `collect` gives what the registry holds."""

    def __init__(
        self,
        collector: Takes,
        ledger: Ledger,
        refresh: Callable[[], Awaitable[object]],
        collect: Callable[[], Iterable[Any]],
        metrics_interval: float,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._collector, self._ledger = collector, ledger
        self._refresh, self._collect = refresh, collect
        self._interval, self._now = metrics_interval, now
        self._begun = now()
        self._troubled = False

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._traces())
            tasks.create_task(self._meter())

    async def _traces(self) -> None:
        seen = await self._ledger.stories.last_event()
        while True:
            after, stories = await self._ledger.stories.ended_after(seen, AT_ONCE)
            told = [span for story in stories for span in spans(story)]
            if not told or await self._took(self._collector.take_spans, told):
                seen = after
            if len(stories) < AT_ONCE or self._troubled:
                await asyncio.sleep(PAUSE)

    async def _meter(self) -> None:
        while True:
            await asyncio.sleep(self._interval)
            await self._refresh()
            await self._took(self._collector.take_metrics, list(self._collect()), self._begun, self._now())

    async def _took(self, take: Callable[..., bool], *values: Any) -> bool:
        """Whether the collector took it; trouble and its end are said once."""
        took = await asyncio.to_thread(take, *values)
        if took and self._troubled:
            log.info("otlp.well")
        elif not took and not self._troubled:
            log.warning("otlp.refused", hint="check [otlp] endpoint, headers_file and the collector; no mail waits for it")
        self._troubled = not took
        return took


def read_headers(text: str) -> Mapping[str, str]:
    """`name=value` a line → headers of each request. Raises ValueError for a line that is none."""
    headers = {}
    for number, line in enumerate(text.split("\n"), start=1):
        name, equals, value = line.partition("=")
        if line.strip():
            if not equals or not name.strip() or not value.strip().isprintable():
                raise ValueError(f"line {number} is not name=value")
            headers[name.strip()] = value.strip()
    return headers
