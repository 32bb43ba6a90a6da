"""A short memory of how the daemon has been doing, for the overview's charts: one sample every few seconds, bounded, in memory.

It begins with the daemon and forgets what is older than HISTORY samples; whoever wants more asks Prometheus. Rates are
differences of the counters that `/metrics` shows, so chart and scrape never disagree. `run` is a task of the web
application.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from prometheus_client.samples import Sample as Series

from ..health import Health
from ..metrics import Metrics

EVERY = 5.0
"""Seconds between two samples."""
HISTORY = 360
"""Samples kept: half an hour."""
WINDOW = 12
"""Samples over which a rate is taken: a minute."""

NORMAL = frozenset({"ended", "token_expired"})
"""Ends of sessions that are no failures."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The counters at one moment. `at`: monotonic seconds. `failures`: sessions, deliveries and messages that failed."""

    at: float
    staged: float
    failures: float
    latency_sum: float
    latency_count: float
    lag: int


@dataclass(frozen=True, slots=True)
class Trend:
    """One figure over time, oldest first; None where there was nothing to measure."""

    values: tuple[float | None, ...]

    @property
    def last(self) -> float | None:
        """The newest."""
        return self.values[-1] if self.values else None


@dataclass(slots=True)
class Sampler:
    """Samples of one daemon."""

    health: Health
    metrics: Metrics
    clock: Callable[[], float]
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=HISTORY))

    async def run(self) -> None:
        """For ever."""
        while True:
            self.take()
            await asyncio.sleep(EVERY)

    def take(self) -> None:
        """One sample, now."""
        totals = _totals(self.metrics)
        self.samples.append(
            Sample(
                self.clock(),
                totals["staged"],
                totals["failures"],
                totals["latency_sum"],
                totals["latency_count"],
                sum(status.lag_messages for status in self.health.statuses()),
            )
        )

    def messages_a_minute(self) -> Trend:
        """Stored messages in the minute before each sample."""
        return self._over_window(lambda now, then: now.staged - then.staged)

    def failures(self) -> Trend:
        """What failed in the minute before each sample."""
        return self._over_window(lambda now, then: now.failures - then.failures)

    def latency(self) -> Trend:
        """Mean seconds from the server's receipt until a hook had it, over the minute before each sample."""

        def mean(now: Sample, then: Sample) -> float | None:
            count = now.latency_count - then.latency_count
            return (now.latency_sum - then.latency_sum) / count if count > 0 else None

        return self._over_window(mean)

    def lag(self) -> Trend:
        """Messages that servers have and the ledger has not."""
        return Trend(tuple(float(sample.lag) for sample in self.samples))

    def minutes(self) -> float:
        """How far back the samples go."""
        return (self.samples[-1].at - self.samples[0].at) / 60 if self.samples else 0.0

    def _over_window(self, measure: Callable[[Sample, Sample], float | None]) -> Trend:
        kept = list(self.samples)
        return Trend(tuple(measure(sample, kept[max(0, number - WINDOW)]) for number, sample in enumerate(kept)))


def _totals(metrics: Metrics) -> dict[str, float]:
    """The counters, summed over their labels."""
    found = dict.fromkeys(("staged", "failures", "latency_sum", "latency_count"), 0.0)
    for family in metrics.registry.collect():
        for series in family.samples:
            name = _what(series)
            if name:
                found[name] += series.value
    return found


def _what(series: Series) -> str:
    """Which of our figures a series belongs to; "" for none."""
    name = series.name.partition("_")[2]
    if name == "messages_staged_total":
        return "staged"
    if name in ("message_latency_seconds_sum", "message_latency_seconds_count"):
        return "latency_sum" if name.endswith("sum") else "latency_count"
    if name in ("quarantined_messages_total", "dead_messages_total", "reconnects_total"):
        return "" if series.labels.get("reason") in NORMAL else "failures"
    if name == "hook_duration_seconds_count":
        return "failures" if series.labels.get("outcome") in ("failed", "dead") else ""
    return ""
