"""One real Chromium, one real daemon and one real Dovecot for all tests of this folder; each test has a context of its own.

Everything of a session runs on one event loop, which Playwright's objects belong to. Whatever a page writes to the browser's
console as a warning or an error fails the test that had the page open.
"""

import inspect
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from conftest import unavailable
from daemon import Daemon, eventually
from dovecot.server import Dovecot, binary

from console.desk import EXPECTED, SUPPORT, Desk, deliver_samples

CHROMIUM = "/usr/bin/chromium"
PATIENCE = 60_000
"""Milliseconds after which waiting for something on a page is a failure."""
FLAGS = (
    "--no-sandbox",
    "--headless",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
AXE = Path(__file__).parents[2] / ".venv/axe/node_modules/axe-core/axe.min.js"
HERE = Path(__file__).parent
_users = itertools.count(1)


def pytest_collection_modifyitems(items):
    for item in items:
        if HERE in item.path.parents and inspect.iscoroutinefunction(item.function):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def dovecot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dovecot]:
    if binary() is None:
        unavailable("Dovecot with IMAP and POP3 is not installed (apt-get install dovecot-imapd dovecot-pop3d)")
    home = tmp_path_factory.mktemp("console-dovecot")
    for parent in (home, *home.parents):
        if parent == Path("/tmp"):
            break
        parent.chmod(parent.stat().st_mode | 0o055)  # the mail processes run as somebody else
    server = Dovecot(home).start()
    try:
        yield server
    finally:
        server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[object]:
    if not Path(CHROMIUM).exists():
        unavailable("Chromium is not installed (apt-get install chromium)")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def daemon(dovecot: Dovecot, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Daemon]:
    """With one account from its file, whose mail is there, put into cases, held back and dead."""
    folder = tmp_path_factory.mktemp("console")
    deliver_samples(dovecot)
    hook = f'[command.archive]\nargv = ["/bin/sh", "-c", "cat >/dev/null; test -e {folder}/mended"]\n'
    limits = '[limits]\nmax_message = "100KB"\n'
    async with Daemon(folder, limits + hook + SUPPORT.format(port=dovecot.imaps, ca=dovecot.ca_file)) as running:
        await eventually(lambda: running.events("daemon.ready"))
        await eventually(lambda: _settled(running))
        yield running


async def _settled(running: Daemon) -> bool:
    rows = await running.messages()
    return len(rows) >= EXPECTED and all(row["state"] in ("done", "quarantined", "dead", "ignored") for row in rows)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def signed_in(chromium, daemon: Daemon) -> dict[str, object]:
    """The cookies of somebody who may do everything."""
    context = await chromium.new_context()
    context.set_default_timeout(PATIENCE)
    page = await context.new_page()
    await page.goto(f"{address(daemon)}/login")
    await page.fill("#token", token(daemon))
    await page.click("button.first")
    await page.wait_for_url(f"{address(daemon)}/")
    state = await context.storage_state()
    await context.close()
    return state


def address(daemon: Daemon) -> str:
    return f"http://{daemon.events('daemon.ready')[-1]['admin'][0]}"


def token(daemon: Daemon) -> str:
    return (daemon.state / "admin-token").read_text().strip()


@pytest.fixture
def open_desk(chromium, daemon, signed_in, request):
    """`async with open_desk(width=…, …) as desk`: a context of its own, and nothing amiss in it at the end."""

    @asynccontextmanager
    async def opened(*, width: int = 1440, signed: bool = True, script: bool = True, amiss: bool = False, **options):
        state = signed_in if signed else None
        context = await chromium.new_context(
            base_url=address(daemon),
            viewport={"width": width, "height": 900},
            storage_state=state,
            java_script_enabled=script,
            **options,
        )
        context.set_default_timeout(PATIENCE)
        desk = Desk(daemon, context, await context.new_page())
        try:
            yield desk
            assert amiss or not desk.amiss, desk.amiss
        finally:
            await context.close()

    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def desk(open_desk):
    async with open_desk() as opened:
        yield opened


@pytest.fixture
def user() -> str:
    return f"console{next(_users)}"


@pytest.fixture(scope="session")
def axe() -> str:
    if not AXE.exists():
        unavailable("axe-core is not installed (sh setup/servers.sh, with npm)")
    return AXE.read_text()
