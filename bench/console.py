"""How fast lists and pages are with much in the ledger: `python bench/console.py [--accounts N] [--messages N] [--keep DIR]`.

Fills a ledger with 10,000 accounts and 1,000,000 messages (in bulk, as the ledger itself would have them: states, cases,
history, deliveries, replies, audit, every word indexed) and a configuration with as many accounts, serves it by the real admin
server with its desk on loopback, and asks each list, every combination of its filters, a search on each, second pages, and
each page of the console several times. Prints one JSON object a line; `slowest_ms` of a line above the limit (300 ms) makes
the exit code 1. `--keep DIR` leaves the ledger there, and takes the one that is there.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from console_ledger import fill

from listener.accounts import AccountBook, Consents, Trials
from listener.admin.api import Api
from listener.admin.controls import Ledgerwise
from listener.admin.health import Health
from listener.admin.metrics import Metrics
from listener.admin.ordering import Desk
from listener.admin.server import AdminServer
from listener.admin.verbs import Verbs
from listener.config import Admin, Config
from listener.config.load import load
from listener.credentials.oauth import Tokens
from listener.credentials.sealing import SealedSecrets
from listener.errors import Refused
from listener.ledger import LEDGER, Ledger
from listener.status import AccountState, AccountStatus

LIMIT_MS = 300.0
TIMES = 5
TOKEN = "a-token-for-the-benchmark"
PROFILES = 50


async def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--accounts", type=int, default=10_000)
    options.add_argument("--messages", type=int, default=1_000_000)
    options.add_argument("--keep", type=Path, default=None, metavar="DIR")
    chosen = options.parse_args()
    root = chosen.keep or Path(tempfile.mkdtemp())
    try:
        if not (root / "state" / LEDGER).exists():
            begun = time.perf_counter()
            await fill(root / "state", chosen.accounts, chosen.messages)
            say(what="fill", messages=chosen.messages, seconds=round(time.perf_counter() - begun, 1))
        await index(root / "state")
        return await measure(root / "state", configured(root, chosen.accounts))
    finally:
        if chosen.keep is None:
            shutil.rmtree(root)


def configured(root: Path, accounts: int) -> Config:
    """A configuration with all the accounts, and some profiles."""
    (root / "secret").write_text("x\n")
    (root / "secret").chmod(0o600)
    profile = '[oauth.p{:02}]\ngrant="client_credentials"\nissuer="custom"\ntoken_url="https://login.example.com/token"\n'
    profile += 'client_id="c"\nclient_secret_file="secret"\nclient_secret_expires="2030-01-31"\n'
    account = '[[accounts]]\nid="account{:05}"\nname="Desk {}"\n[accounts.receiver]\nhost="127.0.0.1"\nuser="u{}@example.com"\n'
    text = ['[listener]\nstate_dir="state"\n', *(profile.format(n) for n in range(PROFILES))]
    text += (account.format(n, n, n) + 'password_file="secret"\n' for n in range(accounts))
    (root / "listener.toml").write_text("".join(text))
    begun = time.perf_counter()
    config = load(root / "listener.toml", environment={})
    say(what="configuration", accounts=accounts, profiles=PROFILES, seconds=round(time.perf_counter() - begun, 1))
    return config


async def index(state: Path) -> None:
    """The words, as the daemon reads them."""
    ledger = await Ledger.open(state)
    begun = time.perf_counter()
    while await ledger.search.index(20_000):
        pass
    await ledger.close()
    size = sum(item.stat().st_size for item in state.iterdir() if item.is_file())
    say(what="index", seconds=round(time.perf_counter() - begun, 1), ledger_mb=round(size / 1e6))


# --- measuring --------------------------------------------------------------------------------------------------------------


async def measure(state: Path, config: Config) -> int:
    async with served(state, config) as base:
        jar = aiohttp.CookieJar(unsafe=True)
        headers = {"Sec-Fetch-Site": "same-origin", "Accept": "text/html, application/json"}
        async with aiohttp.ClientSession(cookie_jar=jar, headers=headers) as session:
            async with session.post(f"{base}/login", data={"token": TOKEN}, allow_redirects=False) as answer:
                assert answer.status == 303
            paths = [*PATHS, *(f"{path}{combined}" for path, filters in FILTERS for combined in combinations(filters))]
            slow = [path for path in paths if not await timed(session, base, path)]
            slow += [path for path in LISTS if not await second(session, base, path)]
            slow += [] if await walked(session, base) else ["every page of a filter that finds little"]
        say(what="result", limit_ms=LIMIT_MS, slow=slow)
    return 1 if slow else 0


SPAN = {"since": "2024-01-01", "until": "2024-06-01"}
SOUGHT = (("account", ("account00000", "account00042")), ("state", ("done", "dead")), ("kind", ("message", "receipt")))
FILTERS = (
    ("/api/v1/messages", (*SOUGHT, ("span", (SPAN,)), ("text", ("invoice", "person4711 invoice", "nothingofthekind")))),
    ("/messages", (("account", ("account00042",)), ("state", ("dead",)), ("kind", ("receipt",)), ("text", ("invoice",)))),
    ("/api/v1/cases", (SOUGHT[0], ("status", ("open", "closed")), ("text", ("invoice", "person4711", "nothingofthekind")))),
    ("/cases", (("account", ("account00042",)), ("state", ("open",)), ("text", ("invoice",)))),
    ("/quarantine", (("account", ("account00042",)), ("text", ("invoice",)))),
    ("/dead-letters", (("account", ("account00042",)), ("text", ("invoice",)))),
    ("/api/v1/replies", (SOUGHT[0], ("state", ("suppressed", "sent")))),
    ("/replies", (("account", ("account00042",)), ("state", ("suppressed", "sent")))),
    ("/api/v1/audit", (("who", ("admin", "nobody")), ("action", ("retry", "nothing")))),
    ("/audit", (("text", ("admin", "nobody")),)),
    ("/accounts", (("state", ("trouble", "idle")), ("text", ("desk 99", "nothing")))),
    ("/api/v1/accounts", (("state", ("backoff",)), ("text", ("99", "nothing")), ("limit", ("50",)))),
)
LISTS = (
    *("/api/v1/accounts?limit=50", "/api/v1/messages", "/api/v1/cases", "/api/v1/replies", "/api/v1/audit", "/api/v1/muted"),
    *("/api/v1/quarantine", "/api/v1/dead", "/api/v1/messages?text=invoice", "/api/v1/cases?text=invoice"),
    *("/api/v1/messages?kind=receipt&state=dead", "/api/v1/messages?since=2024-01-01&until=2024-06-01"),
)
"""Whose second page is asked for too."""


def combinations(filters: Iterable[tuple[str, tuple[object, ...]]]) -> Iterator[str]:
    """Every choice of values, or none, of every filter, as the end of an address; without what filters nothing."""
    names = [name for name, _ in filters]
    for chosen in itertools.product(*((None, *values) for _, values in filters)):
        given: dict[str, object] = {}
        for name, value in zip(names, chosen, strict=True):
            given |= value if isinstance(value, dict) else {} if value is None else {name: value}
        if given:
            yield f"?{urlencode(given)}"


PATHS = (
    "/healthz",
    "/metrics",
    "/api/v1/accounts",
    "/api/v1/accounts?limit=50",
    "/api/v1/accounts?state=backoff&text=99",
    "/api/v1/counts",
    "/api/v1/messages",
    "/api/v1/messages?limit=1000",
    "/api/v1/messages?before=500000",
    "/api/v1/messages?account=account00000",
    "/api/v1/messages?account=account00042",
    "/api/v1/messages?state=quarantined",
    "/api/v1/messages?state=dead&account=account00042",
    "/api/v1/messages?kind=receipt",
    "/api/v1/messages?kind=bounce&state=dead",
    "/api/v1/messages?since=2024-01-01&until=2024-01-02",
    "/api/v1/messages?since=2024-01-01&until=2024-06-01&account=account00042",
    "/api/v1/messages?since=2024-01-01&until=2024-06-01&account=account00000&state=dead",
    "/api/v1/messages?text=invoice",
    "/api/v1/messages?text=inv",
    "/api/v1/messages?text=p",
    "/api/v1/messages?text=invoice+printer+renewal",
    "/api/v1/messages?text=person4711",
    "/api/v1/messages?text=invoice&account=account00042",
    "/api/v1/messages?text=example&state=dead&kind=receipt",
    "/api/v1/messages?text=nothingofthekind",
    "/api/v1/quarantine",
    "/api/v1/dead",
    "/api/v1/cases",
    "/api/v1/cases?account=account00042",
    "/api/v1/cases?status=open",
    "/api/v1/cases?text=invoice+printer",
    "/api/v1/cases?text=invoice&account=account00042&status=open",
    "/api/v1/cases/CASE000500000",
    "/api/v1/messages/500000",
    "/api/v1/messages/500000/message",
    "/api/v1/messages/500000/raw",
    "/api/v1/audit",
    "/api/v1/tokens",
    "/api/v1/openapi.json",
    "/",
    "/accounts",
    "/messages",
    "/messages?state=dead&account=account00042",
    "/messages?text=invoice",
    "/messages/500000",
    "/quarantine",
    "/dead-letters",
    "/cases",
    "/cases/CASE000500000",
    "/replies",
    "/profiles",
    "/profiles/p07",
    "/profiles/new",
    "/accounts/new",
    "/accounts/account00042",
    "/accounts/account00000",
    "/api/v1/profiles",
    "/api/v1/profiles/p07",
    "/api/v1/providers",
    "/api/v1/accounts/account00042",
    "/api/v1/accounts/account00042/events",
    "/audit",
    "/tokens",
)


@asynccontextmanager
async def served(state: Path, config: Config) -> AsyncIterator[str]:
    """The real server over it, with its desk; every tenth account is in trouble."""
    ledger = await Ledger.open(state)
    states = (AccountState.BACKOFF, *(AccountState.IDLE,) * 9)
    statuses = [AccountStatus(account.id, "imap", states[n % 10]) for n, account in enumerate(config.accounts)]
    controls = Standing(ledger, statuses)
    health = Health(ledger, lambda: iter(statuses))
    verbs = Verbs(ledger, controls, accounts_desk=await desk_of(ledger, config))
    server = AdminServer(Api(health, Metrics(), verbs, TOKEN.encode()))
    await server.start(Admin(bind="127.0.0.1:0"), state)
    try:
        yield f"http://{server.addresses[0]}"
    finally:
        await server.stop()
        await ledger.close()


async def desk_of(ledger: Ledger, config: Config) -> Desk:
    """Where accounts and profiles are looked after; nothing is changed here."""
    sealed = SealedSecrets(ledger, lambda: [bytes(32)])
    tokens = Tokens(config.oauth, sealed)
    book = AccountBook(ledger, sealed, Unchanged(config))
    await book.load()

    async def woken(profile: str) -> list[str]:
        return []

    async def restarted(account: str) -> None:
        return None

    trials = Trials(book, lambda: config, ledger, tokens.token_of, tokens.skew)
    return Desk(book, trials, Consents(lambda: config, tokens, woken, time.time), lambda: config, restarted, tokens)


class Unchanged:
    """A configuration that stays as it is."""

    def __init__(self, files: Config) -> None:
        self.files = files

    def changing(self):
        return nullcontext()

    async def adopt(self, merged, commit) -> None:
        raise Refused("a benchmark changes nothing")


class Standing(Ledgerwise):
    """Accounts that stand still in their states."""

    def __init__(self, ledger: Ledger, statuses: list[AccountStatus]) -> None:
        super().__init__(ledger, {status.id: status.protocol for status in statuses})
        self._standing = statuses

    def statuses(self) -> Iterator[AccountStatus]:
        return iter(self._standing)


async def timed(session: aiohttp.ClientSession, base: str, path: str) -> bool:
    """Ask it some times; is each answer quick?"""
    took, octets, status = [], 0, 0
    for _ in range(TIMES):
        begun = time.perf_counter()
        async with session.get(base + path, allow_redirects=False) as answer:
            octets, status = len(await answer.read()), answer.status
        took.append((time.perf_counter() - begun) * 1_000)
    figures = {"median_ms": round(statistics.median(took), 1), "slowest_ms": round(max(took), 1)}
    say(what=path, status=status, octets=octets, **figures)
    return status == 200 and max(took) <= LIMIT_MS


async def second(session: aiohttp.ClientSession, base: str, path: str) -> bool:
    """Is the page behind the first one quick, too?"""
    async with session.get(base + path) as answer:
        await answer.read()
        following = str(answer.links["next"]["url"].relative()) if "next" in answer.links else ""
    return not following or await timed(session, base, following)


async def walked(session: aiohttp.ClientSession, base: str) -> bool:
    """A filter that keeps almost nothing, page after page to the end: each page is quick, and none of it is missed."""
    path: str | None = "/api/v1/messages?text=example&state=dead&kind=receipt&account=account00000&limit=1000"
    took, found = [], 0
    while path is not None:
        begun = time.perf_counter()
        async with session.get(base + path) as answer:
            found += len(await answer.json())
            path = str(answer.links["next"]["url"].relative()) if "next" in answer.links else None
        took.append((time.perf_counter() - begun) * 1_000)
    say(what="a whole walk", pages=len(took), found=found, slowest_ms=round(max(took), 1), seconds=round(sum(took) / 1_000, 1))
    return max(took) <= LIMIT_MS


def say(**figures: object) -> None:
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
