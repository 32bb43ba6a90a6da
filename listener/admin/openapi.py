"""The OpenAPI 3.1 page, made from the table of routes and the verbs' own first sentences; openapi.json has the schemas.

A parameter is described once for all verbs (`state`), or apart for one (`accounts.state`); those in paths as `path.account`.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

from .. import __version__
from .routes import API, FORMAT, ROUTES, Route
from .verbs import Verbs

ALWAYS = (400, 401, 409, 421, 429, 503)
"""Problems that any route may answer with."""
OF_CHANGES = (403, 413, 415, 422)
SAFE = "GET"
LINES = "application/x-ndjson"
"""One JSON object a line."""

Page = dict[str, Any]


@cache
def openapi() -> Page:
    """The whole page."""
    page: Page = json.loads(files(__package__).joinpath("openapi.json").read_text())
    page["info"]["version"] = __version__
    page["servers"] = [{"url": API}]
    page["paths"] = {}
    known = page["components"]["parameters"]
    for route in ROUTES:
        if not route.private:
            page["paths"].setdefault(route.path, {})[route.method.lower()] = _operation(route, known)
    own = {"operationId": "openapi", "summary": "This page", "responses": _answers(Route("openapi", SAFE, "/openapi.json"))}
    page["paths"]["/openapi.json"] = {"get": own}
    page["paths"]["/events"] = {"get": _stream()}
    return page


def _stream() -> Page:
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    answers = {"200": {"description": "OK", "content": content}, **_faults(SAFE)}
    return {"operationId": "events", "summary": "Server-sent events: what changed, as it changes", "responses": answers}


def _operation(route: Route, known: Page) -> Page:
    inside = re.findall(r"{(\w+)}", route.path)
    query = [*route.query, *([FORMAT] if route.is_list and route.method == SAFE else [])]
    named = [f"path.{name}" for name in inside] + query
    operation: Page = {"operationId": route.verb, "summary": summary(route.verb)}
    if named:
        operation["parameters"] = [_reference("parameters", _described(route.verb, name, known)) for name in named]
    if route.body:
        schema = _reference("schemas", route.body)
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    operation["responses"] = _answers(route)
    return operation


def _described(verb: str, name: str, known: Page) -> str:
    own = f"{verb}.{name}"
    return own if own in known else name


def _answers(route: Route) -> Page:
    fine: Page = {"description": "OK", "content": {route.media: {"schema": _schema(route)}}}
    if route.is_list and route.method == SAFE:
        fine["content"]["text/csv"] = {"schema": {"type": "string"}}
        said = 'The next page, where there is one: <…>; rel="next" (RFC 8288)'
        fine["headers"] = {"Link": {"description": said, "schema": {"type": "string"}}}
    names_something = "{" in route.path or "account" in route.query or route.body == "Draft"
    missing = (404,) if names_something else ()
    return {"200": fine, **_faults(route.method, *missing)}


def _faults(method: str, *more: int) -> Page:
    codes = {*ALWAYS, *more, *(() if method == SAFE else OF_CHANGES)}
    return {str(code): _reference("responses", "Problem") for code in sorted(codes)}


def _schema(route: Route) -> Page:
    if route.media == LINES:
        return {"type": "string", "contentMediaType": LINES, "contentSchema": _reference("schemas", route.answer)}
    if route.media != "application/json":
        return {"type": "string", "format": "binary"}
    if not route.is_list:
        return _reference("schemas", route.answer)
    return {"type": "array", "items": _reference("schemas", route.answer.removesuffix("[]"))}


def _reference(kind: str, name: str) -> Page:
    return {"$ref": f"#/components/{kind}/{name}"}


def summary(verb: str) -> str:
    """The first sentence of the verb's docstring."""
    prose = (getattr(Verbs, verb, None).__doc__ or verb).strip()
    return prose.partition("\n")[0].rstrip(".")
