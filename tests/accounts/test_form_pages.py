"""The forms of accounts and profiles as a browser without a script sends them: whole pages, files as they are."""

import html
import re
from contextlib import asynccontextmanager

import aiohttp
import pytest
import trustme
from truststores import pkcs12_store

from listener.ledger import KeptKind

SENT = {"id": "support", "name": "Support", "provider": "custom", "receiver.protocol": "imap", "receiver.sign_in": "password"}
SENT |= {"receiver.user": "u", "receiver.password": "p", "receiver.host": "127.0.0.1", "receiver.security": "tls"}
SENT |= {"receiver.min_tls": "1.2", "receiver.folders": "INBOX", "after": "seen", "begin": "now"}
PROFILE = {"id": "idp", "issuer": "custom", "grant": "client_credentials", "proof": "secret", "client_id": "me"}
PROFILE |= {"client_secret": "hush", "token_url": "https://login.example.com/token"}
OPENS = "opens-the-store"


class Browser:
    """Somebody signed in, without a script."""

    def __init__(self, session, base):
        self.session, self.base = session, base

    async def send(self, path, fields, **files):
        """The form with these fields and files; status and page of what comes back, redirections followed."""
        csrf = re.search(r'name="csrf" value="([^"]+)"', (await self.get(path))[1])[1]
        form = aiohttp.FormData()
        for name, value in {"csrf": csrf, "do": "save", **fields}.items():
            form.add_field(name, value)
        for name, octets in files.items():
            form.add_field(
                f"{name.replace('__', '.')}.upload", octets, filename="store", content_type="application/octet-stream"
            )
        headers = {"Origin": self.base, "Accept": "text/html"}
        async with self.session.post(self.base + path, data=form, headers=headers) as answer:
            return answer.status, await answer.text()

    async def get(self, path):
        async with self.session.get(self.base + path, headers={"Accept": "text/html"}) as answer:
            return answer.status, await answer.text()


@pytest.fixture
async def browser(house):
    async with signed_in(house) as one:
        yield one


@asynccontextmanager
async def signed_in(house):
    base = f"http://{house.daemon.admin.addresses[0]}"
    token = (house.folder / "state/admin-token").read_text().strip()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        async with session.post(f"{base}/login", data={"token": token}, headers={"Origin": base}) as answer:
            assert answer.status == 200
        yield Browser(session, base)


def fields(page):
    """By name: is the field shown, and the fault beside it."""
    found = {}
    for piece in page.split('<div class="field" data-field="')[1:]:
        opening = piece.partition(">")[0]
        fault = re.search(r'class="fault" id="[^"]+"[^>]*>([^<]*)<', piece)
        found[piece.partition('"')[0]] = (not opening.endswith(" hidden"), html.unescape(fault[1]))
    return found


@pytest.fixture(scope="module")
def locked():
    return pkcs12_store(trustme.CA(), OPENS)


async def test_after_a_look_anew_only_the_fields_that_apply_are_shown_and_nothing_is_saved(browser, house):
    status, page = await browser.send("/accounts/new", SENT | {"do": "refresh", "receiver.protocol": "graph"})
    assert status == 200
    shown = {name for name, (is_shown, _) in fields(page).items() if is_shown}
    assert {"receiver.user_principal_name", "receiver.oauth", "receiver.folders"} <= shown
    assert not {"receiver.host", "receiver.port", "receiver.security", "receiver.password", "receiver.truststore"} & shown
    assert house.book.ids(KeptKind.ACCOUNT) == []


async def test_graph_is_for_microsoft_365_alone(browser, house):
    status, page = await browser.send("/accounts/new", SENT | {"receiver.protocol": "graph", "receiver.oauth": "x"})
    assert status == 422
    assert "microsoft365" in fields(page)["receiver.protocol"][1]
    assert house.book.ids(KeptKind.ACCOUNT) == []


async def test_a_binary_store_is_uploaded_asked_for_its_password_and_kept_with_it(browser, house, locked):
    status, page = await browser.send("/accounts/new", SENT, receiver__truststore=locked)
    assert status == 422
    assert fields(page)["receiver.truststore_password"] == (
        True,
        "this cannot be opened: give its truststore_password, or it is damaged or no PKCS#12 store",
    )
    text = html.unescape(re.search(r'name="receiver.truststore"[^>]*>([^<]*)<', page)[1])
    again = SENT | {"receiver.truststore": text, "receiver.truststore_password": OPENS}
    status, page = await browser.send("/accounts/new", again)
    assert (status, "The account is saved" in page, OPENS in page) == (200, True, False)
    _, page = await browser.get("/accounts/support/edit")
    assert OPENS not in page
    assert "One is kept: leave this empty to keep it." in page
    status, page = await browser.send(
        "/accounts/support/edit", again | {"version": "1", "receiver.truststore_password": "", "receiver.password": ""}
    )
    assert (status, "The account is saved" in page) == (200, True)
    assert house.kept("support").secrets == {"receiver.password": 1, "receiver.truststore_password": 1}


async def test_a_profiles_store_is_uploaded_too(browser, house, locked):
    status, page = await browser.send("/profiles/new", PROFILE, truststore=locked)
    assert (status, fields(page)["truststore_password"][0]) == (422, True)
    text = html.unescape(re.search(r'name="truststore"[^>]*>([^<]*)<', page)[1])
    status, page = await browser.send("/profiles/new", PROFILE | {"truststore": text, "truststore_password": OPENS})
    assert (status, "The profile is saved" in page) == (200, True)
    assert house.book.ids(KeptKind.PROFILE) == ["idp"]


@pytest.mark.parametrize(
    ("path", "sent", "name"), [("/accounts/new", SENT, "receiver.truststore"), ("/profiles/new", PROFILE, "truststore")]
)
async def test_a_file_that_is_too_large_is_a_fault_of_its_field_and_the_rest_stays(browser, house, path, sent, name):
    status, page = await browser.send(path, sent, **{name.replace(".", "__"): b"\x30\x82" + bytes(400_000)})
    assert status == 422
    assert "over 380 KB" in fields(page)[name][1]
    assert f'value="{sent["id"]}"' in page
    assert house.book.ids(KeptKind.ACCOUNT) == house.book.ids(KeptKind.PROFILE) == []
