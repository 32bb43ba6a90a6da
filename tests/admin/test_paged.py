"""Lists that are paged by cursor like all others: the audit, what happened to an account, and muted addresses."""

import re

import pytest

from .conftest import running
from .test_pages_told import sql

API = "/api/v1"


@pytest.fixture
async def busy(tmp_path):
    """Seven orders, seven events of an account, and seven muted addresses."""
    async with running(tmp_path / "s", "support") as admin:
        for number in range(7):
            order = "pause" if number % 2 == 0 else "resume"
            assert (await admin.get(f"{API}/accounts/support/{order}", method="POST"))[0] == 200
            await sql(admin.ledger, "INSERT INTO muted VALUES (?, 1, 1, 'no such user', 1700000000)", f"{number}é@example.com")
        yield admin


@pytest.mark.parametrize(("path", "key"), [("/audit", "id"), ("/accounts/support/events", "id"), ("/muted", "address")])
async def test_every_row_comes_once_page_after_page(busy, path, key):
    _, _, whole = await busy.get(f"{API}{path}?limit=1000")
    assert len(whole) == 7
    found, following = [], f"{API}{path}?limit=2"
    while following:
        status, headers, rows = await busy.get(following)
        assert status == 200
        assert len(rows) <= 2
        found += [row[key] for row in rows]
        link = re.fullmatch(r'<(.+)>; rel="next"', headers.get("Link", ""))
        following = link and link[1]
    assert found == [row[key] for row in whole]


@pytest.mark.parametrize("path", ["/audit", "/accounts/support/events", "/muted"])
async def test_a_cursor_that_is_none_of_ours_is_refused_at_its_field(busy, path):
    status, _, problem = await busy.get(f"{API}{path}?cursor=%C3%A9")
    assert status == 400
    assert [one["field"] for one in problem["errors"]] == ["cursor"]


async def test_the_audits_page_leads_to_what_is_older(busy):
    for _ in range(25):
        for order in ("resume", "pause"):
            await busy.get(f"{API}/accounts/support/{order}", method="POST")
    async with busy.signed_in() as browser:
        _, _, page = await browser.ask("/audit")
        older = re.search(r'href="(/audit\?cursor=[^"]+)" *>Older|rel="next" href="([^"]+)"', page)
        assert older, "fifty of fifty-seven are shown"
        status, _, rest = await browser.ask(next(filter(None, older.groups())).replace("&amp;", "&"))
        assert status == 200
        assert rest.count("<tr data-key") == 7
