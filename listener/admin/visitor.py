"""Who asks: set on every request that was let in, read by handlers and pages as `request[VISITOR]`."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from ..ledger import Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds a token. `name` is the token's, as the audit shows it; `token` its id, empty for the configured one."""

    name: str
    scope: Scope
    token: str = ""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who asks. `csrf` is what forms must carry (field `csrf`, or header `X-CSRF-Token`); empty where no cookie is used."""

    principal: Principal
    csrf: str = ""

    @property
    def name(self) -> str:
        """The token's name."""
        return self.principal.name

    @property
    def full(self) -> bool:
        """May it change anything?"""
        return self.principal.scope is Scope.FULL


VISITOR = web.RequestKey("visitor", Visitor)

ADMIN = Principal("admin", Scope.FULL)
"""The holder of the configured token."""
CONTROL_SOCKET = Visitor(Principal("control socket", Scope.FULL))
"""Whoever may open that file may do everything."""
