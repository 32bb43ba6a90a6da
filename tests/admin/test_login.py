"""Signing in and out with a browser: the cookie, where one comes back to, and what nobody sees before."""

from urllib.parse import parse_qs

import aiohttp
import pytest

from listener.admin.sessions import IDLE, LIFETIME

from .conftest import SENDER, SUBJECT, TOKEN, file, octets, put, running

WORD = TOKEN.decode()


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def after_login(headers):
    """Where the sign-in page will lead."""
    path, _, query = headers["Location"].partition("?")
    assert path == "/login"
    return parse_qs(query)["next"][0]


async def test_the_cookie_is_for_our_pages_alone(admin):
    async with admin.browser() as browser:
        status, headers, _ = await browser.sign_in(WORD)
        cookie = headers["Set-Cookie"]
        assert (status, headers["Location"]) == (303, "/")
        for attribute in ("HttpOnly", "SameSite=Strict", "Path=/", f"Max-Age={int(LIFETIME)}"):
            assert attribute in cookie
        assert "Domain" not in cookie
        assert "Secure" not in cookie  # plain http on loopback: no browser would send it
        assert WORD not in cookie


async def test_behind_https_the_cookie_never_leaves_by_http(tmp_path):
    async with running(tmp_path / "s", public_url="https://mail.example.com") as admin, admin.browser() as browser:
        _, headers, _ = await browser.sign_in(WORD)
        assert headers["Set-Cookie"].startswith("__Host-listener=")
        assert "Secure" in headers["Set-Cookie"]


async def test_every_sign_in_is_a_new_session(admin):
    async with admin.browser() as browser:
        cookies = {(await browser.sign_in(WORD))[1]["Set-Cookie"].partition(";")[0] for _ in range(3)}
        assert len(cookies) == 3


@pytest.mark.parametrize("word", ["", " ", "wrong", WORD[:-1], "x" * 5_000, "\x00", "ü"])
async def test_a_wrong_token_is_told_on_the_page_and_begins_nothing(admin, word):
    async with admin.browser() as browser:
        status, headers, text = await browser.sign_in(word, next="/cases")
        assert status in (400, 401)
        assert "Set-Cookie" not in headers
        assert '"/cases"' in text  # and where the person wanted to go is kept
        assert word.strip() not in text or not word.strip()


async def test_the_form_is_bounded_and_of_one_kind(admin):
    async with admin.browser() as browser:
        assert (await browser.sign_in("x" * 10_000))[0] == 413
        assert (await browser.ask("/login", "POST", json={"token": WORD}))[0] == 415
        parts = aiohttp.FormData({"token": WORD}, default_to_multipart=True)
        assert (await browser.ask("/login", "POST", form=parts))[0] == 415


async def test_an_expired_sign_in_leads_back_to_where_the_person_was(tmp_path):
    clock = Clock()
    async with running(tmp_path / "s", "support", clock=clock) as admin, admin.signed_in() as browser:
        assert (await browser.ask("/messages?state=dead"))[0] == 200
        clock.now += IDLE
        status, headers, _ = await browser.ask("/messages?state=dead&limit=5")
        assert (status, after_login(headers)) == (303, "/messages?state=dead&limit=5")
        status, headers, _ = await browser.sign_in(WORD, next="/messages?state=dead&limit=5")
        assert (status, headers["Location"]) == (303, "/messages?state=dead&limit=5")


async def test_a_form_sent_too_late_leads_back_to_the_page_with_the_form(admin):
    async with admin.browser() as browser:
        referer = {"Referer": f"{browser.base}/messages/1?tab=raw"}
        status, headers, _ = await browser.ask("/messages/1", "POST", form={"x": "1"}, headers=referer)
        if status != 405:
            assert (status, after_login(headers)) == (303, "/messages/1?tab=raw")


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Dest": "empty"}, {"Accept": "application/json"}], ids=str)
async def test_a_script_is_told_401_instead(admin, headers):
    async with admin.browser() as browser:
        assert (await browser.ask("/messages", headers=headers))[0] == 401


@pytest.mark.parametrize(
    "wanted", ["//attacker.example", "https://attacker.example", "/\\attacker.example", "javascript:alert(1)"]
)
async def test_nobody_is_sent_elsewhere(admin, wanted):
    async with admin.browser() as browser:
        _, _, text = await browser.ask("/login", headers={}, form=None)
        assert "attacker" not in text
        status, headers, _ = await browser.sign_in(WORD, next=wanted)
        assert (status, headers["Location"]) == (303, "/")
        status, headers, _ = await browser.ask(f"/login?next={wanted}")
        assert (status, headers["Location"]) == (303, "/")


async def test_signing_out_ends_the_session_and_takes_the_cookie_away(admin):
    async with admin.signed_in() as browser:
        assert (await browser.ask("/logout", "POST", form={}))[0] == 403
        status, headers, _ = await browser.ask("/logout", "POST", form={}, csrf=browser.csrf)
        assert (status, headers["Location"]) == (303, "/login")
        assert "Max-Age=0" in headers["Set-Cookie"]
        assert (await browser.ask("/api/v1/accounts"))[0] == 401
        assert len(admin.api.sessions) == 0


async def test_who_may_only_read_can_sign_out(admin):
    _, made = await admin.control("/api/v1/tokens/reader?scope=read", "POST")
    async with admin.signed_in(made["token"]) as browser:
        assert (await browser.ask("/logout", "POST", form={}, csrf=browser.csrf))[0] == 303


@pytest.mark.parametrize(
    "path", ["/", "/login", "/login?next=/messages/1", "/nothing", "/api/v1/nothing", "/livez", "/metrics"]
)
async def test_before_signing_in_nobody_sees_an_address_a_subject_or_an_account(admin, path):
    await put(admin.ledger, "support", octets(1))
    await file(admin.ledger)
    async with admin.browser() as browser:
        _, _, text = await browser.ask(path)
        for private in (SENDER, SUBJECT, "support", "sales", "example.com"):
            assert private not in text


@pytest.mark.parametrize("path", ["/", "/login", "/messages", "/nothing", "/static/console.css"])
async def test_pages_run_and_load_nothing_but_our_own(admin, path):
    async with admin.signed_in() as browser:
        _, headers, text = await browser.ask(path)
        policy = headers["Content-Security-Policy"]
        if headers["Content-Type"].startswith("text/html"):
            for part in (
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "base-uri 'none'",
                "frame-ancestors 'none'",
            ):
                assert part in policy
            assert "unsafe" not in policy
            assert "<style" not in text
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
