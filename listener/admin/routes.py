"""At which method and path each verb is served: one table for the API, the control socket's client and the OpenAPI page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import ListenerError

API = "/api/v1"


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one argument."""

    field: str
    detail: str


class BadRequest(ListenerError):
    """Arguments make no sense; `errors` names them."""

    def __init__(self, text: str, *errors: FieldError, field: str = "") -> None:
        self.errors = errors or ((FieldError(field, text),) if field else ())
        super().__init__(text)


class NotFound(ListenerError):
    """No such account, case or message."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a verb is served, below `/api/v1`. `private`: on the control socket only."""

    verb: str
    method: str
    path: str
    query: tuple[str, ...] = ()
    private: bool = False


PAGED = ("account", "limit", "before")

ROUTES = (
    Route("accounts", "GET", "/accounts"),
    Route("pause", "POST", "/accounts/{account}/pause"),
    Route("resume", "POST", "/accounts/{account}/resume"),
    Route("messages", "GET", "/messages", ("state", *PAGED)),
    Route("quarantine", "GET", "/quarantine", PAGED),
    Route("release_some", "POST", "/quarantine/release", ("reason", "account", "sender", "after")),
    Route("explain", "GET", "/messages/{entry}"),
    Route("export", "GET", "/messages/{entry}/raw"),
    Route("retry", "POST", "/messages/{entry}/retry"),
    Route("release", "POST", "/messages/{entry}/release"),
    Route("cases", "GET", "/cases", PAGED),
    Route("case", "GET", "/cases/{case}"),
    Route("backup", "POST", "/backup", ("file",), private=True),
    Route("preview", "GET", "/accounts/{account}/preview", ("since", "limit"), private=True),
    Route("token", "POST", "/oauth/{profile}/token", ("user", "protocol"), private=True),
)


def arguments(route: Route, path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, str]:
    """The verb's arguments from a request's path and query. Raises BadRequest for a query that the verb does not take."""
    unknown = sorted(set(query) - set(route.query))
    if unknown:
        raise BadRequest(f"unknown parameter: {unknown[0][:40]!r}", field=unknown[0][:40])
    return {**path, **{name: query[name] for name in route.query if name in query}}
