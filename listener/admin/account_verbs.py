"""The verbs about email accounts and authentication profiles: plain JSON in, plain JSON out, ordered by a person.

Part of `Verbs`. docs/accounts.md describes what goes in and out. Raises ConfigurationError (every fault, in the
API's names), NotFound, Refused (EditedMeanwhile is one), BadRequest, AccountFailure, LedgerError.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ..accounts.showing import given, in_force
from ..accounts.toml import exported, imported
from ..config import Account
from ..config.files import account_warnings
from ..config.kept_fields import api_name, api_words
from ..config.presets import providers
from ..ledger import KeptKind, Row
from .account_desk import fields_of, settings_of, settings_or_none, shown, version_of
from .health import timestamp
from .paging import limit_of
from .profile_verbs import ProfileVerbs
from .routes import BadRequest, NotFound

DEFAULT_PREVIEW = 20


@dataclass(frozen=True, slots=True)
class AccountVerbs(ProfileVerbs):
    """The verbs about accounts; those about profiles are beside them in `profile_verbs.py`."""

    async def account(self, account: str) -> Row:
        """One account: as it was given, as it is in force, and whether it can run."""
        kept, running = self.desk.book.kept(KeptKind.ACCOUNT, account), self.desk.config().account(account)
        place = self.desk.config().places.get(f"account/{account}")
        parked = self.desk.book.why_parked(KeptKind.ACCOUNT, account) or None
        if running is None and kept is None:
            raise NotFound(f"no account {account!r}")
        about: Row = {"id": account, "name": account, "settings": {}, "effective": {}, "warnings": []}
        if running is not None:
            effective = await asyncio.to_thread(in_force, running)
            about |= {"name": running.name, "settings": effective, "effective": effective}
            about["warnings"] = _warnings(running, self.desk.now())
        from_file = kept is None or place is not None
        if kept is not None and not from_file:
            about |= {"settings": given(kept), "name": about["name"] if running else kept.settings.get("name", account)}
        return about | {
            "source": "file" if from_file else "ledger",
            "file": place,
            "editable": not from_file,
            "version": None if kept is None else kept.version,
            "changed_at": None if kept is None else timestamp(kept.changed_at),
            "paused": account in await self.ledger.paused(),
            "parked": parked,
            "profiles": profiles_of(running),
        }

    async def create_account(self, body: Mapping[str, Any]) -> Row:
        """A new account, paused until it is resumed."""
        settings = settings_of(body)
        with_history = bool(body.get("continue_history", False))
        async with self.order("account.create", str(settings.get("id", ""))[:100], fields=fields_of(settings)):
            kept = await self.desk.book.add(KeptKind.ACCOUNT, settings, with_history=with_history)
        return await self.account(kept.id)

    async def update_account(self, account: str, body: Mapping[str, Any]) -> Row:
        """All its settings anew; secrets that are not given stay."""
        self.kept(KeptKind.ACCOUNT, account)
        settings = settings_of(body)
        async with self.order("account.update", account, fields=fields_of(settings)):
            await self.desk.book.change(KeptKind.ACCOUNT, account, version_of(body.get("version")), settings)
        return await self.account(account)

    async def delete_account(self, account: str, version: str | int) -> Row:
        """Settings and secrets; mail and cases stay."""
        self.kept(KeptKind.ACCOUNT, account)
        async with self.order("account.delete", account):
            await self.desk.book.remove(KeptKind.ACCOUNT, account, version_of(version))
        return {"id": account, "deleted": True}

    async def check_account(self, body: Mapping[str, Any]) -> Row:
        """What these settings would be, and every fault; nothing is saved or connected to."""
        found, faults = await self.desk.book.account_of(settings_of(body), self.named(body, "account"))
        effective = await asyncio.to_thread(in_force, found) if found is not None else {}
        warnings = _warnings(found, self.desk.now()) if found is not None else []
        return {"ok": not faults, "faults": shown(faults), "warnings": warnings, "effective": effective}

    async def restart(self, account: str) -> Row:
        """Close its session and open another, whatever it waits for."""
        if self.desk.config().account(account) is None:
            raise NotFound(f"no account {account!r} that runs")
        async with self.order("account.restart", account):
            await self.desk.restart(account)
        return {"id": account, "restarted": True}

    async def export_account(self, account: str) -> Row:
        """As a configuration file, without secrets."""
        return {"id": account, "toml": exported(self.kept(KeptKind.ACCOUNT, account))}

    async def import_account(self, body: Mapping[str, Any]) -> Row:
        """The settings of such a file, for a form; nothing is saved."""
        text = body.get("toml") if isinstance(body, Mapping) else None
        if not isinstance(text, str):
            raise BadRequest("give the file's text as toml", field="toml")
        settings = imported(text)
        _, faults = await self.desk.book.account_of(settings, None)
        return {"settings": settings, "faults": shown(faults)}

    async def test_account(self, body: Mapping[str, Any]) -> AsyncGenerator[Row]:
        """Each step of the connection as it completes; the last row has `done`."""
        settings, account = settings_or_none(body), self.named(body, "account")
        async with self.order("account.test", account or "", draft=settings is not None):
            pass
        async with aclosing(self.desk.trials.steps(settings, account)) as steps:
            async for row in steps:
                yield row

    async def preview_draft(self, body: Mapping[str, Any]) -> list[Row]:
        """What would happen to its mail."""
        settings, account = settings_or_none(body), self.named(body, "account")
        since = body.get("since")
        if since is not None and (isinstance(since, bool) or not isinstance(since, int | float) or not 0 <= since < 2**63):
            raise BadRequest("not a time in POSIX seconds", field="since")
        limit = limit_of(body.get("limit", DEFAULT_PREVIEW))
        async with self.order("account.preview", account or "", draft=settings is not None):
            return await self.desk.trials.preview(settings, account, None if since is None else float(since), limit)

    async def providers(self) -> list[Row]:
        """The presets, for the form."""
        return [
            {"id": id, **preset.model_dump(mode="json", exclude={"notices"}), "graph": preset.graph}
            for id, preset in providers().items()
        ]


def _warnings(account: Account, now: float) -> list[Row]:
    today: date = datetime.fromtimestamp(now, UTC).date()
    return [
        {"field": api_name(Account, at), "reason": api_words(Account, said)} for at, said in account_warnings(account, today)
    ]


def profiles_of(account: Account | None) -> list[str]:
    sides = (account.receiver, account.sender) if account else ()
    return sorted({side.oauth for side in sides if side and side.oauth})
