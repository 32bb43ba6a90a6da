"""Signing in, losing the session, losing the daemon: a person always comes back to where they were."""

import signal

import pytest
from daemon import eventually

from console.conftest import address, token

pytestmark = pytest.mark.dovecot


async def test_whoever_is_not_signed_in_comes_back_to_the_page_they_wanted(open_desk, daemon):
    async with open_desk(signed=False, amiss=True) as desk:
        await desk.open("/messages?state=done")
        assert "/login" in desk.page.url
        assert "support" not in (await desk.page.content()).lower()
        await desk.page.fill("#token", "wrong")
        await desk.page.click("button")
        assert "not valid" in await desk.text("#login-fault")
        await desk.page.fill("#token", token(daemon))
        await desk.page.keyboard.press("Enter")
        await desk.page.wait_for_url("**/messages?state=done")


async def test_a_session_that_ended_leads_to_the_login_and_back(open_desk, daemon):
    async with open_desk(signed=False, amiss=True) as desk:
        await desk.open("/login?next=/cases?status=open")
        await desk.page.fill("#token", token(daemon))
        await desk.page.click("button")
        await desk.page.locator("#connection[data-state=live]").wait_for()
        ours = await desk.page.get_attribute("body", "data-csrf")
        left = await desk.context.request.post("/logout", form={"csrf": ours}, headers={"Sec-Fetch-Site": "same-origin"})
        assert left.ok
        await desk.page.wait_for_url("**/login?next=**", timeout=20_000)
        await desk.page.fill("#token", token(daemon))
        await desk.page.click("button")
        await desk.page.wait_for_url("**/cases?status=open")


async def test_without_a_script_the_pages_work_as_well(open_desk):
    async with open_desk(script=False) as desk:
        for path in ("/", "/messages", "/accounts", "/accounts/new", "/quarantine"):
            assert (await desk.open(path)).status == 200
        assert await desk.page.locator("nav a[href='/cases']").is_visible()


async def test_what_is_not_there_has_a_page_of_its_own(open_desk):
    async with open_desk(amiss=True) as desk:
        for path in ("/messages/999999", "/cases/none", "/nothing", "/accounts/nobody"):
            assert (await desk.open(path)).status == 404
            said = await desk.text("body")
            assert "Not found" in said
            assert "Traceback" not in said


@pytest.mark.parametrize(
    "path", ["/static/../../verbs.py", "/static/..%2f..%2fverbs.py", "/static/console.py", "/static/%2e%2e/x"]
)
async def test_no_path_leads_out_of_the_static_files(open_desk, path):
    async with open_desk(signed=False) as desk:
        answer = await desk.context.request.get(path)
        assert "import" not in await answer.text()


async def test_signing_out_ends_the_session(open_desk, daemon, chromium):
    context = await chromium.new_context(base_url=address(daemon))
    page = await context.new_page()
    await page.goto("/login")
    await page.fill("#token", token(daemon))
    await page.click("button")
    await page.click("text=Sign out")
    await page.wait_for_url("**/login")
    await page.goto("/messages")
    assert "/login" in page.url
    await context.close()


async def test_a_daemon_that_is_gone_is_said_and_its_return_seen(open_desk, daemon):
    async with open_desk(amiss=True) as desk:
        await desk.page.clock.install()
        await desk.open("/messages")
        await desk.page.locator("#connection[data-state=live]").wait_for()
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            await desk.page.clock.fast_forward(20_000)
            await desk.page.locator("#offline").wait_for()
            assert "No connection" in await desk.text("#offline")
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        await desk.page.locator("#connection[data-state=live]").wait_for()
        await eventually(lambda: desk.page.locator("#offline").is_hidden())
