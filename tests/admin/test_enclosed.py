"""Invitations and business cards of a message, on its page and by the API."""

from .conftest import file, put

MAIL = b"""\
Message-ID: <1@example.com>
From: anna@example.net
Subject: Shall we meet?
Content-Type: multipart/mixed; boundary=x

--x

See below.
--x
Content-Type: text/calendar; method=REQUEST

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
SUMMARY:Review <script>alert(1)</script>
DTSTART;TZID=Europe/Berlin:20261122T100000
LOCATION:https://evil.example/room
ORGANIZER;CN="Anna":mailto:anna@example.net
END:VEVENT
END:VCALENDAR
--x
Content-Type: text/vcard

BEGIN:VCARD
FN:Anna <b>Example</b>
EMAIL:anna@example.net
TEL:+49 30 1
PHOTO:https://evil.example/pixel.gif
END:VCARD
--x--
"""


async def test_the_page_of_a_message_tells_what_it_invites_to_and_whose_card_it_brings(admin):
    await put(admin.ledger, "support", MAIL)
    await file(admin.ledger)
    async with admin.signed_in() as browser:
        status, _, page = await browser.ask("/messages/1")
    assert status == 200
    told = page.partition('id="enclosed"')[2].partition("</section>")[0]
    for said in ("Invitation: Review &lt;script&gt;", "2026-11-22 10:00 Europe/Berlin", "Anna &lt;anna@example.net&gt;"):
        assert said in told
    for said in ("Anna &lt;b&gt;Example", "+49 30 1"):
        assert said in told
    assert "<script>alert" not in page
    assert "pixel.gif" not in page
    assert 'href="https://evil.example' not in page


async def test_mail_without_any_has_no_such_place_on_its_page(admin):
    await put(admin.ledger, "support", b"Message-ID: <1@example.com>\nFrom: a@example.net\n\nBEGIN:VCALENDAR\n")
    await file(admin.ledger)
    async with admin.signed_in() as browser:
        _, _, page = await browser.ask("/messages/1")
    assert 'id="enclosed"' not in page


async def test_the_api_gives_them_as_data(admin):
    await put(admin.ledger, "support", MAIL)
    await file(admin.ledger)
    _, _, parsed = await admin.get("/api/v1/messages/1/message")
    assert parsed["invitations"][0]["start"] == "2026-11-22 10:00 Europe/Berlin"
    assert parsed["cards"][0]["emails"] == ["anna@example.net"]
