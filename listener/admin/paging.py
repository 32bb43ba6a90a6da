"""How arguments of lists are read: numbers and limits, each refused by its name."""

from __future__ import annotations

from .routes import BadRequest

DEFAULT_LIMIT = 50
MAX_LIMIT = 1000
"""Rows one answer may hold."""
MAX_NUMBER = 2**63 - 1


def limit_of(value: str | int) -> int:
    """Raises BadRequest."""
    text = str(value)
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) else 0
    if not 1 <= number <= MAX_LIMIT:
        raise BadRequest(f"limit must be from 1 to {MAX_LIMIT}, not {text[:40]!r}", field="limit")
    return number


def number_of(value: str | int, field: str, what: str = "number") -> int:
    """A number as people type it, with or without #. Raises BadRequest."""
    digits = str(value).removeprefix("#")
    whole = digits.isascii() and digits.isdigit() and len(digits) <= len(str(MAX_NUMBER))
    if not whole or int(digits) > MAX_NUMBER:
        raise BadRequest(f"not a {what}: {str(value)[:40]!r}", field=field)
    return int(digits)
