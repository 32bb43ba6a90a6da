"""Outgoing mail over the API: the list by state and account, muted addresses, and who orders what."""

import pytest
from admin.conftest import file, octets, put

from listener.ledger.responding import Outgoing
from listener.responder.policy import Purpose


@pytest.fixture
async def mails(admin):
    for number in range(3):
        await admin.ledger.responses.send(Outgoing(f"k{number}", Purpose.ALERT, "support", "ops@example.com", "Alarm", "Look."))


async def test_the_list_is_newest_first_and_goes_on_page_by_page(admin, mails):
    status, headers, rows = await admin.get("/api/v1/replies?limit=2")
    assert (status, [row["id"] for row in rows]) == (200, [3, 2])
    assert 'rel="next"' in headers["Link"]
    _, _, rest = await admin.get("/api/v1/replies?limit=2&before=2")
    assert [(row["id"], row["state"], row["recipient"], row["subject"]) for row in rest] == [
        (1, "ready", "ops@example.com", "Alarm")
    ]


@pytest.mark.parametrize(
    ("query", "status"), [("state=lost", 400), ("account=nobody", 404), ("limit=0", 400), ("cursor=x", 400)]
)
async def test_what_makes_no_sense_is_refused(admin, query, status):
    assert (await admin.get(f"/api/v1/replies?{query}"))[0] == status


async def test_the_history_of_a_message_has_its_answers(admin):
    await put(admin.ledger, "support", octets(1))
    await file(admin.ledger)
    await admin.ledger.responses.send(
        Outgoing("k", Purpose.NOTIFICATION, "support", "ops@example.com", "New", "Look.", entry=1)
    )
    _, _, history = await admin.get("/api/v1/messages/1")
    assert [row["purpose"] for row in history["replies"]] == ["notification"]


async def test_nobody_is_muted_and_nobody_can_be_unmuted(admin):
    assert (await admin.get("/api/v1/muted"))[2] == []
    status, _, said = await admin.get("/api/v1/muted/a%40example.com/unmute", method="POST")
    assert status == 409
    assert "a@example.com is not muted" in said["detail"]
