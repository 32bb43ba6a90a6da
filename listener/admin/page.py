"""The plain page at `/`: how the daemon is, in numbers, for whoever comes by without having signed in.

Shows no address, subject or account name.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import cache
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
