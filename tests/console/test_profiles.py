"""Authentication profiles in the browser: made by a form, tested, consented to at an issuer of ours."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest

from listener.testing.oauth import TokenServer

pytestmark = pytest.mark.dovecot


async def make(page, name, token_url="https://127.0.0.1:1/token", authorize_url="https://issuer.example/authorize"):
    await page.goto("/profiles/new")
    await page.fill("[id='f-id']", name)
    await page.select_option("[id='f-issuer']", "custom")
    await page.select_option("[id='f-grant']", "refresh_token")
    await page.fill("[id='f-client_id']", "our-application")
    await page.fill("[id='f-client_secret']", "very-secret")
    await page.fill("[id='f-scope']", "mail")
    await page.fill("[id='f-token_url']", token_url)
    await page.fill("[id='f-authorize_url']", authorize_url)
    await page.click("button.first")
    await page.wait_for_url(f"**/profiles/{name}?told=*")


async def test_each_grant_asks_for_its_own_fields_only(desk):
    page = desk.page
    await page.goto("/profiles/new")
    assert await page.is_visible("[id='f-tenant']")
    assert not await page.is_visible("[id='f-service_account']")
    await page.select_option("[id='f-proof']", "certificate")
    assert await page.is_visible("[id='f-certificate']")
    assert not await page.is_visible("[id='f-client_secret']")
    await page.select_option("[id='f-grant']", "jwt_bearer")
    assert await page.is_visible("[id='f-service_account']")
    assert not await page.is_visible("[id='f-client_id']")


async def test_the_day_on_which_a_secret_ends_is_given_and_shown(desk):
    await desk.page.goto("/profiles/new")
    await desk.page.fill("[id='f-id']", "ends")
    await desk.page.fill("[id='f-tenant']", "example.onmicrosoft.com")
    await desk.page.fill("[id='f-client_id']", "our-application")
    await desk.page.fill("[id='f-client_secret']", "very-secret")
    await desk.page.fill("[id='f-client_secret_expires']", "2031-02-03")
    await desk.page.click("button.first")
    await desk.page.wait_for_url("**/profiles/ends?told=*")
    assert "it ends 2031-02-03" in " ".join((await desk.page.inner_text("main")).split())


async def test_a_profiles_faults_are_at_their_fields(open_desk):
    async with open_desk(amiss=True) as desk:
        await desk.page.goto("/profiles/new")
        await desk.page.fill("[id='f-id']", "incomplete")
        await desk.page.click("button.first")
        await desk.page.locator("#faults li").first.wait_for()
        assert await desk.page.locator("[aria-invalid=true]").count() >= 1


async def test_consent_leaves_for_the_issuer_with_a_challenge_and_a_refusal_comes_back_in_words(open_desk):
    async with open_desk(amiss=True) as desk:
        page = desk.page
        await make(page, "by-consent")
        assert "very-secret" not in await page.content()
        assert "Nobody has consented yet" in await desk.text()
        await page.click("text=Give consent")
        link = page.locator("a", has_text="Go to issuer.example")
        asked = parse_qs(urlsplit(await link.get_attribute("href")).query)
        assert asked["code_challenge_method"] == ["S256"]
        assert asked["redirect_uri"][0].endswith("/oauth/callback")
        await desk.open(f"/oauth/callback?error=access_denied&state={asked['state'][0]}")
        assert "Consent was not given" in await desk.text("main")
        answer = await desk.open("/oauth/callback?code=x&state=forged")
        assert answer.status in (400, 403, 409)
        assert "Traceback" not in await desk.text("body")


async def give_consent(page, name):
    """From the profile's page to the issuer, and wherever it sends the browser back to."""
    await page.goto(f"/profiles/{name}")
    await page.locator("button", has_text=re.compile("^(Give|Renew) consent$")).click()
    await page.click("text=Go to 127.0.0.1")
    await page.wait_for_url("**/oauth/callback?*")


async def test_consent_is_given_at_the_issuer_brings_a_token_and_is_renewed_by_one_click(desk):
    async with TokenServer() as issuer:
        page = desk.page
        await make(page, "consented", issuer.url, issuer.authorize_url)
        await give_consent(page, "consented")
        assert "Consent is given" in await desk.text("h1")
        (redeemed,) = (one for one in issuer.requests if one["grant_type"] == "authorization_code")
        assert redeemed["code_verifier"]
        assert issuer.visits[0]["state"] not in await page.content()
        await page.click("text=Back to the profiles")
        await page.goto("/profiles/consented")
        assert "Nobody has consented yet" not in await desk.text()
        assert issuer.refresh_token not in await page.content()
        await page.click("text=Get a token")
        await page.locator("#tested.ok", has_text="A token was issued").wait_for()
        first = issuer.refresh_token
        await give_consent(page, "consented")
        assert "Consent is given" in await desk.text("h1")
        assert issuer.refresh_token != first


async def test_an_answer_of_the_issuer_is_taken_once_and_only_from_the_browser_that_asked(open_desk):
    async with open_desk(amiss=True) as desk, TokenServer() as issuer:
        await make(desk.page, "once", issuer.url, issuer.authorize_url)
        await give_consent(desk.page, "once")
        assert (await desk.open(desk.page.url)).status == 409
        assert "Consent was not given" in await desk.text("h1")
        await desk.page.goto("/profiles/once")
        await desk.page.click("text=Renew consent")
        away = await desk.page.locator("a", has_text="Go to 127.0.0.1").get_attribute("href")
        async with open_desk(amiss=True) as other:
            answer = await other.page.goto(away)
            assert answer.status == 409
            assert "another browser" in await other.text("body")
        assert len([one for one in issuer.requests if one["grant_type"] == "authorization_code"]) == 1


async def test_a_person_who_refuses_at_the_issuer_reads_what_to_do(open_desk):
    async with open_desk(amiss=True) as desk, TokenServer() as issuer:
        issuer.deny = "access_denied"
        await make(desk.page, "refused", issuer.url, issuer.authorize_url)
        await give_consent(desk.page, "refused")
        assert "did not consent" in await desk.text("body")
        assert issuer.issued == []


async def test_a_token_that_cannot_be_had_says_why(open_desk):
    async with open_desk(amiss=True) as desk:
        await make(desk.page, "unreachable")
        await desk.page.click("text=Get a token")
        await desk.page.locator("#tested").filter(has_text=re.compile("No token")).wait_for()


async def test_a_token_of_ours_is_shown_once_and_revoked(desk):
    page = desk.page
    page.on("dialog", lambda dialog: dialog.accept())
    await page.goto("/tokens")
    await page.fill("[id='f-name']", "reader")
    await page.click("text=Make the token")
    text = await page.input_value("#new-token")
    answer = await desk.context.request.get("/api/v1/messages", headers={"Authorization": f"Bearer {text}"})
    assert answer.ok
    await page.goto("/tokens")
    assert text not in await page.content()
    await page.click("[aria-label='Revoke reader']")
    assert "not valid any longer" in await desk.text(".note.ok")


async def test_who_may_only_read_sees_no_button_that_changes_anything(open_desk, daemon):
    async with open_desk() as desk:
        await desk.page.goto("/tokens")
        await desk.page.fill("[id='f-name']", "watcher")
        await desk.page.click("text=Make the token")
        text = await desk.page.input_value("#new-token")
    async with open_desk(signed=False) as desk:
        await desk.open("/login")
        await desk.page.fill("#token", text)
        await desk.page.click("button")
        for path in ("/accounts", "/accounts/support", "/quarantine", "/dead-letters", "/profiles", "/tokens", "/cases"):
            await desk.open(path)
            assert await desk.page.locator("main form[method=post] button").count() == 0, path
            assert await desk.page.locator("main a[href$='/new'], main a[href$='/edit']").count() == 0, path
