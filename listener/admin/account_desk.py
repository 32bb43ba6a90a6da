"""What the verbs about accounts and profiles have in common, and how their arguments are read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import Fault, Refused
from ..ledger import Kept, KeptKind, Row
from .ordering import Desk, Ordering
from .routes import BadRequest, NotFound


@dataclass(frozen=True, slots=True)
class DeskVerbs(Ordering):
    """The verbs of one person at the desk."""

    @property
    def desk(self) -> Desk:
        """Raises Refused where accounts cannot be looked after."""
        if self.accounts_desk is None:
            raise Refused("accounts cannot be looked after here")
        return self.accounts_desk

    def kept(self, kind: KeptKind, id: str) -> Kept:
        """Raises NotFound, or BadRequest for what stands in a file."""
        kept = self.desk.book.kept(kind, id)
        if kept is None:
            place = self.desk.config().places.get(f"{kind}/{id}")
            if place is not None or (kind is KeptKind.ACCOUNT and self.desk.config().account(id)):
                raise BadRequest(f"{id!r} stands in {place or 'a configuration file'}, and is changed there", field="id")
            raise NotFound(f"no {'account' if kind is KeptKind.ACCOUNT else 'profile'} {id!r}")
        return kept

    def named(self, body: Mapping[str, Any], key: str) -> str | None:
        """The saved one that a draft is of."""
        id = body.get(key)
        if id is None:
            return None
        if not isinstance(id, str):
            raise BadRequest("give its id as text", field=key)
        if settings_or_none(body) is not None:
            self.kept(KeptKind.ACCOUNT if key == "account" else KeptKind.PROFILE, id)
        return id


def settings_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    settings = settings_or_none(body)
    if settings is None:
        raise BadRequest("give the settings as an object", field="settings")
    return settings


def settings_or_none(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if not isinstance(body, Mapping):
        raise BadRequest("send an object")
    settings = body.get("settings")
    if settings is not None and not isinstance(settings, Mapping):
        raise BadRequest("give the settings as an object", field="settings")
    return settings


def version_of(value: Any) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 16):
        raise BadRequest("give the version that was read, a number", field="version")
    return int(text)


def fields_of(settings: Mapping[str, Any]) -> list[str]:
    """Which settings were given, for the audit; never what."""
    return sorted(str(key)[:40] for key in settings)[:40]


def shown(faults: Iterable[Fault]) -> list[Row]:
    return [{"field": fault.setting, "reason": fault.reason} for fault in faults]


def described(desk: Desk, rows: list[Row], paused: set[str]) -> list[Row]:
    """Rows of `/healthz` with what people want to know beside: name, source, and whether it is paused."""
    config, found = desk.config(), []
    accounts = {account.id: account for account in config.accounts}
    for row in rows:
        account = accounts.get(row["id"])
        in_file = f"account/{row['id']}" in config.places or desk.book.kept(KeptKind.ACCOUNT, row["id"]) is None
        about = {"name": account.name if account else row["id"], "source": "file" if in_file else "ledger"}
        found.append(row | about | {"paused": row["id"] in paused})
    return found
