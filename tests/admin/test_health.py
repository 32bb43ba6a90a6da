"""Alive, ready, started: progress and nothing else, and nothing of anybody's mail for those without the token."""

import asyncio
import time

import pytest

from listener.errors import LedgerFull
from listener.status import AccountState

from .conftest import SENDER, SUBJECT, file, octets, put

OPEN = ["/livez", "/readyz", "/startupz", "/metrics", "/"]


@pytest.mark.parametrize("path", OPEN)
async def test_what_needs_no_token_is_well_and_shows_nobodys_name_address_or_subject(admin, path):
    await put(admin.ledger, "support", octets(1), octets(2))
    await file(admin.ledger)
    admin.statuses[0].last_error = f"login of {SENDER} refused"
    admin.statuses[0].state = AccountState.AUTH_FAILED
    status, headers, body = await admin.get(path, token=None)
    assert status == 200
    assert headers["X-Content-Type-Options"] == "nosniff"
    text = body.decode()
    for private in (SENDER, SUBJECT, "support", "sales", "example.com"):
        assert private not in text


@pytest.mark.parametrize("path", OPEN[:4])
async def test_the_probe_address_serves_the_probes(admin, path):
    assert (await admin.get(path, token=None, probe=True))[0] == 200


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/v1/accounts", "/api/v1/openapi.json"])
async def test_the_probe_address_serves_nothing_else_even_with_the_token(admin, path):
    assert (await admin.get(path, probe=True))[0] == 404


async def test_accounts_that_cannot_sign_in_leave_the_daemon_live_and_ready_and_healthz_shows_them(admin):
    for status in admin.statuses:
        status.enter(AccountState.AUTH_FAILED)
        status.last_error = "AuthenticationRefused: no"
    assert (await admin.get("/livez", token=None))[0] == 200
    assert (await admin.get("/readyz", token=None))[0] == 200
    _, _, report = await admin.get("/healthz")
    assert report["status"] == "degraded"
    assert [row["state"] for row in report["accounts"]] == ["auth_failed"] * 2


async def test_healthz_has_the_facts_of_the_contract(admin):
    await put(admin.ledger, "support", octets(1))
    status = admin.statuses[0]
    status.last_success, status.next_retry, status.token_expiry = 1_700_000_000.0, 1_700_000_060.0, 1_700_003_600.0
    status.lag["INBOX"] = 7
    _, _, report = await admin.get("/healthz")
    row = report["accounts"][0]
    assert list(row)[:11] == [
        *("id", "protocol", "state", "since", "last_success", "last_error", "lag_messages", "oldest_unprocessed", "idle_age"),
        *("next_retry", "token_expiry"),
    ]
    assert (row["id"], row["protocol"], row["state"], row["lag_messages"]) == ("support", "imap", "idle", 7)
    assert row["last_success"] == "2023-11-14T22:13:20+00:00"
    assert row["oldest_unprocessed"] == "2023-11-14T22:13:20+00:00"
    assert (row["next_retry"], row["token_expiry"]) == ("2023-11-14T22:14:20+00:00", "2023-11-14T23:13:20+00:00")
    assert (row["last_error"], row["idle_age"]) == (None, None)


async def test_idle_age_is_since_the_idle_under_way_began(admin):
    class Idling:
        idle_since = time.monotonic() - 100

    admin.statuses[0].mailbox = Idling()
    _, _, report = await admin.get("/healthz")
    assert 100 <= report["accounts"][0]["idle_age"] < 130


async def test_a_blocked_event_loop_is_not_live(admin):
    async def beat():
        while True:
            admin.health.loop_beat = time.monotonic()
            await asyncio.sleep(0.01)

    beating = asyncio.create_task(beat())
    await asyncio.sleep(0.02)
    assert (await admin.get("/livez", token=None))[0] == 200
    clock = admin.health.monotonic
    admin.health.monotonic = lambda: clock() + 10  # ten seconds passed in one callback
    beating.cancel()
    status, _, body = await admin.get("/livez", token=None)
    assert status == 503
    assert b"event loop" in body


async def test_a_supervisor_or_a_ledger_thread_that_stands_still_is_not_live(admin):
    admin.health.supervisor_beat -= 31
    status, _, body = await admin.get("/livez", token=None)
    assert (status, body) == (503, b"supervisor: no progress for 31 s\n")


async def test_a_ledger_that_cannot_be_written_is_live_but_not_ready(admin, monkeypatch):
    monkeypatch.setattr(type(admin.ledger), "writable", False)
    assert (await admin.get("/livez", token=None))[0] == 200
    status, _, body = await admin.get("/readyz", token=None)
    assert (status, body) == (503, b"ledger not writable\n")


async def test_while_its_accounts_are_not_there_yet_it_is_live_but_neither_ready_nor_started(admin):
    admin.health.starting = True
    admin.statuses.clear()
    assert (await admin.get("/livez", token=None))[0] == 200
    for probe in ("/readyz", "/startupz"):
        status, _, body = await admin.get(probe, token=None)
        assert (status, body) == (503, b"starting\n")
    admin.health.starting = False
    assert (await admin.get("/readyz", token=None))[0] == 200


async def test_a_draining_daemon_is_live_but_not_ready(admin):
    admin.health.draining = True
    assert (await admin.get("/livez", token=None))[0] == 200
    assert (await admin.get("/readyz", token=None))[0] == 503


async def test_startup_is_done_once_every_account_had_its_first_start_and_stays_done(admin):
    admin.statuses[0].state = AccountState.STARTING
    status, _, body = await admin.get("/startupz", token=None)
    assert (status, body) == (503, b"accounts not yet started: 1\n")
    admin.statuses[0].state = AccountState.BACKOFF
    assert (await admin.get("/startupz", token=None))[0] == 200
    admin.statuses[1].state = AccountState.STARTING
    assert (await admin.get("/startupz", token=None))[0] == 200


async def test_storage_trouble_during_a_question_is_a_503_that_says_so(admin, monkeypatch):
    async def full(*args, **kwargs):
        raise LedgerFull("the disk is full")

    monkeypatch.setattr(type(admin.ledger.search), "messages", full)
    status, headers, body = await admin.get("/api/v1/messages")
    assert (status, body["detail"]) == (503, "the disk is full")
    assert headers["Content-Type"].startswith("application/problem+json")
