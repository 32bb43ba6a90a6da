"""What is counted and measured, as Prometheus text at `/metrics`.

One `Metrics` belongs to one daemon. Tasks raise its counters as things happen; gauges are set from the ledger and the accounts'
progress when somebody scrapes. No address, subject or account name is in any label, and every label's values are a closed set,
so the number of series does not grow with accounts (R-98). docs/operations.md lists all of them; a test holds it to this file.
"""

from __future__ import annotations

import platform
import re
import ssl
from collections import Counter as Tally
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector, generate_latest

from .. import __version__
from ..ledger import Accepted, State
from ..status import AccountState, AccountStatus
from .health import Health, oldest_unprocessed

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_REASONS = 50
"""Different reasons that get a series of their own."""
SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Metrics:
    """All series of one daemon."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._events()
        self._gauges()

    def _events(self) -> None:
        """Raised as things happen."""
        self.sessions = self._counter("sessions", "Mailbox sessions by how they ended", "protocol", "outcome")
        self.task_restarts = self._counter("task_restarts", "Tasks that ended unasked and were started again", "task")
        self.throttled = self._counter("throttled", "Times a server asked us to wait", "protocol")
        self.accepted = self._counter("messages_accepted", "Messages committed to the ledger", "protocol")
        self.duplicates = self._counter("duplicates", "Messages recognised as already known by their content")
        self.quarantined = self._counter("quarantined_on_arrival", "Messages quarantined before parsing")
        self.ignored = self._counter("ignored_on_arrival", "Messages ignored before parsing")
        self.filed = self._counter("messages_filed", "Messages put into a case")
        self.set_aside = self._counter("messages_set_aside", "Messages quarantined or dead before a case", "reason")
        self.deliveries = self._counter("deliveries", "Hook calls by kind of hook and how they ended", "kind", "outcome")
        self.hook_seconds = self._histogram("hook_duration_seconds", "Length of hook calls", "kind")
        self.reloads = self._counter("reloads", "Re-readings of the configuration", "outcome")

    def _gauges(self) -> None:
        """What is so at the moment of the scrape. Times are POSIX seconds, so that a stuck exporter shows."""
        self.build = Info("listener_build", "Versions", registry=self.registry)
        self.build.info({"version": __version__, "python": platform.python_version(), "openssl": ssl.OPENSSL_VERSION})
        self.accounts = self._gauge("accounts", "Accounts by state and protocol", "state", "protocol")
        self.messages = self._gauge("messages", "Messages in the ledger by state and reason", "state", "reason")
        self.lag = self._gauge("lag_messages", "Messages that servers have and the ledger has not")
        self.ready = self._gauge("ready", "1 when mail can be taken")
        self.loop_lag = self._gauge("event_loop_lag_seconds", "How late the event loop is")
        self.missing_folders = self._gauge("missing_folders", "Watched folders that are not there")
        self.oldest_success = self._gauge(
            "oldest_success_timestamp_seconds",
            "Last completed round trip of the account for which it is longest ago (0: one had none yet)",
            "protocol",
        )
        self.oldest_unprocessed = self._gauge(
            "oldest_unprocessed_timestamp_seconds", "When the oldest unprocessed message came in (0: none)"
        )
        self.token_expiry = self._gauge("token_expiry_timestamp_seconds", "Earliest expiry of an access token (0: none)")

    def _counter(self, name: str, prose: str, *labels: str) -> Counter:
        return Counter(f"listener_{name}", prose, labels, registry=self.registry)

    def _histogram(self, name: str, prose: str, *labels: str) -> Histogram:
        return Histogram(f"listener_{name}", prose, labels, buckets=SECONDS, registry=self.registry)

    def _gauge(self, name: str, prose: str, *labels: str) -> Gauge:
        return Gauge(f"listener_{name}", prose, labels, registry=self.registry)

    def count_accepted(self, protocol: str, accepted: Accepted) -> None:
        """One commit of a receiver."""
        self.accepted.labels(protocol).inc(accepted.accepted)
        self.duplicates.inc(accepted.duplicates)
        self.quarantined.inc(accepted.quarantined)
        self.ignored.inc(accepted.ignored)

    def count_filed(self, number: int) -> None:
        """One commit of the dispatcher."""
        self.filed.inc(number)

    def count_set_aside(self, reason: str) -> None:
        """One message that did not come into a case."""
        self.set_aside.labels(reason_word(reason)).inc()

    def count_delivered(self, kind: str, outcome: str, seconds: float) -> None:
        """One call of a hook."""
        self.deliveries.labels(kind, outcome).inc()
        self.hook_seconds.labels(kind).observe(seconds)

    async def render(self, health: Health) -> bytes:
        """The scrape: Prometheus text, version 0.0.4."""
        statuses = list(health.statuses())
        self._show_accounts(statuses)
        self._show_messages(await health.ledger.counts())
        oldest = await oldest_unprocessed(health.ledger)
        self.oldest_unprocessed.set(min(oldest.values(), default=0))
        self.ready.set(not health.not_ready())
        self.loop_lag.set(max(0.0, health.monotonic() - health.loop_beat))
        return generate_latest(self.registry)

    def _show_accounts(self, statuses: Iterable[AccountStatus]) -> None:
        statuses = list(statuses)
        protocols = sorted({status.protocol for status in statuses})
        tally = Tally((status.state, status.protocol) for status in statuses)
        self.accounts.clear()
        self.oldest_success.clear()
        for protocol in protocols:
            for state in AccountState:
                self.accounts.labels(state, protocol).set(tally[state, protocol])
            running = [s for s in statuses if s.protocol == protocol and s.state is not AccountState.STOPPED]
            self.oldest_success.labels(protocol).set(min((s.last_success or 0 for s in running), default=0))
        self.lag.set(sum(status.lag_messages for status in statuses))
        self.missing_folders.set(sum(len(status.missing_folders) for status in statuses))
        self.token_expiry.set(min((s.token_expiry for s in statuses if s.token_expiry is not None), default=0))

    def _show_messages(self, counts: Mapping[tuple[str, str, str], int]) -> None:
        tally: Tally[tuple[str, str]] = Tally()
        for (_account, state, reason), number in counts.items():
            tally[state, reason_word(reason)] += number
        ranked = [reason for (_, reason), _ in tally.most_common(MAX_REASONS)]
        self.messages.clear()
        for state in State:
            self.messages.labels(state, "").set(0)
        for (state, reason), number in tally.items():
            self.messages.labels(state, reason if reason in ranked else "other").inc(number)


def reason_word(reason: str) -> str:
    """The fixed word of a reason; what follows a colon is for people."""
    word = reason.partition(":")[0]
    return word if not word or _WORD.fullmatch(word) else "other"
