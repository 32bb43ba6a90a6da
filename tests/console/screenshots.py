"""The pictures of docs/console.md: `make screenshots`. Every page of a real daemon in a real browser, wide and on a phone."""

from pathlib import Path

import pytest
import pytest_asyncio
from dovecot.mail import message

from console.conftest import address
from console.test_accounts import fill

IMAGES = Path(__file__).parents[2] / "docs/images"
PAGES = {
    "messages": "/messages",
    "quarantine": "/quarantine",
    "dead-letters": "/dead-letters",
    "cases": "/cases",
    "replies": "/replies",
    "accounts": "/accounts",
    "account": "/accounts/support",
    "profiles": "/profiles",
    "profile": "/profiles/entra",
    "profile-new": "/profiles/new",
    "tokens": "/tokens",
    "audit": "/audit",
}
ON_A_PHONE = ("messages", "accounts")
HTML = "everything@example.org"


@pytest_asyncio.fixture(scope="session", loop_scope="session", autouse=True)
async def furnished(chromium, daemon, signed_in):
    """A profile, tokens, and what the audit has to tell of them."""
    context = await chromium.new_context(base_url=address(daemon), storage_state=signed_in)
    page = await context.new_page()
    await page.goto("/profiles/new")
    values = {
        "id": "entra",
        "tenant": "00000000-0000-0000-0000-000000000000",
        "client_id": "11111111-1111-1111-1111-111111111111",
    }
    for name, value in {**values, "client_secret": "hush", "client_secret_expires": "2027-03-31"}.items():
        await page.fill(f"[id='f-{name}']", value)
    await page.click("button.first")
    await page.wait_for_url("**/profiles/entra?told=*")
    for name, may in (("monitoring", "read"), ("ticket-system", "full")):
        await page.goto("/tokens")
        await page.fill("[id='f-name']", name)
        await page.select_option("[id='f-scope']", may)
        await page.click("text=Make the token")
        await page.locator("#new-token").wait_for()
    await page.goto("/accounts")
    await page.click("[aria-label='Restart orders']")
    await page.locator(".note.ok").wait_for()
    await context.close()


async def picture(page, name):
    IMAGES.mkdir(exist_ok=True)
    await page.wait_for_timeout(700)
    await page.screenshot(path=IMAGES / f"console-{name}.png", animations="disabled")


@pytest.mark.parametrize("name", PAGES)
async def test_take_each_page(desk, name):
    await desk.open(PAGES[name])
    await picture(desk.page, name)


@pytest.mark.parametrize("name", ON_A_PHONE)
async def test_take_pages_on_a_phone(open_desk, name):
    async with open_desk(width=390) as desk:
        await desk.open(PAGES[name])
        await picture(desk.page, f"{name}-phone")


async def test_take_one_message_and_one_case(desk, daemon):
    rows = await daemon.messages()
    one = next(row for row in rows if row["message_id"] == HTML)
    await desk.open(f"/messages/{one['id']}?view=html")
    await picture(desk.page, "message")
    odd = next(row for row in rows if row["message_id"] == "odd@example.org")
    await desk.open(f"/messages/{odd['id']}")
    await picture(desk.page, "message-odd")
    talk = next(row for row in rows if row["subject"] == "Re: The lamp flickers")
    await desk.open(f"/cases/{talk['case']}")
    await picture(desk.page, "case")


async def test_take_the_form_its_test_and_its_faults(desk, dovecot, user):
    dovecot.deliver(user, [message(f"{user}-{n}", subject=f"Question about order {4700 + n}") for n in range(3)])
    await fill(desk.page, dovecot, user, id="sales")
    await desk.page.mouse.wheel(0, -5000)
    await picture(desk.page, "account-new")
    await desk.page.click("text=Test connection")
    await desk.page.locator("#trial li.ok", has_text="Everything works").wait_for()
    await desk.page.locator("#trial").scroll_into_view_if_needed()
    await desk.page.mouse.wheel(0, 5000)
    await picture(desk.page, "account-test")
    await desk.page.fill("[id='f-receiver.password']", "wrong")
    await desk.page.fill("[id='f-receiver.folders']", "INBOX\nArchive 2025")
    await desk.page.click("text=Test connection")
    await desk.page.locator("#trial li.bad").first.wait_for()
    await desk.page.evaluate("document.querySelector('[data-field=\"receiver.protocol\"]').scrollIntoView()")
    await picture(desk.page, "account-fault")


async def test_take_the_sign_in(open_desk):
    async with open_desk(signed=False) as desk:
        await desk.open("/login")
        await picture(desk.page, "login")


async def test_take_the_overview_with_something_going_on(open_desk, daemon, dovecot):
    (daemon.folder / "mended").touch()
    async with open_desk() as wide, open_desk(width=390) as phone:
        await wide.open("/")
        for number in range(12):
            dovecot.deliver(
                "orders",
                [message(f"flow{number}-{n}", subject=f"Order {5000 + number * 9 + n}") for n in range(1 + number % 4)],
            )
            await wide.page.wait_for_timeout(5_000)
        await picture(wide.page, "overview")
        await phone.open("/")
        await picture(phone.page, "overview-phone")
