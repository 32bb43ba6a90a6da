"""Prometheus text: parseable, the same number of series for one account and a thousand, and nobody's name in it."""

from itertools import product
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from listener import __version__
from listener.admin.metrics import Metrics, reason_word
from listener.admin.versions import versions
from listener.config.presets import providers
from listener.ledger import Accepted
from listener.mailbox import Extent
from listener.series import SERIES, Kind
from listener.status import AccountState, AccountStatus

from .conftest import file, octets, put


async def scraped(admin):
    _, headers, body = await admin.get("/metrics", token=None)
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


async def test_messages_and_accounts_are_counted_by_state(admin):
    await put(admin.ledger, "support", octets(1), octets(2))
    await file(admin.ledger)
    await put(admin.ledger, "sales", octets(3), extent=Extent.HEADER)
    await put(admin.ledger, "sales", octets(4))
    admin.statuses[1].enter(AccountState.AUTH_FAILED)
    admin.statuses[0].lag["INBOX"] = 5
    admin.statuses[0].last_success = 1_700_000_000.0
    seen = await scraped(admin)
    assert seen["maillistener_messages", ("reason", ""), ("state", "done")] == 2
    assert seen["maillistener_messages", ("reason", ""), ("state", "accepted")] == 1
    assert seen["maillistener_messages", ("reason", ""), ("state", "dead")] == 0
    assert seen["maillistener_messages", ("reason", "too_large"), ("state", "quarantined")] == 1
    assert seen["maillistener_account_state", ("protocol", "imap"), ("state", "auth_failed")] == 1
    assert seen["maillistener_account_state", ("protocol", "imap"), ("state", "idle")] == 1
    assert seen["maillistener_account_state", ("protocol", "imap"), ("state", "backoff")] == 0
    assert seen["maillistener_lag_messages",] == 5
    assert seen["maillistener_ready",] == 1
    assert seen["maillistener_oldest_unprocessed_message_timestamp_seconds", ("stage", "accepted")] == 1_700_000_000
    assert seen["maillistener_account_last_success_timestamp_seconds", ("protocol", "imap")] == 0


async def test_what_happens_is_counted(admin):
    metrics = admin.metrics
    away = (("quarantined", "too_large"), ("quarantined", "refused: NO [X] go away"), ("ignored", "before_baseline"))
    metrics.count_accepted("imap", Accepted((), accepted=3, duplicates=1, set_aside=away))
    metrics.count_filed(3)
    metrics.count_set_aside("quarantined", "parse_crash: killed")
    metrics.count_set_aside("dead", "unfilable")
    metrics.count_delivered("webhook", "done", 0.2)
    seen = await scraped(admin)
    assert seen["maillistener_messages_staged_total", ("protocol", "imap")] == 3
    assert seen["maillistener_duplicates_suppressed_total", ("protocol", "imap")] == 1
    assert seen["maillistener_messages_filed_total",] == 3
    for reason in ("too_large", "refused", "parse_crash"):
        assert seen["maillistener_quarantined_messages_total", ("reason", reason)] == 1
    assert seen["maillistener_ignored_messages_total", ("reason", "before_baseline")] == 1
    assert seen["maillistener_dead_messages_total", ("reason", "unfilable")] == 1
    assert seen["maillistener_hook_duration_seconds_count", ("hook", "webhook"), ("outcome", "done")] == 1


async def test_what_is_due_next_and_what_expires_is_told_by_provider(admin):
    support, sales = admin.statuses
    support.provider, support.token_expiry, support.certificate_expiry = "gmail", 1_800_000_000.0, 1_900_000_000.0
    sales.provider, sales.token_expiry = "gmail", 1_790_000_000.0
    support.mailbox = SimpleNamespace(idle_since=admin.health.monotonic() - 100, clock_skew=None)
    sales.mailbox = SimpleNamespace(idle_since=None, clock_skew=-7.5)
    admin.health.now = lambda: 1_750_000_000.0
    admin.health.expiries = lambda: [("microsoft", 1_850_000_000.0), ("microsoft", 1_840_000_000.0)]
    seen = await scraped(admin)
    assert seen["maillistener_oauth_token_expiry_timestamp_seconds", ("provider", "gmail")] == 1_790_000_000
    assert seen["maillistener_tls_peer_cert_expiry_timestamp_seconds", ("provider", "gmail")] == 1_900_000_000
    assert 1_750_000_000 - 101 < seen["maillistener_idle_last_renewal_timestamp_seconds",] <= 1_750_000_000 - 100
    assert seen["maillistener_clock_skew_seconds",] == 7.5
    assert seen["maillistener_client_secret_expiry_timestamp_seconds", ("provider", "microsoft")] == 1_840_000_000


async def test_the_room_for_the_ledger_is_told(admin):
    seen = await scraped(admin)
    assert seen["maillistener_disk_free_bytes",] > 0
    assert seen["maillistener_ledger_bytes",] > 0


async def test_unfinished_and_dead_messages_are_gauges_too(admin):
    await put(admin.ledger, "support", octets(1), octets(2))
    await file(admin.ledger, {"support": ["python:hook"]})
    await put(admin.ledger, "support", octets(3))
    seen = await scraped(admin)
    assert seen["maillistener_backlog_messages", ("state", "accepted")] == 1
    assert seen["maillistener_backlog_messages", ("state", "filed")] == 2
    assert seen["maillistener_oldest_unprocessed_message_timestamp_seconds", ("stage", "filed")] == 1_700_000_000
    assert seen["maillistener_dead_letters",] == 0


async def test_ten_thousand_accounts_with_everything_that_can_happen_stay_within_two_thousand_series(admin):
    """R-98. Every provider, state and protocol; every reason there can be and many that there are not."""
    names = sorted(providers())
    protocols = ("imap", "pop3", "graph")
    for n in range(10_000):
        status = AccountStatus(f"account-{n}", protocols[n % 3], list(AccountState)[n % 11], provider=names[n % len(names)])
        status.token_expiry = status.certificate_expiry = 1_800_000_000.0 + n
        admin.statuses.append(status)
    values = {
        "provider": names,
        "protocol": protocols,
        "hook": ("python", "webhook", "command"),
        "outcome": ("done", "ignored", "deferred", "failed", "dead"),
        "task": ("account", "dispatcher", "outbox", "heartbeat"),
        "cause": ("uidvalidity", "uidl", "delta"),
    }
    outcomes = ("ended", "ledger_full", "token_expired", "throttled", "transient", "internal_error", "needs_consent")
    reasons = {
        "reconnects_total": (*outcomes, "auth_failed", "folder_missing", "permanent"),
        "throttled_total": ("guessed", "retry_after"),
        "throttle_wait_seconds_total": ("guessed", "retry_after"),
    }
    for series in SERIES:
        if series.kind in (Kind.COUNTER, Kind.HISTOGRAM):
            of_reasons = {**values, "reason": reasons.get(series.name, [f"word_{n}" for n in range(500)])}
            for labels in product(*(of_reasons[label] for label in series.labels)):
                count_one(admin.metrics, series, labels)
    seen = await scraped(admin)
    assert len(seen) <= 2_000
    assert not any("account-" in value for _, *labels in seen for _, value in labels)


def count_one(metrics, series, labels):
    if series.kind is Kind.COUNTER:
        metrics.count(series.name, *labels)
    else:
        metrics.observe(series.name, 1.0, *labels)


@pytest.mark.parametrize(
    ("reason", "word"),
    [("", ""), ("too_large", "too_large"), ("refused: NO [X] go away", "refused"), ("Subject: x@example.com", "other")],
)
def test_a_reasons_label_is_its_fixed_word(reason, word):
    assert reason_word(reason) == word


async def test_reasons_without_end_share_one_series(admin, monkeypatch):
    async def counts(self):
        return {("support", "ignored", f"reason_{n:03}"): 1 for n in range(500)}

    monkeypatch.setattr(type(admin.ledger), "counts", counts)
    seen = await scraped(admin)
    reasons = {dict(key[1:])["reason"] for key in seen if key[0] == "maillistener_messages"}
    assert len(reasons) <= 52
    assert seen["maillistener_messages", ("reason", "other"), ("state", "ignored")] == 450


def test_the_build_says_which_versions_run():
    labels = {
        name: value
        for family in Metrics().registry.collect()
        if family.name == "maillistener_build"
        for name, value in family.samples[0].labels.items()
    }
    assert labels == versions()
    assert labels.keys() == {"version", "commit", "python", "openssl", "sqlite"}
    assert labels["version"] == __version__
