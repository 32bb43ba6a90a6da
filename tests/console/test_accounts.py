"""An email account for a real Dovecot, made by the form: tested, previewed, switched on, paused, changed, removed."""

import re

import pytest
from dovecot.mail import message
from truststores import pkcs12_store

pytestmark = pytest.mark.dovecot


async def fill(page, dovecot, user, *, id, **other):
    """The new account's form, right unless told otherwise."""
    values = {
        "host": "localhost",
        "port": dovecot.imaps,
        "password": "secret",
        "folders": "INBOX",
        "ca": dovecot.ca_file.read_text(),
    }
    values |= other
    await page.goto("/accounts/new")
    await page.fill("[id='f-id']", id)
    await page.fill("[id='f-name']", f"Account {id}")
    await page.fill("[id='f-address']", f"{id}@example.com")
    await page.fill("[id='f-receiver.user']", user)
    await page.fill("[id='f-receiver.password']", values["password"])
    await page.fill("[id='f-receiver.host']", values["host"])
    await page.fill("[id='f-receiver.port']", str(values["port"]))
    await page.fill("[id='f-receiver.truststore']", values["ca"])
    await page.fill("[id='f-receiver.folders']", values["folders"])


def fault(page, field):
    return page.locator(f"[id='e-{field}']")


async def test_an_account_is_made_tested_previewed_switched_on_and_its_mail_appears(desk, dovecot, user):
    page = desk.page
    dovecot.deliver(user, [message(f"{user}-old", subject="Before it was switched on")])
    await fill(page, dovecot, user, id="fresh")
    await page.select_option("[id='f-begin']", "all")
    await page.click("text=Test connection")
    await page.locator("#trial li.ok", has_text="Everything works").wait_for()
    steps = await desk.text("#trial")
    assert "signed in as" in steps
    assert re.search(r"\d\.\d\d s", steps)
    warning = await page.inner_text("#trial li.warn")
    assert "Whose verdict on senders is trusted (authserv-id): none, so the verdict" in " ".join(warning.split())
    assert await page.input_value("[id='f-receiver.password']") == "secret"
    await page.click("text=Preview")
    await page.locator("#trial td", has_text="Before it was switched on").wait_for()
    foreseen = await desk.text("#trial")
    assert "goes into a case" in foreseen
    assert "a new one (1)" in foreseen
    assert "none: no replies configured" in foreseen
    await page.click("text=Save and switch on")
    await page.wait_for_url("**/accounts/fresh?told=*")
    assert "saved and switched on" in await desk.text(".note.ok")
    await page.locator("#state .badge.ok", has_text="idle").wait_for()
    await page.goto("/cases?account=fresh")
    await page.locator("#cases a", has_text="Before it was switched on").wait_for()
    dovecot.deliver(user, [message(f"{user}-new", subject="It appears by itself")])
    await page.locator("#cases a", has_text="It appears by itself").wait_for()


async def test_a_wrong_password_is_said_at_the_password(desk, dovecot, user):
    dovecot.deliver(user, [message(f"{user}-1")])
    await fill(desk.page, dovecot, user, id="wrong-password", password="not this")
    await desk.page.click("text=Test connection")
    await fault(desk.page, "receiver.password").filter(has_text=re.compile(r"\w")).wait_for()
    assert await desk.page.get_attribute("[id='f-receiver.password']", "aria-invalid") == "true"
    assert "not this" not in await desk.text("body")


async def test_a_wrong_authority_is_said_at_the_truststore(desk, dovecot, user, tmp_path):
    import trustme

    other = trustme.CA().cert_pem.bytes().decode()
    await fill(desk.page, dovecot, user, id="wrong-authority", ca=other)
    await desk.page.click("text=Test connection")
    await fault(desk.page, "receiver.truststore").filter(has_text=re.compile(r"\w")).wait_for()


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
async def test_a_locked_pkcs12_store_is_uploaded_with_its_password_and_opened(open_desk, dovecot, user, script):
    store = {"name": "ca.p12", "mimeType": "application/x-pkcs12", "buffer": pkcs12_store(dovecot.authority, "opens the store")}
    dovecot.deliver(user, [message(f"{user}-1")])
    async with open_desk(script=script, amiss=True) as desk:
        page, name = desk.page, f"locked-{'by' if script else 'without'}-script"
        await fill(page, dovecot, user, id=name, ca="")
        assert not await page.is_visible("[id='f-receiver.truststore_password']"), "there is no locked store yet"
        await page.set_input_files("[name='receiver.truststore.upload']", store)
        if not script:
            await page.click("text=Save, switched off")
            await fault(page, "receiver.truststore_password").filter(has_text="give its").wait_for()
        await page.fill("[id='f-receiver.truststore_password']", "something else")
        await page.click("text=Save, switched off")
        await fault(page, "receiver.truststore_password").filter(has_text="another password").wait_for()
        await page.fill("[id='f-receiver.truststore_password']", "opens the store")
        await page.fill("[id='f-receiver.password']", "secret")
        await page.click("text=Save, switched off")
        await page.wait_for_url(f"**/accounts/{name}?told=*")
        assert "opens the store" not in await page.content()
        await page.goto(f"/accounts/{name}/edit")
        assert await page.input_value("[id='f-receiver.truststore_password']") == ""
        await page.click("text=Test connection")
        await page.locator("#trial li.ok", has_text="Everything works").wait_for()


async def test_a_java_key_store_is_refused_with_the_command_that_converts_it(open_desk, dovecot, user):
    store = {"name": "cacerts", "mimeType": "application/octet-stream", "buffer": b"\xfe\xed\xfe\xed\0\0\0\2"}
    async with open_desk(amiss=True) as desk:
        await fill(desk.page, dovecot, user, id="java", ca="")
        await desk.page.set_input_files("[name='receiver.truststore.upload']", store)
        await desk.page.click("text=Save, switched off")
        await fault(desk.page, "receiver.truststore").filter(has_text="keytool -importkeystore").wait_for()


async def test_a_wrong_folder_is_said_at_the_folders(desk, dovecot, user):
    dovecot.deliver(user, [message(f"{user}-1")])
    await fill(desk.page, dovecot, user, id="wrong-folder", folders="INBOX\nNowhere")
    await desk.page.click("text=Test connection")
    await fault(desk.page, "receiver.folders").filter(has_text="Nowhere").wait_for()


@pytest.mark.parametrize("script", [True, False], ids=["with a script", "without"])
async def test_every_fault_is_at_its_field_and_what_was_typed_stays(open_desk, dovecot, user, script):
    async with open_desk(script=script, amiss=True) as desk:
        page = desk.page
        await fill(page, dovecot, user, id="two words", port="99999", host="")
        await page.click("text=Save, switched off")
        summary = page.locator("#faults")
        await summary.locator("a", has_text="Account ID").wait_for()
        for field in ("id", "receiver.port", "receiver.host"):
            assert await fault(page, field).is_visible(), field
            marks = await page.get_attribute(f"[id='f-{field}']", "aria-describedby")
            assert f"e-{field}" in marks
        assert await page.input_value("[id='f-receiver.user']") == user
        assert "BEGIN CERTIFICATE" in await page.input_value("[id='f-receiver.truststore']")
        assert await page.input_value("[id='f-receiver.password']") == ("secret" if script else ""), "secrets never come back"


async def test_only_fields_that_apply_are_shown_and_sent(desk):
    page = desk.page
    await page.goto("/accounts/new")
    graph = page.locator("[id='f-receiver.protocol'] option[value=graph]")
    assert await graph.is_disabled()
    assert not await page.is_visible("[id='f-receiver.user_principal_name']")
    await page.select_option("[id='f-provider']", "microsoft365")
    assert await page.input_value("[id='f-receiver.host']") == "outlook.office365.com"
    assert await page.input_value("[id='f-receiver.sign_in']") == "oauth", "Exchange Online takes no passwords"
    await page.select_option("[id='f-receiver.protocol']", "graph")
    assert await page.is_visible("[id='f-receiver.user_principal_name']")
    for gone in ("receiver.host", "receiver.port", "receiver.password", "receiver.truststore"):
        assert not await page.is_visible(f"[id='f-{gone}']"), gone
        assert await page.is_disabled(f"[id='f-{gone}']"), "what is not shown is not sent"
    await page.select_option("[id='f-provider']", "custom")
    await page.select_option("[id='f-receiver.protocol']", "pop3")
    assert await page.input_value("[id='f-receiver.port']") == "995"
    await page.select_option("[id='f-receiver.security']", "starttls")
    assert await page.input_value("[id='f-receiver.port']") == "110", "the port follows the security"
    await page.select_option("[id='f-sender.protocol']", "smtp")
    await page.check("[id='f-receiver.use_sender_identity']")
    assert not await page.is_visible("[id='f-receiver.password']")


async def test_an_account_from_a_file_is_shown_and_not_editable(open_desk):
    async with open_desk(amiss=True) as desk:
        await desk.open("/accounts/support")
        assert "from a file" in await desk.text("#state")
        assert await desk.page.locator("a", has_text="Edit").count() == 0
        assert (await desk.open("/accounts/support/edit")).status == 409


async def test_an_account_is_paused_and_resumed(desk, daemon):
    await desk.open("/accounts/orders")
    await desk.page.click("#orders >> text=Pause")
    await desk.page.locator("#state .badge", has_text="paused").wait_for()
    await desk.page.click("#orders >> text=Switch on")
    await desk.page.locator("#state .badge.ok").wait_for()
    await desk.open("/audit")
    assert "pause" in await desk.text("#audit")


async def test_a_change_meanwhile_is_not_overwritten(open_desk, dovecot, user):
    async with open_desk(amiss=True) as desk:
        page = desk.page
        await fill(page, dovecot, user, id="twice")
        await page.click("text=Save, switched off")
        await page.wait_for_url("**/accounts/twice?told=*")
        await page.goto("/accounts/twice/edit")
        other = await desk.context.new_page()
        await other.goto("/accounts/twice/edit")
        await other.fill("[id='f-name']", "The other's name")
        await other.click("text=Save >> nth=0")
        await other.wait_for_url("**/accounts/twice?told=*")
        await page.fill("[id='f-name']", "My name")
        await page.click("button.first")
        await page.locator("#faults li").wait_for()
        assert await page.input_value("[id='f-name']") == "My name"
        await other.goto("/accounts/twice")
        assert "The other's name" in await other.inner_text("h1")
        other.on("dialog", lambda dialog: dialog.accept())
        await other.click("text=Remove the account")
        await other.wait_for_url("**/accounts?told=*")


async def test_the_form_can_be_filled_and_saved_with_the_keyboard_alone(desk, dovecot, user):
    page = desk.page
    await page.goto("/accounts/new")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await page.keyboard.press("Enter")
    values = {"f-id": "keys", "f-receiver.user": user, "f-receiver.password": "secret", "f-receiver.host": "localhost"}
    values |= {"f-receiver.port": str(dovecot.imaps), "f-receiver.truststore": dovecot.ca_file.read_text()}
    for _ in range(80):
        await page.keyboard.press("Tab")
        place = await page.evaluate("document.activeElement.id || document.activeElement.textContent")
        if place in values:
            await page.keyboard.press("Control+A")
            await page.keyboard.insert_text(values.pop(place))
        if place == "Save, switched off":
            assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
            await page.keyboard.press("Enter")
            break
    assert not values, values
    await page.wait_for_url("**/accounts/keys?told=*")
