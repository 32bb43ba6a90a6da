"""Who may use the API, and who ordered what: API tokens by their digests, and the append-only audit.

Reached as `ledger.access`. A token itself is never here: whoever makes one gives its digest. A revoked token stays as a row, so
that its id is never given again; it is in no list. Raises what every method of the ledger may raise.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from ..errors import Refused
from . import queries
from .events import clean, encode
from .records import Row
from .sql import load
from .writer import Transaction

_SQL = load("access")
MAX_TOKENS = 1_000
"""Valid tokens at a time: all of them are one list."""


class Scope(StrEnum):
    """What the holder of a token may do."""

    READ = "read"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """A token as it is kept. `digest` is SHA-256 of the whole token; `id` is the part of it that is no secret."""

    id: str
    name: str
    scope: Scope
    digest: bytes


@dataclass(frozen=True, slots=True)
class Order:
    """A line of the audit: who did what to what. `refused` is the second line of an order that could not be carried out."""

    who: str
    action: str
    target: str
    detail: Mapping[str, Any]
    refused: bool = False


class Run(Protocol):
    """How the ledger runs a function over a transaction, or over a reader's connection."""

    async def __call__(self, function: Any, /, *values: Any) -> Any: ...


class Access:
    """Made by the ledger."""

    def __init__(self, write: Run, read: Run) -> None:
        self._write, self._read = write, read

    async def add_token(self, token: TokenRecord) -> None:
        """Raises Refused when the name is taken, or there are too many."""
        await self._write(_add_token, token)

    async def token(self, id: str) -> TokenRecord | None:
        """The valid token of that id."""
        found: TokenRecord | None = await self._read(_token, id)
        return found

    async def tokens(self) -> list[Row]:
        """Every valid one by name: "id", "name", "scope", "created_at"."""
        rows: list[Row] = await self._read(_tokens)
        return rows

    async def revoke_token(self, name: str) -> str:
        """Valid no longer; its id. Raises Refused when there is none of that name."""
        id: str = await self._write(_revoke_token, name)
        return id

    async def record(self, order: Order) -> None:
        """Append it to the audit."""
        await self._write(_record, order)

    async def audit(
        self, *, who: str | None = None, action: str | None = None, limit: int = 50, before: int | None = None
    ) -> list[Row]:
        """Newest first; `before` is the id of the last one of the page before."""
        rows: list[Row] = await self._read(_audit, who, action, limit, before)
        return rows


def _add_token(tx: Transaction, token: TokenRecord) -> None:
    if tx.connection.execute(_SQL["valid_token_of_name"], (token.name,)).fetchone():
        raise Refused(f"there is a token {token.name!r} already")
    if tx.connection.execute(_SQL["count_valid_tokens"]).fetchone()[0] >= MAX_TOKENS:
        raise Refused(f"there are {MAX_TOKENS} tokens already: revoke some")
    tx.connection.execute(_SQL["insert_token"], (token.id, token.name, token.scope.value, token.digest, tx.now))


def _token(connection: sqlite3.Connection, id: str) -> TokenRecord | None:
    row = connection.execute(_SQL["token"], (id,)).fetchone()
    return TokenRecord(row[0], row[1], Scope(row[2]), row[3]) if row else None


def _tokens(connection: sqlite3.Connection) -> list[Row]:
    rows = connection.execute(_SQL["valid_tokens"])
    return [{"id": id, "name": name, "scope": scope, "created_at": queries.rfc3339(at)} for id, name, scope, at in rows]


def _revoke_token(tx: Transaction, name: str) -> str:
    found = tx.connection.execute(_SQL["valid_token_of_name"], (name,)).fetchone()
    if found is None:
        raise Refused(f"there is no token {name!r}")
    tx.connection.execute(_SQL["revoke_token"], (tx.now, found[0]))
    return str(found[0])


def _record(tx: Transaction, order: Order) -> None:
    outcome = "refused" if order.refused else "ordered"
    values = (tx.now, clean(order.who), order.action, clean(order.target), outcome, encode(order.detail))
    tx.connection.execute(_SQL["insert_audit"], values)


def _audit(connection: sqlite3.Connection, who: str | None, action: str | None, limit: int, before: int | None) -> list[Row]:
    name = {(False, False): "audit", (True, False): "audit_of_who", (False, True): "audit_of_action"}
    chosen = name.get((who is not None, action is not None), "audit_of_both")
    newest = queries.NEWEST if before is None else before
    values = {"who": who, "action": action, "before": newest, "most": min(limit, queries.LONGEST_LIST)}
    rows = connection.execute(_SQL[chosen], values)
    return [
        {"id": id, "at": queries.rfc3339(at), "who": who, "action": action, "target": target, "outcome": outcome}
        | {"detail": json.loads(detail)}
        for id, at, who, action, target, outcome, detail in rows
    ]
