"""A page that has found nothing yet goes on by itself for a moment, and never says too soon that there is nothing."""

import re

import pytest

from .conftest import file, octets, put
from .test_pages_told import words


@pytest.fixture
async def deep(admin, monkeypatch):
    """The newest message is of sales, all others are of support, and a page looks at one at a time."""
    await put(admin.ledger, "support", *(octets(n, "Hay") for n in range(1, 30)))
    await file(admin.ledger)
    await put(admin.ledger, "sales", octets(30, "Hay"))
    await file(admin.ledger)
    monkeypatch.setattr("listener.ledger.search.EXAMINED", 1)
    return admin


async def test_what_is_not_the_newest_is_found_by_the_first_page(deep):
    async with deep.signed_in() as browser:
        _, _, page = await browser.ask("/messages?account=support&text=example")
        assert 'href="/messages/29"' in page


@pytest.mark.parametrize("path", ["/messages", "/cases"])
async def test_after_a_moment_the_person_is_asked_and_led_on_to_the_end(deep, monkeypatch, path):
    monkeypatch.setattr("listener.admin.console.desk.LOOKING", -1.0)
    async with deep.signed_in() as browser:
        following, steps = f"{path}?account=sales&text=example", 0
        _, _, page = await browser.ask(f"{path}?account=support&text=example")
        assert "Nothing fits yet" in words(page)
        while following:
            _, _, page = await browser.ask(following)
            steps += 1
            found = re.search(r'rel="next" href="([^"]+)"', page)
            following = found and found[1].replace("&amp;", "&")
        assert steps > 1


async def test_where_nothing_is_the_page_says_so(deep):
    async with deep.signed_in() as browser:
        for path in (
            "/messages?text=nowhere",
            "/cases?text=nowhere",
            "/quarantine?text=nowhere",
            "/dead-letters?account=support",
        ):
            _, _, page = await browser.ask(path)
            assert "Nothing fits" in words(page), path
            assert "Nothing fits yet" not in words(page), path
