"""Plain pages that need no console: how the daemon is, in numbers, for whoever comes by without a token; sign-in; faults.

They show no address, subject or account name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from functools import cache
from http import HTTPStatus
from importlib.resources import files

from aiohttp import web
from jinja2 import Environment, StrictUndefined, Template

from .health import Health

Running = Callable[[web.Application], AsyncIterator[None]]
"""What works while an application runs, as its `cleanup_ctx` takes it."""


@cache
def _template(name: str) -> Template:
    source = files(__package__).joinpath(f"templates/{name}").read_text()
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(source)


def state_page(health: Health, version: str) -> str:
    """HTML."""
    states = {state.value: number for state, number in health.states().items() if number}
    reasons = [*health.not_live(), *health.not_ready(), *health.not_started()]
    return _template("state.html").render(summary=health.summary(), reasons=reasons, states=states, version=version)


class PlainPages:
    """Sign-in and faults without a console."""

    def routes(self) -> list[web.RouteDef]:
        """No pages of its own."""
        return []

    def running(self) -> Sequence[Running]:
        """Nothing."""
        return []

    def login_page(self, request: web.Request, *, next: str, error: str, status: int) -> web.StreamResponse:
        """The form."""
        return _html(status, _template("login.html").render(next=next, error=error))

    def error_page(self, request: web.Request, status: int, detail: str) -> web.StreamResponse:
        """One fault in words."""
        return _html(status, _template("fault.html").render(title=HTTPStatus(status).phrase, detail=detail))


def _html(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, content_type="text/html", charset="utf-8")
