"""How faults are said: RFC 9457 problem details for programs, a page for people; never a traceback.

`failure` gives status and sentence of every fault that is foreseen. What is not foreseen is a bug: logged, and a plain 500.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus

import structlog
from aiohttp import web

from ..errors import AccountFailure, ConfigurationError, LedgerError, ListenerError, Refused
from .routes import BadRequest, FieldError, NotFound

log = structlog.get_logger(__name__)

MAX_DETAIL = 1_000
"""Characters of all faults in one sentence; each by itself is in `errors`."""
TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong, in HTTP's terms."""

    status: int
    detail: str
    errors: Sequence[FieldError] = ()
    headers: tuple[tuple[str, str], ...] = ()


class Denied(ListenerError):
    """Not let in, or not allowed."""

    def __init__(self, failure: Failure) -> None:
        self.failure = failure
        super().__init__(failure.detail)


def problem(failure: Failure) -> web.Response:
    """The failure as RFC 9457 says it; `errors` names each field at fault (§3 extension)."""
    title = HTTPStatus(failure.status).phrase
    body = {"type": "about:blank", "title": title, "status": failure.status, "detail": failure.detail}
    named = {"errors": [{"field": one.field, "detail": one.detail} for one in failure.errors]} if failure.errors else {}
    answer = web.Response(status=failure.status, text=json.dumps(body | named), content_type=TYPE)
    answer.headers.update(failure.headers)
    return answer


def failure(error: Exception, request: web.Request) -> Failure:
    """What to say of this error. A bug is logged here, and said without its text."""
    for kind, status in ((BadRequest, 400), (NotFound, 404), (Refused, 409), (LedgerError, 503)):
        if isinstance(error, kind):
            return Failure(status, str(error), error.errors if isinstance(error, BadRequest) else ())
    if isinstance(error, ConfigurationError):
        named = [FieldError(fault.setting, fault.reason) for fault in error.faults]
        return Failure(422, "; ".join(str(fault) for fault in error.faults)[:MAX_DETAIL], named)
    if isinstance(error, AccountFailure):
        return Failure(409, str(error), [FieldError(error.setting, error.reason)] if error.setting else ())
    match error:
        case Denied():
            return error.failure
        case web.HTTPMethodNotAllowed():
            allowed = ("Allow", ",".join(sorted(error.allowed_methods)))
            return Failure(405, f"{request.method[:20]} is not served here", headers=(allowed,))
        case web.HTTPNotFound():
            return Failure(404, "there is nothing at this path")
        case web.HTTPRequestEntityTooLarge():
            return Failure(413, "the request's body is too large")
        case web.HTTPException():
            return Failure(error.status, error.reason)
    log.error("admin.failed", path=request.path, error=type(error).__name__, exc_info=error)
    return Failure(500, "this is a fault of Listener; its log says more")
