"""Cases in the browser: the conversation, closing and reopening."""

import pytest

pytestmark = pytest.mark.dovecot


async def test_a_case_is_a_conversation_that_can_be_closed_and_reopened(desk, daemon):
    row = next(row for row in await daemon.messages() if row["subject"] == "Re: The lamp flickers")
    await desk.open(f"/cases/{row['case']}")
    assert await desk.page.locator("#talk > li").count() == 3
    assert "it also hums" in await desk.text("#talk")
    await desk.page.click("text=Close the case")
    await desk.page.locator("#state .badge", has_text="closed").wait_for()
    await desk.open("/cases?state=closed")
    assert "The lamp flickers" in await desk.text("#cases")
    await desk.open(f"/cases/{row['case']}")
    await desk.page.click("text=Reopen the case")
    await desk.page.locator("#state .badge", has_text="open").wait_for()


async def test_cases_are_found_by_words(desk):
    await desk.open("/cases")
    await desk.page.fill("input[name=text]", "tulips")
    await desk.page.keyboard.press("Enter")
    await desk.page.locator("#cases tbody tr").first.wait_for()
    assert "Tulips" in await desk.text("#cases")
