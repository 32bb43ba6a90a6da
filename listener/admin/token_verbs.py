"""Verbs about API tokens and the audit."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..ledger import Row, Scope
from .ordering import Ordering
from .paging import DEFAULT_LIMIT, Listed, before_of, limit_of, listed
from .routes import BadRequest, NotFound
from .tokens import make_token

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,59}")
RESERVED = frozenset({"admin"})
"""The configured token's name in the audit."""


@dataclass(frozen=True, slots=True)
class TokenVerbs(Ordering):
    """Who may use the API, and who did."""

    async def tokens(self) -> list[Row]:
        """Every valid token by name; never the token itself."""
        return await self.ledger.access.tokens()

    async def create_token(self, name: str, scope: str = Scope.FULL) -> Row:
        """A new token. Its text is in this answer and nowhere else."""
        if not _NAME.fullmatch(name) or name in RESERVED:
            said = "write a name of at most 60 letters, digits and . _ @ -, other than admin"
            raise BadRequest(f"no name for a token: {said}", field="name")
        if scope not in set(Scope):
            raise BadRequest(f"no such scope: {scope[:40]!r}; there are {', '.join(Scope)}", field="scope")
        made = make_token(name, Scope(scope))
        async with self.order("create_token", name, scope=scope):
            await self.ledger.access.add_token(made.record)
        return {"id": made.record.id, "name": name, "scope": scope, "token": made.text}

    async def revoke_token(self, name: str) -> Row:
        """Valid no longer, nor is any session that began with it."""
        if name not in {row["name"] for row in await self.tokens()}:
            raise NotFound(f"no token {name[:60]!r}")
        async with self.order("revoke_token", name):
            id = await self.ledger.access.revoke_token(name)
        if self.sessions is not None:
            self.sessions.end_of_token(id)
        return {"id": id, "name": name, "revoked": True}

    async def audit(
        self,
        who: str | None = None,
        action: str | None = None,
        limit: str | int = DEFAULT_LIMIT,
        before: str | int | None = None,
        cursor: str | None = None,
    ) -> Listed:
        """Who ordered what, newest first."""
        last, most = before_of(cursor, before), limit_of(limit)
        return listed(await self.ledger.access.audit(who=who, action=action, limit=most, before=last), most)
