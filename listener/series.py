"""Every metric that `/metrics` shows: its name, kind, labels and what it means. docs/operations.md shows this table.

`admin/metrics.py` makes them from here and nothing else; the alert rules, the dashboard and the documents are held to this
table by tests. Rules of the file

1. Names begin with `maillistener_`, have base units, and `_total` where they only grow (prometheus.io/docs/practices/naming).
2. Every label's values are a closed set: no account, address, subject, host or folder, so that the number of series does not
   grow with accounts (R-98).
3. Moments are POSIX seconds and not ages, so that an exporter that stands still shows. 0 means: there is none.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "maillistener_"


class Kind(StrEnum):
    """Prometheus' kinds."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Series:
    """One metric. `name` without prefix, as it is scraped. `buckets`: a histogram's upper bounds."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    prose: str
    buckets: tuple[float, ...] = ()


BRIEF = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Seconds that a step may take."""
LONG = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0)
"""Seconds that a message may be on its way."""


def _counter(name: str, prose: str, *labels: str) -> Series:
    return Series(name, Kind.COUNTER, labels, prose)


def _gauge(name: str, prose: str, *labels: str) -> Series:
    return Series(name, Kind.GAUGE, labels, prose)


def _histogram(name: str, prose: str, *labels: str, buckets: tuple[float, ...] = BRIEF) -> Series:
    return Series(name, Kind.HISTOGRAM, labels, prose, buckets)


_VERSIONS = ("version", "commit", "python", "openssl", "sqlite")
_OLDEST = "When the oldest message came in that is `accepted` (not yet in a case) or `filed` (hooks not finished); 0: none."

SERIES: tuple[Series, ...] = (
    Series("build_info", Kind.INFO, _VERSIONS, "Versions of Listener and what it runs on; `commit` is empty where unknown."),
    # --- accounts
    _gauge("account_state", "Accounts in each state.", "state", "protocol"),
    _gauge(
        "account_last_success_timestamp_seconds",
        "Last completed round trip of the account for which it is longest ago, paused ones aside; 0: one had none yet.",
        "protocol",
    ),
    _gauge("idle_last_renewal_timestamp_seconds", "When the oldest IDLE under way began or was renewed; 0: none idles."),
    _gauge("missing_folders", "Watched folders that are not there."),
    _gauge("lag_messages", "Messages that servers have and the ledger has not, as far as servers told."),
    _counter("reconnects_total", "Sessions that ended, and why; each is followed by another.", "provider", "reason"),
    _counter("throttled_total", "Times a server asked us to wait, and how it said for how long.", "provider", "reason"),
    _counter("throttle_wait_seconds_total", "Seconds we waited because servers asked us to.", "provider", "reason"),
    _counter("reconciles_total", "Times a server gave ids anew, so that mail was recognised by content.", "protocol", "cause"),
    # --- messages
    _counter("messages_staged_total", "Messages committed to the ledger.", "protocol"),
    _counter("duplicates_suppressed_total", "Messages recognised as already known by their content.", "protocol"),
    _counter("quarantined_messages_total", "Messages that were put into quarantine, and why.", "reason"),
    _counter("ignored_messages_total", "Messages that were ignored on arrival or by a rule, and why.", "reason"),
    _counter("dead_messages_total", "Messages that died before they came into a case, and why.", "reason"),
    _counter("messages_filed_total", "Messages put into a case."),
    _histogram("fetch_to_stage_seconds", "From the begin of a page's fetch to its commit.", "protocol"),
    _histogram(
        "message_latency_seconds", "From a server's receipt of a message until a hook took it.", "protocol", buckets=LONG
    ),
    _histogram("canary_seconds", "From the sending of a probe mail until it was committed.", buckets=LONG),
    _histogram("hook_duration_seconds", "Length of hook calls, by kind of hook and how they ended.", "hook", "outcome"),
    _gauge("messages", "Messages in the ledger.", "state", "reason"),
    _gauge("backlog_messages", "Messages in the ledger that are not finished.", "state"),
    _gauge("dead_letters", "Dead messages in the ledger; `listener retry` revives them."),
    _gauge("oldest_unprocessed_message_timestamp_seconds", _OLDEST, "stage"),
    # --- replies
    _counter(
        "replies_total",
        "Automatic replies, hooks' among them, by what became of them: sent, deferred, failed, unknown.",
        "outcome",
    ),
    _counter("replies_suppressed_total", "Automatic replies that were not sent, and the rule that forbade them.", "reason"),
    _gauge("reply_breaker_open", "1 while all automatic replies are stopped; see `limits.reply_breaker`."),
    # --- what expires
    _gauge("oauth_token_expiry_timestamp_seconds", "Earliest end of an access token in use.", "provider"),
    _gauge("client_secret_expiry_timestamp_seconds", "Earliest end of an application's secret or certificate.", "provider"),
    _gauge("tls_peer_cert_expiry_timestamp_seconds", "Earliest end of a mail server's certificate, as seen.", "provider"),
    # --- the daemon
    _gauge("ready", "1 when mail can be taken."),
    _histogram("event_loop_lag_seconds", "How late the event loop's heartbeat was; once a second."),
    _histogram("db_commit_seconds", "Length of the ledger's commits, fsync included."),
    _gauge("disk_free_bytes", "Room left for the ledger on its file system."),
    _gauge("ledger_bytes", "Size of the ledger's file."),
    _gauge("ledger_wal_bytes", "Size of the ledger's write-ahead log; grows only while a reader holds it."),
    _gauge(
        "clock_skew_seconds",
        "Largest difference between our clock and a server's; only Microsoft Graph tells.",
    ),
    _counter("task_restarts_total", "Parts of the daemon that ended unasked and were started again.", "task"),
    _counter("reloads_total", "Re-readings of the configuration by how they ended.", "outcome"),
)

BY_NAME = {series.name: series for series in SERIES}
