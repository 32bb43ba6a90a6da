"""Templates to answers: the Jinja2 environment of the console, its filters, and the static files with their versions.

Every value is escaped (autoescape), an unknown name is an error (StrictUndefined). Nothing is read from disk after the start.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from importlib.resources import files
from typing import Any

from aiohttp import web
from jinja2 import DictLoader, Environment, StrictUndefined
from markupsafe import Markup, escape

from ... import __version__
from . import account_fields, times, words

STATIC_TYPES: Mapping[str, str] = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
STATIC_AGE = 86400
"""Seconds that a browser may keep a static file; its address changes with its content."""


class Rendering:
    """All templates and static files, loaded once. `now` is the wall clock, POSIX seconds."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self._static = _contents("static")
        self._versions = {name: hashlib.sha256(text.encode()).hexdigest()[:12] for name, text in self._static.items()}
        self._templates = self._environment()

    def html(self, template: str, status: int = 200, **context: Any) -> web.Response:
        """An answer with this template's text."""
        text = self.text(template, **context)
        return web.Response(status=status, text=text, content_type="text/html", charset="utf-8")

    def text(self, template: str, **context: Any) -> str:
        """The template's text."""
        return self._templates.get_template(template).render(now=self.now(), version=__version__, **context)

    async def static(self, request: web.Request) -> web.Response:
        """One static file. Only names that are there: no path of a request ever reaches the file system."""
        name = request.match_info["name"]
        if name not in self._static:
            raise web.HTTPNotFound
        kind = STATIC_TYPES[name.rpartition(".")[2]]
        kept = f"private, max-age={STATIC_AGE}, immutable"
        return web.Response(text=self._static[name], content_type=kind, charset="utf-8", headers={"Cache-Control": kept})

    def _environment(self) -> Environment:
        environment = Environment(
            loader=DictLoader(_contents("templates")),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {
            "static": self._address,
            "moment": lambda value: times.moment(value, self.now()),
            "lasting": times.lasting,
            "clock": times.clock,
            "plain": words.plain,
            "plain_text": words.plain_text,
            "size": words.size,
            "reason": words.reason,
            "reply_reason": words.reply_reason,
            "thousands": thousands,
            "prose": prose,
            "flat": lambda settings: list(flat(settings)),
            "setting": lambda name: account_fields.labels().get(name, name),
            "step": lambda name: words.STEPS.get(name, words.plain(name)),
        }
        environment.globals |= {
            "message_state": lambda value: words.said(words.MESSAGE_STATES, value),
            "account_state": lambda value: words.said(words.ACCOUNT_STATES, value),
            "kind_of": lambda value: words.said(words.KINDS, value),
            "verdict": lambda value: words.said(words.VERDICTS, value),
            "delivery_state": lambda value: words.said(words.DELIVERY_STATES, value),
            "reply_state": lambda value: words.said(words.REPLY_STATES, value),
            "case_state": lambda value: words.said(words.CASE_STATES, value),
            "advice": words.advice,
        }
        return environment

    def _address(self, name: str) -> str:
        return f"/static/{name}?{self._versions[name]}"


def thousands(number: int | float) -> str:
    """12,345."""
    return f"{number:,.0f}"


def prose(text: str) -> Markup:
    """A setting's prose: escaped, and what stands in backquotes as code."""
    pieces = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(one) if n % 2 else escape(one) for n, one in enumerate(pieces))


def flat(settings: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Every setting by its dotted name, in words; secrets are only said to be there."""
    for key, value in settings.items():
        name = f"{path}{key}"
        if value == {"set": True}:
            yield name, "kept, not shown"
        elif isinstance(value, Mapping):
            yield from flat(value, f"{name}.")
        elif isinstance(value, list | tuple) and value:
            yield name, ", ".join(map(str, value))
        elif value not in (None, "", False, [], ()):
            yield name, "yes" if value is True else _in_a_line(str(value))


def _in_a_line(text: str) -> str:
    """A certificate or a template by its first line."""
    lines = text.splitlines()
    return f"{lines[0][:60]} … ({len(lines)} lines)" if len(lines) > 1 else text[:300]


def _contents(folder: str) -> dict[str, str]:
    found = files(__package__ or "listener.admin.console").joinpath(folder).iterdir()
    return {file.name: file.read_text("utf-8") for file in found if file.is_file()}
