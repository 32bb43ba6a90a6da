"""Email accounts: the list with live state, one account with what can be ordered, and what it has been through.

Making and changing one is `account_form.py`. Accounts of a file are shown and not edited; everything else about them works.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiohttp import web

from ...config import Config
from ...status import AccountStatus
from ..account_desk import described
from ..health import TROUBLED
from ..places import local_path
from ..routes import NotFound
from . import account_fields
from .desk import Desk
from .history import of_account
from .listing import PAGE, Filters
from .messages import download

EVENTS = 20
"""Events of an account that its page shows."""
ORDERS: Mapping[str, str] = {"pause": "paused", "resume": "switched on", "restart": "started again"}


class AccountPages:
    """Handlers."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Where they are served."""
        orders = [web.post(f"/accounts/{{account}}/{order}", self._order) for order in ORDERS]
        return [
            web.get("/accounts", self._list),
            web.get("/accounts/{account}", self._show),
            web.get("/accounts/{account}/toml", self._export),
            web.post("/accounts/{account}/delete", self._delete),
            *orders,
        ]

    async def _list(self, request: web.Request) -> web.StreamResponse:
        """From what is in memory; the ledger is asked about the page's accounts only."""
        filters, verbs = Filters.of(request), self._desk.verbs
        looked_after = verbs.accounts_desk
        config: Config | None = looked_after.config() if looked_after else None
        names = {account.id: account.name for account in config.accounts} if config and filters.text else {}
        found = sorted(status.id for status in verbs.controls.statuses() if _fits(status, filters, names))
        page = [id for id in found if id > filters.cursor][: PAGE + 1]
        rows = await verbs.controls.accounts(page[:PAGE])
        if looked_after:
            rows = described(looked_after, rows, await verbs.ledger.paused())
        following = filters.after(page[PAGE - 1]).address("/accounts") if len(page) > PAGE else ""
        first = filters.begin().address("/accounts") if filters.cursor else ""
        return await self._desk.page(
            request, "accounts.html", rows=rows, filters=filters, total=len(found), following=following, first=first
        )

    async def _show(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["account"]
        row = await self._row(name)
        account = await self._desk.accounts(request).account(name)
        events = await self._desk.verbs.ledger.account_events(name, limit=EVENTS)
        counts = await self._desk.counts_of(name)
        return await self._desk.page(
            request,
            "account.html",
            row=row,
            account=account,
            events=list(zip(events, of_account(events), strict=True)),
            counts=counts,
            labels=account_fields.labels(),
            steps=None,
            preview=None,
            trouble="",
        )

    async def _row(self, name: str) -> Mapping[str, Any]:
        """The account's live state."""
        found = await self._desk.verbs.controls.accounts([name])
        if not found:
            raise NotFound(f"there is no account {name[:64]!r} that runs")
        return found[0]

    async def _export(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["account"]
        answer = await self._desk.accounts(request).export_account(name)
        return web.Response(text=answer["toml"], headers=download(f"{name}.toml"))

    async def _order(self, request: web.Request) -> web.StreamResponse:
        name, order = request.match_info["account"], request.path.rpartition("/")[2]
        back = local_path(str((await request.post()).get("back") or f"/accounts/{name}"))
        done = getattr(self._desk.by(request), order)(name)
        return await self._desk.ordered(done, f"The account {name} is {ORDERS[order]}.", back=back)

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["account"]
        version = str((await request.post()).get("version", ""))
        done = self._desk.accounts(request).delete_account(name, version)
        text = f"The account {name} is removed. Its messages and cases stay."
        return await self._desk.ordered(done, text, back=f"/accounts/{name}", to="/accounts")


def _fits(status: AccountStatus, filters: Filters, names: Mapping[str, str]) -> bool:
    if filters.state == "trouble":
        if status.state not in TROUBLED and not status.missing_folders:
            return False
    elif filters.state and status.state != filters.state:
        return False
    words = filters.text.casefold()
    return not words or words in f"{status.id} {status.protocol} {names.get(status.id, '')}".casefold()
