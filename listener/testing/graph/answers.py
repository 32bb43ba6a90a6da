"""What the embedded Graph answers: documents, octets, and refusals in Graph's form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `octets` None: no content."""

    status: int = 200
    octets: bytes | None = None
    kind: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)


def document(value: Mapping[str, Any], status: int = 200) -> Answer:
    """A JSON object."""
    return Answer(status, json.dumps(value).encode())


def refused(status: int, code: str, words: str, **headers: str) -> Answer:
    """Graph's error object; `headers` with `_` for `-`."""
    body = {"error": {"code": code, "message": words, "innerError": {"request-id": "00000000-0000-0000-0000-000000000000"}}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, json.dumps(body).encode(), headers=named)


def item_not_found() -> Answer:
    """Exchange's words for an id that it does not have."""
    return refused(404, "ErrorItemNotFound", "The specified object was not found in the store.")


def bad_request(words: str) -> Answer:
    """What Graph says of a request that it does not understand."""
    return refused(400, "ErrorInvalidRequest", words)
