"""The plain page at `/`: how the daemon is, in numbers, for whoever comes by without a token.

Shows no address, subject or account name.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from jinja2 import Environment, StrictUndefined, Template

from .health import Health


@cache
def _template() -> Template:
    source = files(__package__).joinpath("templates/state.html").read_text()
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(source)


def state_page(health: Health, version: str) -> str:
    """HTML."""
    states = {state.value: number for state, number in health.states().items() if number}
    reasons = [*health.not_live(), *health.not_ready(), *health.not_started()]
    return _template().render(summary=health.summary(), reasons=reasons, states=states, version=version)
