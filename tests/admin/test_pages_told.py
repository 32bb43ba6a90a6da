"""What single pages of the console must tell, without a browser: replies and who is muted, doubt in a case, trouble."""

import html
import re

import pytest

from listener.admin.console import account_fields
from listener.admin.console.forms import Form
from listener.ledger.responding import Outgoing
from listener.responder.policy import Purpose
from listener.status import AccountState

from .conftest import file, octets, put

FORM = [
    "Account ID", "Account name", "Email provider", "Email address",
    "Send using", "Sender's ID", "Sender signs in with", "Sender's password", "Sender's profile",
    "Host", "Port", "Security", "Lowest TLS version", "Truststore", "Truststore password",
    "Receive using", "Use sender's ID and password", "User", "Sign in with", "Password",
    "Host", "Port", "Security", "Lowest TLS version", "Truststore", "Truststore password",
    "User principal name", "Authentication profile",
    "Folders", "After processing", "Folder to move to", "Start from", "Day",
    "Hooks", "Look every", "Trusted authserv-id",
]  # fmt: skip


async def sql(ledger, statement, *values):
    await ledger._write(lambda tx: tx.connection.execute(statement, values))


def words(page):
    """What a person reads of it."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


@pytest.fixture
async def muted(admin):
    """One reply that waits, one that a rule kept back, and an address that mail of ours came back from."""
    await admin.ledger.responses.send(Outgoing("k1", Purpose.ALERT, "support", "ops@example.com", "Alarm", "Look."))
    await sql(
        admin.ledger,
        "INSERT INTO responses (key, purpose, account, recipient, domain, state, reason, created_at)"
        " VALUES ('k2', 'alert', 'support', 'gone@example.com', 'example.com', 'suppressed', 'muted', 1700000000)",
    )
    await sql(admin.ledger, "INSERT INTO muted VALUES ('gone@example.com', 1, 1, 'no such user', 1700000000)")
    return admin


def test_the_account_form_is_in_the_order_that_an_administrator_knows():
    parts = account_fields.parts(["entra"], is_new=True)
    assert [field.label for part in parts for field in part.fields] == FORM


async def test_the_replies_page_shows_what_waits_and_what_was_kept_back_and_why(muted):
    async with muted.signed_in() as browser:
        status, _, page = await browser.ask("/replies")
        assert status == 200
        waiting, kept = (row for row in reversed(page.split("<tr data-key")[1:3]))
        assert "ops@example.com" in waiting
        assert "Alarm" in waiting
        assert "gone@example.com" in kept
        assert "mail of ours to that address came back" in words(kept)
        _, _, filtered = await browser.ask("/replies?state=suppressed")
        assert "ops@example.com" not in filtered


async def test_a_muted_address_is_unmuted_by_a_button(muted):
    async with muted.signed_in() as browser:
        _, _, page = await browser.ask("/replies")
        assert "no such user" in page
        assert 'action="/replies/unmute"' in page
        status, headers, _ = await browser.ask(
            "/replies/unmute", "POST", form={"address": "gone@example.com"}, csrf=browser.csrf
        )
        assert status == 303
        assert headers["Location"].startswith("/replies")
        _, _, page = await browser.ask("/replies")
        assert "no such user" not in page
    assert not await muted.ledger.responses.is_muted("gone@example.com")


async def test_a_case_says_what_nobody_vouches_for_and_what_is_possibly_related(admin):
    await put(admin.ledger, "support", octets(1), octets(2, "The other matter"))
    await file(admin.ledger)
    one, other = (row["id"] for row in await admin.ledger.cases())
    await sql(admin.ledger, "UPDATE messages SET standing = 'unverified' WHERE case_id = ?", one)
    await sql(
        admin.ledger, "INSERT INTO case_links (case_id, other, kind, why) VALUES (?, ?, 'related', 'same_topic')", one, other
    )
    async with admin.signed_in() as browser:
        status, _, page = await browser.ask(f"/cases/{one}")
        assert status == 200
        assert "unverified" in words(page).lower()
        assert f'href="/cases/{other}"' in page
        _, _, vouched = await browser.ask(f"/cases/{other}")
        assert "unverified" not in words(vouched).lower()


async def test_an_account_that_cannot_start_is_listed_with_its_reason(admin, monkeypatch):
    monkeypatch.setattr(admin.controls, "statuses", lambda: admin.statuses)
    sick = admin.statuses[0]
    sick.state, sick.last_error = AccountState.PARKED, "there is no file <nowhere>: create it"
    async with admin.signed_in() as browser:
        status, _, page = await browser.ask("/accounts")
        assert status == 200
        assert "there is no file &lt;nowhere&gt;: create it" in page
        assert "support" in page


async def test_a_case_shows_what_was_answered_by_itself_and_why_not(admin):
    await put(admin.ledger, "support", octets(1))
    await file(admin.ledger)
    (one,) = await admin.ledger.cases()
    await sql(
        admin.ledger,
        "INSERT INTO responses (key, purpose, account, entry, recipient, domain, state, reason, created_at)"
        " VALUES ('k', 'automatic', 'support', 1, 'ann@example.com', 'example.com', 'suppressed', 'muted', 1700000000)",
    )
    async with admin.signed_in() as browser:
        _, _, page = await browser.ask(f"/cases/{one['id']}")
        assert "automatic reply to ann@example.com: mail of ours to that address came back" in words(page)


async def test_an_account_is_paused_and_restarted_from_the_list_and_the_list_is_shown_again(admin, monkeypatch):
    monkeypatch.setattr(admin.controls, "statuses", lambda: admin.statuses)
    async with admin.signed_in() as browser:
        _, _, page = await browser.ask("/accounts?text=sup")
        assert 'aria-label="Restart support"' in page
        assert 'aria-label="Pause support"' in page
        assert "Pause sales" not in page
        form = {"back": "/accounts?text=sup"}
        status, headers, _ = await browser.ask("/accounts/support/pause", "POST", form=form, csrf=browser.csrf)
        assert (status, headers["Location"].partition("&told=")[0]) == (303, "/accounts?text=sup")
        _, _, page = await browser.ask(headers["Location"])
        assert "The account support is paused." in words(page)
        form = {"back": "//elsewhere.example/"}
        _, headers, _ = await browser.ask("/accounts/support/resume", "POST", form=form, csrf=browser.csrf)
        assert headers["Location"].startswith("/?told="), "nobody is sent elsewhere"


def test_a_fault_names_the_part_where_two_fields_are_called_the_same():
    form = Form(account_fields.parts([], is_new=True), {})
    assert form.label("sender.host") == "Sender: Host"
    assert form.label("receiver.host") == "Receiver: Host"
    assert form.label("address") == "Email address"
