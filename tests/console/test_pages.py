"""Every page at two widths: no console error, nothing from elsewhere, no horizontal scroll, nothing that axe finds serious."""

import pytest

PAGES = {
    "overview": "/",
    "messages": "/messages",
    "message": "/messages/1",
    "quarantine": "/quarantine",
    "dead-letters": "/dead-letters",
    "cases": "/cases",
    "replies": "/replies",
    "accounts": "/accounts",
    "account": "/accounts/support",
    "account-new": "/accounts/new",
    "profiles": "/profiles",
    "profile-new": "/profiles/new",
    "tokens": "/tokens",
    "audit": "/audit",
}
SERIOUS = ("serious", "critical")


async def serious(page, axe):
    await page.evaluate(axe)
    found = await page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [f"{one['id']}: {[node['html'][:150] for node in one['nodes']]}" for one in found if one["impact"] in SERIOUS]


@pytest.mark.parametrize("path", PAGES.values(), ids=PAGES)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
async def test_a_page_is_whole_accessible_and_never_wider_than_the_screen(open_desk, axe, path, width, scheme):
    async with open_desk(width=width, color_scheme=scheme) as desk:
        answer = await desk.open(path)
        assert answer.status == 200
        assert await desk.page.locator("h1").count() == 1
        assert await desk.page.evaluate("document.documentElement.scrollWidth") <= width
        assert await serious(desk.page, axe) == []
        assert desk.foreign == []
