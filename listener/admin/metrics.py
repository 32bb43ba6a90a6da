"""What is counted and measured, as Prometheus text at `/metrics`.

One `Metrics` belongs to one daemon. Tasks raise its counters as things happen; gauges are set from the ledger and the accounts'
progress when somebody scrapes. Which metrics there are stands in `listener/series.py`, and only there. Safe on any thread.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter as Tally
from collections.abc import Iterable, Mapping

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase

from ..ledger import Accepted, State
from ..series import BY_NAME, PREFIX, SERIES, Kind, Series
from ..status import AccountState, AccountStatus
from .health import UNPROCESSED, Health
from .versions import versions

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_REASONS = 50
"""Different reasons that get a series of their own."""
OTHER = "other"
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Metrics:
    """All series of one daemon."""

    def __init__(self) -> None:
        # Else each counter would be there twice, once with the moment of its creation.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._made = {series.name: _made(series, self.registry) for series in SERIES}
        self._reasons: dict[str, set[str]] = {}
        info = self._made["build_info"]
        assert isinstance(info, Info)
        info.info(versions())

    # --- as things happen ---------------------------------------------------------------------------------------------

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        """Raise this counter. Labels are given in the table's order; a `reason` is cut to its fixed word."""
        counter = self._made[name]
        assert isinstance(counter, Counter), name
        (counter.labels(*self._bounded(name, labels)) if labels else counter).inc(by)

    def observe(self, name: str, seconds: float, *labels: str) -> None:
        """One more measurement of this histogram."""
        histogram = self._made[name]
        assert isinstance(histogram, Histogram), name
        (histogram.labels(*labels) if labels else histogram).observe(max(0.0, seconds))

    def set(self, name: str, value: float) -> None:
        """Make this gauge without labels show that."""
        gauge = self._made[name]
        assert isinstance(gauge, Gauge), name
        gauge.set(value)

    def count_accepted(self, protocol: str, accepted: Accepted) -> None:
        """One commit of a receiver."""
        self.count("messages_staged_total", protocol, by=accepted.accepted)
        self.count("duplicates_suppressed_total", protocol, by=accepted.duplicates)
        for state, reason in accepted.set_aside:
            self.count_set_aside(state, reason)

    def count_filed(self, number: int) -> None:
        """One commit of the dispatcher."""
        self.count("messages_filed_total", by=number)

    def count_set_aside(self, state: str, reason: str) -> None:
        """One message that did not come into a case: `state` is quarantined, ignored or dead."""
        self.count(f"{state}_messages_total", reason)

    def count_delivered(self, kind: str, outcome: str, seconds: float) -> None:
        """One call of a hook."""
        self.observe("hook_duration_seconds", seconds, kind, outcome)

    def _bounded(self, name: str, labels: tuple[str, ...]) -> tuple[str, ...]:
        """The labels with every reason as a fixed word, and no more of them than MAX_REASONS."""
        known = self._reasons.setdefault(name, set())
        bounded = []
        for label, value in zip(BY_NAME[name].labels, labels, strict=True):
            word = reason_word(value) if label in ("reason", "cause") else value
            if label == "reason" and word not in known:
                word = word if len(known) < MAX_REASONS else OTHER
                known.add(word)
            bounded.append(word)
        return tuple(bounded)

    # --- the scrape -----------------------------------------------------------------------------------------------------

    async def render(self, health: Health) -> bytes:
        """Prometheus text, version 0.0.4."""
        statuses = list(health.statuses())
        counts, oldest = await asyncio.gather(health.ledger.counts(), health.ledger.oldest_unprocessed())
        storage = await health.ledger.storage()
        self._show_accounts(statuses, health.monotonic(), health.now())
        self._show_expiries(statuses)
        self._show("client_secret_expiry_timestamp_seconds", _earliest(await asyncio.to_thread(health.expiries)))
        self._show_messages(counts)
        self._show("oldest_unprocessed_message_timestamp_seconds", {(stage,): at for stage, at in oldest.items()})
        self._show("ready", {(): not health.not_ready()})
        self._show("disk_free_bytes", {(): storage.free})
        self._show("ledger_bytes", {(): storage.ledger})
        self._show("ledger_wal_bytes", {(): storage.wal})
        return generate_latest(self.registry)

    def _show(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """Make this gauge show these values and no others."""
        gauge = self._made[name]
        assert isinstance(gauge, Gauge), name
        if BY_NAME[name].labels:
            gauge.clear()
        for labels, value in values.items():
            (gauge.labels(*labels) if labels else gauge).set(value)

    def _show_accounts(self, statuses: Iterable[AccountStatus], clock: float, now: float) -> None:
        statuses = list(statuses)
        protocols = sorted({status.protocol for status in statuses})
        tally = Tally((status.state, status.protocol) for status in statuses)
        running = [status for status in statuses if status.state is not AccountState.STOPPED]
        renewed = [now - (clock - since) for since in (s.mailbox.idle_since for s in running if s.mailbox) if since]
        skews = [abs(skew) for skew in (s.mailbox.clock_skew for s in running if s.mailbox) if skew is not None]
        self._show("account_state", {(state, p): tally[state, p] for p in protocols for state in AccountState})
        last: dict[tuple[str, ...], float] = {
            (p,): min((s.last_success or 0 for s in running if s.protocol == p), default=0) for p in protocols
        }
        self._show("account_last_success_timestamp_seconds", last)
        self._show("idle_last_renewal_timestamp_seconds", {(): min(renewed, default=0)})
        self._show("clock_skew_seconds", {(): max(skews, default=0)})
        self._show("lag_messages", {(): sum(status.lag_messages for status in statuses)})
        self._show("missing_folders", {(): sum(len(status.missing_folders) for status in statuses)})

    def _show_expiries(self, statuses: Iterable[AccountStatus]) -> None:
        """Per provider the earliest."""
        facts = [(s.provider, s.token_expiry, s.certificate_expiry) for s in statuses if s.state is not AccountState.STOPPED]
        self._show("oauth_token_expiry_timestamp_seconds", _earliest((provider, token) for provider, token, _ in facts))
        self._show("tls_peer_cert_expiry_timestamp_seconds", _earliest((provider, end) for provider, _, end in facts))

    def _show_messages(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        tally: Tally[tuple[str, str]] = Tally()
        for (_account, state, reason), number in counts.items():
            tally[state, reason_word(reason)] += number
        ranked = {reason for (_, reason), _ in tally.most_common(MAX_REASONS)}
        shown: Tally[tuple[str, ...]] = Tally({(state, ""): 0 for state in State})
        of_state: Tally[str] = Tally()
        for (state, reason), number in tally.items():
            shown[state, reason if reason in ranked else OTHER] += number
            of_state[state] += number
        self._show("messages", shown)
        self._show("backlog_messages", {(state,): of_state[state] for state in UNPROCESSED})
        self._show("dead_letters", {(): of_state[State.DEAD]})


def _made(series: Series, registry: CollectorRegistry) -> MetricWrapperBase:
    bare = PREFIX + series.name.removesuffix("_total" if series.kind is Kind.COUNTER else "_info")
    match series.kind:
        case Kind.COUNTER:
            return Counter(bare, series.prose, series.labels, registry=registry)
        case Kind.GAUGE:
            return Gauge(bare, series.prose, series.labels, registry=registry)
        case Kind.HISTOGRAM:
            return Histogram(bare, series.prose, series.labels, registry=registry, buckets=series.buckets)
        case Kind.INFO:
            return Info(bare, series.prose, registry=registry)


def _earliest(facts: Iterable[tuple[str, float | None]]) -> dict[tuple[str, ...], float]:
    found: dict[tuple[str, ...], float] = {}
    for provider, at in facts:
        if at is not None:
            found[provider,] = min(at, found.get((provider,), at))
    return found


def reason_word(reason: str) -> str:
    """The fixed word of a reason; what follows a colon is for people."""
    word = reason.partition(":")[0]
    return word if not word or _WORD.fullmatch(word) else OTHER
