"""Prometheus text: parseable, the same number of series for one account and a thousand, and nobody's name in it."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from listener.admin.metrics import Metrics, reason_word
from listener.ledger import Accepted
from listener.mailbox import Extent
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
    assert seen["listener_messages", ("reason", ""), ("state", "done")] == 2
    assert seen["listener_messages", ("reason", ""), ("state", "accepted")] == 1
    assert seen["listener_messages", ("reason", ""), ("state", "dead")] == 0
    assert seen["listener_messages", ("reason", "too_large"), ("state", "quarantined")] == 1
    assert seen["listener_accounts", ("protocol", "imap"), ("state", "auth_failed")] == 1
    assert seen["listener_accounts", ("protocol", "imap"), ("state", "idle")] == 1
    assert seen["listener_accounts", ("protocol", "imap"), ("state", "backoff")] == 0
    assert seen["listener_lag_messages",] == 5
    assert seen["listener_ready",] == 1
    assert seen["listener_oldest_unprocessed_timestamp_seconds",] == 1_700_000_000
    assert seen["listener_oldest_success_timestamp_seconds", ("protocol", "imap")] == 0


async def test_what_happens_is_counted(admin):
    metrics = admin.metrics
    metrics.count_accepted("imap", Accepted((), accepted=3, duplicates=1, quarantined=2, ignored=4))
    metrics.count_filed(3)
    metrics.count_set_aside("parse_crash: killed")
    metrics.count_delivered("webhook", "done", 0.2)
    seen = await scraped(admin)
    assert seen["listener_messages_accepted_total", ("protocol", "imap")] == 3
    assert seen["listener_duplicates_total",] == 1
    assert seen["listener_messages_filed_total",] == 3
    assert seen["listener_messages_set_aside_total", ("reason", "parse_crash")] == 1
    assert seen["listener_deliveries_total", ("kind", "webhook"), ("outcome", "done")] == 1
    assert seen["listener_hook_duration_seconds_count", ("kind", "webhook")] == 1


async def test_the_number_of_series_does_not_grow_with_accounts(admin):
    few = len(await scraped(admin))
    admin.statuses += [AccountStatus(f"account-{n}", "imap", AccountState.IDLE) for n in range(500)]
    assert len(await scraped(admin)) == few < 300


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
    reasons = {dict(key[1:])["reason"] for key in seen if key[0] == "listener_messages"}
    assert len(reasons) <= 52
    assert seen["listener_messages", ("reason", "other"), ("state", "ignored")] == 450


def test_the_build_says_which_versions_run():
    from listener import __version__

    labels = {
        name: value
        for family in Metrics().registry.collect()
        if family.name == "listener_build"
        for name, value in family.samples[0].labels.items()
    }
    assert labels["version"] == __version__
    assert labels.keys() == {"version", "python", "openssl"}
