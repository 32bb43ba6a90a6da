"""At which method and path each verb is served: one table for the API, the control socket's client and the OpenAPI page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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


class Listed(list[dict[str, Any]]):
    """One page of rows; `next` is the cursor of the following one, None at the end."""

    def __init__(self, rows: Iterable[dict[str, Any]] = (), next: str | None = None) -> None:
        super().__init__(rows)
        self.next = next


@dataclass(frozen=True, slots=True)
class Route:
    """Where a verb is served, below `/api/v1`.

    `private`: on the control socket only. `body`: the schema of the JSON body, given to the verb as `body`. `answer`: the
    schema of the answer, with [] for a list of them; lists are served as CSV too. `media`: what is served where it is no
    JSON. Schemas are those in openapi.json.
    """

    verb: str
    method: str
    path: str
    query: tuple[str, ...] = ()
    private: bool = False
    body: str = ""
    answer: str = "Object"
    media: str = "application/json"

    @property
    def is_list(self) -> bool:
        """Is the answer a page of rows?"""
        return self.answer.endswith("[]")


FORMAT = "format"
"""`format=csv` on a list: all of it as a file."""
PAGE = ("limit", "before", "cursor")
SOUGHT = ("account", "kind", "since", "until", "text")

ROUTES = (
    Route("accounts", "GET", "/accounts", ("state", "text", "limit", "cursor"), answer="Account[]"),
    Route("pause", "POST", "/accounts/{account}/pause", answer="Paused"),
    Route("resume", "POST", "/accounts/{account}/resume", answer="Paused"),
    Route("trace", "POST", "/accounts/{account}/trace", ("seconds",), answer="Traced"),
    Route("account_events", "GET", "/accounts/{account}/events", PAGE, answer="Event[]"),
    Route("account", "GET", "/accounts/{account}", answer="AccountDetail"),
    Route("create_account", "POST", "/accounts", body="NewSettings", answer="AccountDetail"),
    Route("update_account", "PUT", "/accounts/{account}", body="ChangedSettings", answer="AccountDetail"),
    Route("delete_account", "DELETE", "/accounts/{account}", ("version",), answer="Deleted"),
    Route("restart", "POST", "/accounts/{account}/restart", answer="Restarted"),
    Route("export_account", "GET", "/accounts/{account}/toml", answer="Exported"),
    Route("check_account", "POST", "/accounts/check", body="Draft", answer="Checked"),
    Route("import_account", "POST", "/accounts/import", body="Toml", answer="Imported"),
    Route("test_account", "POST", "/accounts/test", body="Draft", media="application/x-ndjson", answer="Step"),
    Route("preview_draft", "POST", "/accounts/preview", body="Draft", answer="Foreseen[]"),
    Route("providers", "GET", "/providers", answer="Provider[]"),
    Route("profiles", "GET", "/profiles", answer="Profile[]"),
    Route("profile", "GET", "/profiles/{profile}", answer="Profile"),
    Route("create_profile", "POST", "/profiles", body="NewSettings", answer="Profile"),
    Route("update_profile", "PUT", "/profiles/{profile}", body="ChangedSettings", answer="Profile"),
    Route("delete_profile", "DELETE", "/profiles/{profile}", ("version",), answer="Deleted"),
    Route("check_profile", "POST", "/profiles/check", body="Draft", answer="Checked"),
    Route("test_profile", "POST", "/profiles/test", body="Draft", answer="TestedProfile"),
    Route("begin_consent", "POST", "/profiles/{profile}/consent", ("session", "login_hint", "base"), answer="Consent"),
    Route("messages", "GET", "/messages", ("state", *SOUGHT, *PAGE), answer="Message[]"),
    Route("quarantine", "GET", "/quarantine", (*SOUGHT, *PAGE), answer="Message[]"),
    Route("dead", "GET", "/dead", (*SOUGHT, *PAGE), answer="Message[]"),
    Route("release_some", "POST", "/quarantine/release", ("reason", "account", "sender", "after"), answer="ReleasedSome"),
    Route("retry_many", "POST", "/messages/retry", body="Entries", answer="Done[]"),
    Route("release_many", "POST", "/messages/release", body="Entries", answer="Done[]"),
    Route("explain", "GET", "/messages/{entry}", answer="History"),
    Route("message", "GET", "/messages/{entry}/message", answer="Parsed"),
    Route("attachment", "GET", "/messages/{entry}/attachments/{number}", media="application/octet-stream"),
    Route("export", "GET", "/messages/{entry}/raw", media="message/rfc822"),
    Route("retry", "POST", "/messages/{entry}/retry", answer="Changed"),
    Route("release", "POST", "/messages/{entry}/release", answer="Changed"),
    Route("cases", "GET", "/cases", ("account", "status", "text", *PAGE), answer="Case[]"),
    Route("case", "GET", "/cases/{case}", answer="CaseWithMessages"),
    Route("replies", "GET", "/replies", ("state", "account", *PAGE), answer="Reply[]"),
    Route("muted", "GET", "/muted", ("limit", "after", "cursor"), answer="Muted[]"),
    Route("unmute", "POST", "/muted/{address}/unmute", answer="Unmuted"),
    Route("close_case", "POST", "/cases/{case}/close", answer="CaseChanged"),
    Route("reopen_case", "POST", "/cases/{case}/reopen", answer="CaseChanged"),
    Route("counts", "GET", "/counts", ("account",), answer="Counts"),
    Route("tokens", "GET", "/tokens", answer="Token[]"),
    Route("create_token", "POST", "/tokens/{name}", ("scope",), answer="NewToken"),
    Route("revoke_token", "DELETE", "/tokens/{name}", answer="Revoked"),
    Route("audit", "GET", "/audit", ("who", "action", *PAGE), answer="Order[]"),
    Route("backup", "POST", "/backup", ("file",), private=True),
    Route("rotate_key", "POST", "/rotate-key", private=True),
    Route("preview", "GET", "/accounts/{account}/preview", ("since", "limit"), private=True),
    Route("token", "POST", "/oauth/{profile}/token", ("user", "protocol"), private=True),
)


def arguments(route: Route, path: Mapping[str, str], query: Mapping[str, str]) -> dict[str, str]:
    """The verb's arguments from a request's path and query. Raises BadRequest for a query that the verb does not take."""
    taken = {*route.query, FORMAT} if route.is_list and route.method == "GET" else set(route.query)
    unknown = sorted(set(query) - taken)
    if unknown:
        raise BadRequest(f"unknown parameter: {unknown[0][:40]!r}", field=unknown[0][:40])
    return {**path, **{name: query[name] for name in route.query if name in query}}
