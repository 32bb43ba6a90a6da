"""Who is let in, over real HTTP: tokens, sessions, CSRF, names, waiting; and over the whole table of routes what nobody may."""

import asyncio

import pytest

from listener.admin.guard import CSRF_HEADER
from listener.admin.routes import API, ROUTES
from listener.admin.throttle import AT_ONCE, REFILL

from .conftest import TOKEN, file, octets, put, running

SERVED = [route for route in ROUTES if not route.private]
UNSAFE = [route for route in SERVED if route.method != "GET"]
VALUES = {"account": "support", "entry": "1", "number": "1", "case": "NONE", "name": "someone"}


def path_of(route):
    path = route.path
    for name in [part.split("}")[0] for part in path.split("{")[1:]]:
        path = path.replace("{" + name + "}", VALUES.get(name, "x"))
    return API + path


def named(route):
    return f"{route.method} {route.path}"


async def token_of(admin, scope):
    answer = (await admin.control(f"{API}/tokens/{scope}-one?scope={scope}", "POST"))[1]
    return answer["token"].encode()


# --- the whole table ----------------------------------------------------------------------------------------------------


async def test_without_a_token_no_route_answers(admin):
    for route in SERVED:
        status, headers, body = await admin.get(path_of(route), method=route.method, token=None)
        assert (status, body["detail"][:17]) == (401, "this needs a toke"), named(route)
        assert headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_read_only_token_reads_everything_and_changes_nothing(admin):
    await put(admin.ledger, "support", octets(1))
    await file(admin.ledger)
    token = await token_of(admin, "read")
    for route in SERVED:
        status, _, body = await admin.get(path_of(route), method=route.method, token=token)
        if route.method == "GET":
            assert status in (200, 404, 409), named(route)
        else:
            assert (status, body["detail"]) == (403, "this token may only read"), named(route)
    assert await admin.ledger.paused() == set()
    assert {row["name"] for row in await admin.ledger.access.tokens()} == {"read-one"}


async def test_with_a_cookie_alone_nothing_changes(admin):
    async with admin.signed_in() as browser:
        for route in UNSAFE:
            status, _, text = await browser.ask(path_of(route), route.method)
            assert (status, "out of date" in text) == (403, True), named(route)
        assert (await browser.ask(f"{API}/accounts/support/pause", "POST", csrf="x" * 43))[0] == 403
        assert (await browser.ask(f"{API}/accounts/support/pause", "POST", csrf=browser.csrf))[0] == 200


async def test_the_private_routes_are_on_the_control_socket_only(admin):
    for route in ROUTES:
        if route.private:
            assert (await admin.get(path_of(route), method=route.method))[0] == 404, named(route)


@pytest.mark.parametrize("method", ["PATCH", "TRACE", "OPTIONS", "PROPFIND"])
async def test_other_methods_change_nothing_and_need_the_token_too(admin, method):
    for route in UNSAFE:
        assert (await admin.get(path_of(route), method=method, token=None))[0] in (401, 404, 405), named(route)
        assert (await admin.get(path_of(route), method=method))[0] in (400, 404, 405, 415), named(route)


# --- tokens ---------------------------------------------------------------------------------------------------------------


async def test_a_token_is_shown_once_and_kept_as_a_digest(admin):
    token = await token_of(admin, "full")
    assert token.startswith(b"lst_")
    assert (await admin.get(f"{API}/accounts", token=token))[0] == 200
    _, _, rows = await admin.get(f"{API}/tokens")
    assert [set(row) for row in rows] == [{"id", "name", "scope", "created_at"}]
    await admin.ledger.probe()
    kept = b"".join(path.read_bytes() for path in admin.folder.iterdir() if path.is_file())
    assert token not in kept
    assert token[13:] not in kept


async def test_a_revoked_token_is_nobodys_and_its_sessions_end(admin):
    token = await token_of(admin, "full")
    async with admin.signed_in(token.decode()) as browser:
        assert (await browser.ask("/api/v1/accounts"))[0] == 200
        assert (await admin.get(f"{API}/tokens/full-one", method="DELETE"))[0] == 200
        assert (await browser.ask("/api/v1/accounts"))[0] == 401
    assert (await admin.get(f"{API}/accounts", token=token))[0] == 401
    assert (await admin.get(f"{API}/tokens/full-one", method="DELETE"))[0] == 404


async def test_a_token_with_another_secret_or_another_id_is_nobodys(admin):
    token = await token_of(admin, "full")
    for wrong in (token[:-1] + (b"A" if token[-1:] != b"A" else b"B"), b"lst_aaaaaaaa" + token[12:], token + b"=", token[4:]):
        assert (await admin.get(f"{API}/accounts", token=wrong))[0] == 401


@pytest.mark.parametrize("name", ["admin", "-x", "a b", "%2e%2e", "x" * 61, "a%00b"])
async def test_a_token_needs_a_name_that_can_be_said(admin, name):
    status, _, body = await admin.get(f"{API}/tokens/{name}", method="POST")
    assert status in (400, 404)
    if status == 400:
        assert body["errors"][0]["field"] == "name"


async def test_a_name_is_given_once_until_it_is_revoked(admin):
    assert (await admin.get(f"{API}/tokens/ci", method="POST"))[0] == 200
    assert (await admin.get(f"{API}/tokens/ci", method="POST"))[0] == 409
    assert (await admin.get(f"{API}/tokens/ci", method="DELETE"))[0] == 200
    assert (await admin.get(f"{API}/tokens/ci", method="POST"))[0] == 200


async def test_an_unknown_scope_is_a_fault_of_its_field(admin):
    status, _, body = await admin.get(f"{API}/tokens/ci?scope=root", method="POST")
    assert (status, body["errors"][0]["field"]) == (400, "scope")


# --- waiting --------------------------------------------------------------------------------------------------------------


class Clock:
    now = 7_000.0

    def __call__(self):
        return self.now


async def test_who_guesses_waits_and_a_token_made_here_still_works_from_the_same_address(tmp_path):
    clock = Clock()
    async with running(tmp_path / "s", "support", clock=clock) as admin:
        made = await token_of(admin, "read")
        answers = [await admin.get(f"{API}/accounts", token=b"guess") for _ in range(AT_ONCE + 2)]
        assert [status for status, _, _ in answers] == [401] * AT_ONCE + [429] * 2
        _, headers, body = answers[-1]
        assert headers["Retry-After"] == str(int(REFILL))
        assert "try again in 30 s" in body["detail"]
        assert (await admin.get(f"{API}/accounts"))[0] == 429  # the configured one may be a word: it waits
        assert (await admin.get(f"{API}/accounts", token=made))[0] == 200
        assert (await admin.get(f"{API}/accounts", token=None))[0] == 401
        clock.now += REFILL
        assert (await admin.get(f"{API}/accounts"))[0] == 200


async def test_signing_in_waits_too_and_says_so_on_its_page(tmp_path):
    clock = Clock()
    async with running(tmp_path / "s", clock=clock) as admin, admin.browser() as browser:
        for _ in range(AT_ONCE):
            assert (await browser.sign_in("guess"))[0] == 401
        status, headers, text = await browser.sign_in(TOKEN.decode())
        assert (status, headers["Retry-After"]) == (429, "30")
        assert "try again in 30 s" in text
        assert headers["Content-Type"].startswith("text/html")
        clock.now += REFILL
        assert (await browser.sign_in(TOKEN.decode()))[0] == 303


# --- our names --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/login", "/api/v1/accounts", "/healthz", "/static/console.css", "/events"])
async def test_a_name_that_was_made_to_point_at_us_gets_nothing(admin, path):
    status, _, body = await admin.get(path, headers={"Host": "attacker.example:8025"})
    assert status == 421
    assert "admin.public_url" in body["detail"]


async def test_probes_answer_to_any_name(admin):
    assert (await admin.get("/livez", token=None, headers={"Host": "listener.svc:8025"}))[0] == 200


async def test_the_public_name_is_ours(tmp_path):
    async with running(tmp_path / "s", public_url="https://mail.example.com") as admin:
        assert (await admin.get(f"{API}/accounts", headers={"Host": "mail.example.com"}))[0] == 200


# --- forgery ----------------------------------------------------------------------------------------------------------------

PAUSE = f"{API}/accounts/support/pause"
FOREIGN = [
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "", "Origin": "http://attacker.example"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_a_page_from_elsewhere_changes_nothing_even_with_the_right_csrf_token(admin, headers):
    async with admin.signed_in() as browser:
        status, _, text = await browser.ask(PAUSE, "POST", csrf=browser.csrf, headers=headers)
        assert (status, "does not come from a page" in text) == (403, True)
        assert (await browser.sign_in(TOKEN.decode(), headers=headers))[0] == 403
        assert (await browser.ask("/logout", "POST", form={}, csrf=browser.csrf, headers=headers))[0] == 403
        assert await admin.ledger.paused() == set()


async def test_another_sessions_csrf_token_is_not_taken(admin):
    async with admin.signed_in() as one, admin.signed_in() as other:
        assert (await one.ask(PAUSE, "POST", csrf=other.csrf))[0] == 403
        assert (await one.ask(PAUSE, "POST", csrf=one.csrf))[0] == 200


async def test_a_forms_field_is_taken_like_the_header(admin):
    async with admin.signed_in() as browser:
        assert (await browser.ask(PAUSE, "POST", form={"x": "1"}, csrf=browser.csrf))[0] == 200
        assert (await browser.ask(PAUSE, "POST", form={"x": "1"}))[0] == 403
        assert (await browser.ask(PAUSE, "POST", form={"csrf": ""}))[0] == 403


async def test_a_token_decides_alone_whatever_cookie_is_beside_it(admin):
    read = await token_of(admin, "read")
    async with admin.signed_in() as browser:
        headers = {"Authorization": f"Bearer {read.decode()}", CSRF_HEADER: browser.csrf}
        assert (await browser.ask(PAUSE, "POST", headers=headers))[0] == 403
        assert (await browser.ask(f"{API}/accounts", headers={"Authorization": "Bearer wrong"}))[0] == 401


async def test_guesses_that_come_all_at_once_are_counted_all(admin):
    answers = await asyncio.gather(*(admin.get(f"{API}/accounts", token=b"guess") for _ in range(30)))
    assert sum(status == 429 for status, _, _ in answers) >= 30 - AT_ONCE - 5
