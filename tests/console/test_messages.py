"""One message in the browser: each way of looking at it, its picture, its files, its warnings and its history."""

import re

import pytest
from daemon import eventually

pytestmark = pytest.mark.dovecot


async def entry(daemon, message_id):
    return next(row["id"] for row in await daemon.messages() if row["message_id"] == message_id)


async def test_formatted_mail_shows_its_own_picture_and_loads_none_from_elsewhere(desk, daemon):
    number = await entry(daemon, "everything@example.org")
    await desk.open(f"/messages/{number}?view=html")
    frame = desk.page.frame_locator("iframe")
    await frame.locator("text=Delivery note").wait_for()
    assert await frame.locator("img[alt=Logo]").evaluate("image => image.naturalWidth") == 64
    assert desk.foreign == []


async def test_an_attachment_is_downloaded_under_its_name(desk, daemon):
    await desk.open(f"/messages/{await entry(daemon, 'everything@example.org')}")
    async with desk.page.expect_download() as saved:
        await desk.page.click('a[aria-label="Download delivery.csv"]')
    file = await saved.value
    assert file.suggested_filename == "delivery.csv"
    assert (await file.path()).read_text().startswith("item;count")


async def test_what_is_odd_about_a_sender_is_said(desk, daemon):
    await desk.open(f"/messages/{await entry(daemon, 'odd@example.org')}")
    warnings = await desk.text(".flags")
    assert "ceo@example.com" in warnings
    assert "example.biz" in warnings


async def test_quoted_text_is_folded_and_the_history_names_the_rule(desk, daemon):
    rows = [row for row in await daemon.messages() if row["subject"] == "Re: The lamp flickers"]
    await desk.open(f"/messages/{rows[-1]['id']}")
    fold = desk.page.locator("details.fold", has_text="Quoted text")
    assert not await fold.locator(".text").is_visible()
    await fold.locator("summary").click()
    assert await fold.locator(".text").is_visible()
    history = await desk.text("#history")
    assert "stored durably" in history
    assert "Joined case" in history


async def test_headers_and_source_are_shown_as_text(desk, daemon):
    number = await entry(daemon, "everything@example.org")
    await desk.open(f"/messages/{number}?view=headers")
    assert "Message-ID: <everything@example.org>" in await desk.text("pre")
    await desk.open(f"/messages/{number}?view=source")
    assert "Content-ID: <logo>" in await desk.text("pre")


async def test_messages_are_found_by_words_state_account_and_day(desk, daemon):
    await desk.open("/messages")
    await desk.page.fill("input[name=text]", "delivery note")
    await desk.page.click("button:has-text('Show')")
    assert "Delivery note 4711" in await desk.text("#messages")
    assert await desk.page.locator("#messages tbody tr").count() == 1
    await desk.open("/messages?state=quarantined&account=support")
    assert "Larger than this daemon takes" in await desk.text("#messages")
    await desk.open("/messages?until=2020-01-01")
    assert "Nothing fits" in await desk.text("#messages")
    await desk.open("/messages?account=nobody")
    assert "nobody" in await desk.text("#messages .note")


async def test_a_dead_letter_is_tried_again_once_its_cause_is_mended(desk, daemon):
    await desk.open("/dead-letters")
    row = desk.page.locator("tr", has_text="Order 4711")
    await row.locator("input[type=checkbox]").check()
    await desk.page.click("text=Try the selected again")
    assert "1 message is tried again" in await desk.text(".note.ok")
    (daemon.folder / "mended").touch()
    try:
        await desk.open("/dead-letters")
        await desk.page.locator("tr", has_text="Order 4712").locator("input[type=checkbox]").wait_for()
        await desk.page.locator("tr", has_text="Order 4712").locator("input[type=checkbox]").check()
        await desk.page.click("text=Try the selected again")
        number = next(row["id"] for row in await daemon.messages() if row["subject"].startswith("Order 4712"))
        await desk.open(f"/messages/{number}")
        await desk.page.locator("#state .badge.ok", has_text="done").wait_for()
        assert "Retried by an operator" in await desk.text("#history")
    finally:
        (daemon.folder / "mended").unlink()


async def test_selected_messages_are_exported_as_they_came(desk, daemon):
    await eventually(lambda: _dead(daemon))
    await desk.open("/quarantine")
    await desk.page.check("#all")
    async with desk.page.expect_download() as saved:
        await desk.page.click("text=Export the selected")
    assert (await saved.value).suggested_filename == "messages.zip"


async def _dead(daemon):
    return [row for row in await daemon.messages() if row["state"] in ("dead", "done") and row["account"] == "orders"]


async def test_what_came_between_the_pages_making_and_its_joining_is_shown(desk, daemon):
    number = (await daemon.messages())[0]["id"]  # other tests bring mail, too, and a page shows the newest
    row = rf'<tr data-key="{number}">.*?</tr>'
    without = []

    async def stale(route):
        answer = await route.fetch()
        text, removed = re.subn(row, "", await answer.text(), flags=re.DOTALL)
        without.append(removed)
        await route.fulfill(response=answer, body=text)

    await desk.page.route("**/messages", stale, times=1)
    await desk.open("/messages")
    await desk.page.locator(f"tr[data-key='{number}']").wait_for()
    assert without == [1]
