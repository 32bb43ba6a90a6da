"""An admin server over a real ledger with some mail in it."""

import time
from contextlib import asynccontextmanager

import aiohttp
import pytest

from listener.admin.api import Api
from listener.admin.health import Health
from listener.admin.metrics import Metrics
from listener.admin.server import AdminServer
from listener.admin.verbs import Ledgerwise, Verbs
from listener.config import Admin
from listener.ledger import Ledger, Parsed
from listener.ledger.records import Plan
from listener.mailbox import Extent, Fetched, Folder, Listing, Page
from listener.message import Trust, parse_quickly
from listener.status import AccountState, AccountStatus

WORD = "a-token-for-tests"
TOKEN = WORD.encode()
SENDER = "secret.person@example.com"
SUBJECT = "A very private subject"


def octets(number, subject=SUBJECT):
    head = f"Message-ID: <{number}@example.com>\r\nFrom: {SENDER}\r\nSubject: {subject}\r\n"
    return f"{head}\r\nBody {number}\r\n".encode()


async def put(ledger, account, *messages, extent=Extent.WHOLE):
    """Messages into the ledger as a receiver puts them there."""
    known = len(await ledger.messages(limit=1000))
    listings = tuple(Listing(Folder("INBOX"), f"1:{known + n}", len(m), 1_700_000_000.0) for n, m in enumerate(messages))
    fetched = [Fetched(listing, extent, m) for listing, m in zip(listings, messages, strict=True)]
    await ledger.accept(account, Page(Folder("INBOX"), listings), Plan(fetch=listings), fetched, owe=False)


async def file(ledger, hooks=None):
    """Everything accepted, into cases."""
    due = await ledger.due_entries(1000, 1 << 30)
    await ledger.file([Parsed(entry.id, parse_quickly(entry.octets, Trust())) for entry in due], hooks or {})


async def body(answer):
    """JSON where it is JSON, else octets."""
    return await answer.json(content_type=None) if "json" in answer.content_type else await answer.read()


class Browser:
    """Somebody at a browser: keeps cookies, sends what browsers send, follows no redirect by itself."""

    def __init__(self, session, base, headers):
        self.session, self.base, self.headers, self.csrf = session, base, headers, ""

    async def ask(self, path, method="GET", *, form=None, json=None, csrf=None, headers=()):
        """Status, headers and text; `csrf` goes into the form, or the header where there is none."""
        sent = {**self.headers, **dict(headers)}
        if form is not None and csrf is not None:
            form = {**form, "csrf": csrf}
        elif csrf is not None:
            sent["X-CSRF-Token"] = csrf
        asked = self.session.request(method, f"{self.base}{path}", data=form, json=json, headers=sent, allow_redirects=False)
        async with asked as answer:
            return answer.status, answer.headers, (await answer.read()).decode()

    async def sign_in(self, token, next="/", headers=()):
        return await self.ask("/login", "POST", form={"token": token, "next": next}, headers=headers)


class Admined:
    """A running admin server and everything behind it."""

    def __init__(self, ledger, statuses, folder, settings, clock):
        self.ledger, self.statuses, self.folder = ledger, statuses, folder
        self.health = Health(ledger, lambda: iter(self.statuses))
        self.metrics = Metrics()
        self.controls = Ledgerwise(ledger, {status.id: status.protocol for status in statuses})
        self.api = Api(self.health, self.metrics, Verbs(ledger, self.controls), TOKEN, settings, clock=clock)
        self.server = AdminServer(self.api)

    @asynccontextmanager
    async def browser(self, **headers):
        """A `Browser` that shows documents, and has not signed in."""
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address in figures, too
        sent = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "document"} | headers
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            yield Browser(session, f"http://{self.server.addresses[0]}", sent)

    @asynccontextmanager
    async def signed_in(self, token=WORD):
        """A `Browser` that has, and knows its CSRF token."""
        async with self.browser() as browser:
            status, _, _ = await browser.sign_in(token)
            assert status == 303
            session = list(self.api.sessions._open.values())[-1]
            browser.csrf = session.visitor.csrf
            yield browser

    async def get(self, path, *, method="GET", token=TOKEN, probe=False, headers=()):
        """Status, headers and body."""
        sent = {"Authorization": f"Bearer {token.decode()}"} if token else {}
        url = f"http://{self.server.addresses[1 if probe else 0]}{path}"
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, headers={**sent, **dict(headers)}) as answer,
        ):
            body = await answer.read()
            return (
                answer.status,
                answer.headers,
                (await answer.json(content_type=None) if "json" in answer.content_type else body),
            )

    async def control(self, path, method="GET"):
        """The same over the control socket, without a token."""
        connector = aiohttp.UnixConnector(str(self.folder / "control.sock"))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.request(method, f"http://listener{path}") as answer,
        ):
            return answer.status, (
                await answer.json(content_type=None) if "json" in answer.content_type else await answer.read()
            )


@asynccontextmanager
async def running(folder, *accounts, clock=time.monotonic, **settings):
    ledger = await Ledger.open(folder)
    statuses = [AccountStatus(id, "imap", AccountState.IDLE) for id in accounts]
    settings = Admin(bind="127.0.0.1:0", probe_bind="127.0.0.1:0", **settings)
    admined = Admined(ledger, statuses, folder, settings, clock)
    await admined.server.start(settings, folder)
    try:
        yield admined
    finally:
        await admined.server.stop()
        await ledger.close()


@pytest.fixture
async def admin(tmp_path):
    async with running(tmp_path / "s", "support", "sales") as admined:
        yield admined
