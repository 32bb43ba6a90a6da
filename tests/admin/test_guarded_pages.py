"""Every page of the console behind its door: who may only read changes nothing, nor does anybody without the page's word."""

import re

import pytest

from listener.mailbox import Extent

from .conftest import file, octets, put
from .test_guard import token_of

PART = re.compile(r"{(\w+)(?::(?:[^{}]|{[^}]*})*)?}")
"""Of a path: {account}, {entry:[0-9]{1,20}}."""


def changing(admin):
    """The addresses of every order of the console, but signing in and out."""
    routes = [route for route in admin.api.site.routes() if route.method == "POST" and not route.path.startswith("/log")]
    assert len(routes) >= 20
    return [PART.sub(lambda m: "1" if m[1] in ("entry", "number") else "support", route.path) for route in routes]


async def held(admin):
    """One message in quarantine, one that is done."""
    await put(admin.ledger, "support", octets(1), extent=Extent.REFUSED)
    await put(admin.ledger, "support", octets(2))
    await file(admin.ledger)


async def test_who_may_only_read_changes_nothing_by_any_page(admin):
    await held(admin)
    async with admin.signed_in((await token_of(admin, "read")).decode()) as browser:
        for path in changing(admin):
            status, _, page = await browser.ask(path, "POST", form={"entry": "1", "order": "release"}, csrf=browser.csrf)
            assert (status, "may only read" in page) == (403, True), path
    assert (await admin.ledger.explain(1))["state"] == "quarantined"
    assert await admin.ledger.paused() == set()


async def test_without_the_sessions_own_word_no_page_changes_anything(admin):
    await held(admin)
    async with admin.signed_in() as browser:
        for path in changing(admin):
            for csrf in (None, "x" * 43):
                status, _, _ = await browser.ask(path, "POST", form={"entry": "1", "order": "release"}, csrf=csrf)
                assert status == 403, path
    assert (await admin.ledger.explain(1))["state"] == "quarantined"
    assert await admin.ledger.paused() == set()


async def test_who_has_not_signed_in_is_led_to_the_login_from_every_order(admin):
    async with admin.browser() as browser:
        for path in changing(admin):
            status, headers, _ = await browser.ask(path, "POST", form={})
            assert (status, headers["Location"][:12]) == (303, "/login?next="), path


@pytest.mark.parametrize("chosen", [["1"], ["1", "2", "999"]], ids=["what can be released", "and what cannot"])
async def test_many_are_released_at_once_and_what_could_not_be_is_said_of_each(admin, chosen):
    await held(admin)
    async with admin.signed_in() as browser:
        form = [("csrf", browser.csrf), ("order", "release"), *(("entry", one) for one in chosen)]
        status, headers, _ = await browser.ask("/quarantine", "POST", form=form)
        assert status == 303
        _, _, page = await browser.ask(headers["Location"])
        assert "1 message is released." in page
        assert ("Message 2: " in page, "Message 999: " in page) == (len(chosen) > 1, len(chosen) > 1)
    assert "message.released" in [event["kind"] for event in (await admin.ledger.explain(1))["events"]]
