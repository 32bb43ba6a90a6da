"""Accounts and authentication profiles that were made in the console: their settings, and their secrets, sealed.

Reached as `ledger.kept`. The settings are JSON without any secret; each secret is sealed by the caller and lies in `secrets`
under `KIND/ID/FIELD`. A change is one transaction over all of it, so no crash leaves settings without their secrets, nor
secrets without settings. Each change names the version that it was made of: who edits what was changed meanwhile is refused.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from ..errors import Refused
from . import events, verbs
from .sql import load
from .writer import Transaction

_SQL = load("kept")


class KeptKind(StrEnum):
    """What is kept; also the first part of its secrets' names."""

    ACCOUNT = "account"
    PROFILE = "oauth"


@dataclass(frozen=True, slots=True)
class Kept:
    """An account or profile as it is kept. `secrets`: the fields that are kept sealed, each with the version it is of."""

    id: str
    version: int
    settings: Mapping[str, Any]
    secrets: Mapping[str, int]
    changed_at: float


class EditedMeanwhile(Refused):
    """Somebody else changed it since it was read. `version` is the present one; None: it is gone."""

    def __init__(self, what: str, version: int | None) -> None:
        self.version = version
        said = "was edited meanwhile: look at it again" if version is not None else "was deleted meanwhile"
        super().__init__(f"{what} {said}; nothing was changed")


class Run(Protocol):
    """How the ledger runs a function over a transaction, or over a reader's connection."""

    async def __call__(self, function: Any, /, *values: Any) -> Any: ...


class KeptSettings:
    """Made by the ledger."""

    def __init__(self, write: Run, read: Run) -> None:
        self._write, self._read = write, read

    async def all(self, kind: KeptKind) -> list[Kept]:
        """Every one, by id."""
        rows: list[Kept] = await self._read(_all, kind)
        return rows

    async def add(
        self, kind: KeptKind, id: str, settings: Mapping[str, Any], sealed: Mapping[str, bytes], *, with_history: bool = False
    ) -> Kept:
        """A new one; an account is paused. Raises Refused where there is one of that id, or, without `with_history`, where
        the ledger has mail of an account of that id.
        """
        kept: Kept = await self._write(_add, kind, id, settings, sealed, with_history)
        return kept

    async def change(
        self, kind: KeptKind, id: str, version: int, settings: Mapping[str, Any], sealed: Mapping[str, bytes | None]
    ) -> Kept:
        """Its new settings; the secrets that `sealed` names are replaced, or removed (None). Raises EditedMeanwhile."""
        kept: Kept = await self._write(_change, kind, id, version, settings, sealed)
        return kept

    async def remove(self, kind: KeptKind, id: str, version: int) -> None:
        """Settings and secrets; an account's mail stays. Raises EditedMeanwhile."""
        await self._write(_remove, kind, id, version)

    async def has_history(self, account: str) -> bool:
        """Has the ledger anything of an account of this id?"""
        return bool(await self._read(_has_history, account))


def secret_name(kind: KeptKind, id: str, field: str) -> str:
    """Under which name a secret is kept, and sealed: `account/support/receiver.password`."""
    return f"{kind}/{id}/{field}"


def _all(connection: sqlite3.Connection, kind: KeptKind) -> list[Kept]:
    return [_kept(row) for row in connection.execute(_SQL["all"], {"kind": kind.value})]


def _kept(row: tuple[str, int, str, str, float]) -> Kept:
    return Kept(row[0], row[1], json.loads(row[2]), json.loads(row[3]), row[4])


def _one(connection: sqlite3.Connection, kind: KeptKind, id: str) -> Kept | None:
    row = connection.execute(_SQL["one"], {"kind": kind.value, "id": id}).fetchone()
    return _kept(row) if row else None


def _add(
    tx: Transaction, kind: KeptKind, id: str, settings: Mapping[str, Any], sealed: Mapping[str, bytes], with_history: bool
) -> Kept:
    there = _one(tx.connection, kind, id)
    if there is not None:
        raise Refused(f"there is {_what(kind, there.id)} already")
    if kind is KeptKind.ACCOUNT:
        if not with_history and _has_history(tx.connection, id):
            raise Refused(
                f"there is mail of an earlier account {id!r} in the ledger: choose another id, or say that its history goes on"
            )
        tx.connection.execute(_SQL["pause_account"], (id,))
    return _write(tx, kind, Kept(id, 1, settings, {}, tx.now), sealed, "added")


def _change(
    tx: Transaction, kind: KeptKind, id: str, version: int, settings: Mapping[str, Any], sealed: Mapping[str, bytes | None]
) -> Kept:
    before = _at_version(tx, kind, id, version)
    return _write(tx, kind, Kept(before.id, version + 1, settings, before.secrets, tx.now), sealed, "changed")


def _write(tx: Transaction, kind: KeptKind, kept: Kept, sealed: Mapping[str, bytes | None], what: str) -> Kept:
    secrets = dict(kept.secrets)
    for field, octets in sealed.items():
        verbs.set_secret(tx, secret_name(kind, kept.id, field), octets)
        secrets.pop(field, None)
        if octets is not None:
            secrets[field] = kept.version
    row = {"kind": kind.value, "id": kept.id, "version": kept.version, "changed_at": tx.now}
    row |= {"settings": json.dumps(kept.settings), "secrets": json.dumps(secrets)}
    tx.connection.execute(_SQL["keep"], row)
    _tell(tx, kind, kept.id, what, {"version": kept.version, "secrets": sorted(sealed)})
    return Kept(kept.id, kept.version, kept.settings, secrets, tx.now)


def _remove(tx: Transaction, kind: KeptKind, id: str, version: int) -> None:
    before = _at_version(tx, kind, id, version)
    tx.connection.execute(_SQL["remove"], {"kind": kind.value, "id": before.id})
    tx.connection.execute(_SQL["remove_secrets"], {"name": f"{kind}/{before.id}"})
    if kind is KeptKind.ACCOUNT:
        tx.connection.execute(_SQL["forget_account"], (before.id,))
    _tell(tx, kind, before.id, "removed", {"version": version})


def _at_version(tx: Transaction, kind: KeptKind, id: str, version: int) -> Kept:
    before = _one(tx.connection, kind, id)
    if before is None or before.version != version:
        raise EditedMeanwhile(_what(kind, id), before.version if before else None)
    return before


def _tell(tx: Transaction, kind: KeptKind, id: str, what: str, detail: Mapping[str, Any]) -> None:
    """Of an account in its own history; of a profile in that of none."""
    account, word = (id, "account") if kind is KeptKind.ACCOUNT else ("", "profile")
    events.write(tx, [(None, account, f"{word}.{what}", {**detail, **({} if account else {"profile": id})})])


def _what(kind: KeptKind, id: str) -> str:
    return f"an account {id!r}" if kind is KeptKind.ACCOUNT else f"a profile {id!r}"


def _has_history(connection: sqlite3.Connection, account: str) -> bool:
    return bool(connection.execute(_SQL["has_history"], {"id": account}).fetchone()[0])
