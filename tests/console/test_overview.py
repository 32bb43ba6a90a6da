"""The overview keeps itself fresh: newest mail, and the figures with their charts, without a reload."""

from dovecot.mail import message

CHART = "section[aria-label='Messages a minute']"


async def test_new_mail_and_the_charts_appear_by_themselves(desk, dovecot):
    page = desk.page
    await desk.open("/")
    await page.evaluate("window.loaded = 'once'")
    drawn = await page.get_attribute(f"{CHART} .curve", "points")
    dovecot.deliver("support", [message(f"overview{n}", subject=f"Seen at once {n}") for n in range(3)])
    await page.locator("#newest-messages a", has_text="Seen at once 2").wait_for()
    await page.locator("#newest-cases a", has_text="Seen at once 2").wait_for()
    changed = f"""before => document.querySelector("{CHART} .curve")?.getAttribute("points") !== before"""
    await page.wait_for_function(changed, arg=drawn, timeout=15_000)
    assert await page.evaluate("window.loaded") == "once"
