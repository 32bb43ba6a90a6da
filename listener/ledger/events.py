"""The append-only history: one row for each thing that happened to an entry or an account; `listener explain` prints it.

`kind` is a fixed word, the same as the log's; `detail` is a small JSON object and never holds a body or a secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from . import bulk
from .sql import load
from .writer import Transaction

_SQL = load("events")

# Made once: `json.dumps` makes an encoder for each call.
_READABLE = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ESCAPED = json.JSONEncoder(separators=(",", ":")).encode

Event = tuple[int | None, str, str, Mapping[str, Any]]
"""Entry (None: of the account as a whole), account, kind, detail."""


def write(tx: Transaction, happened: Sequence[Event]) -> None:
    """Append them, in order."""
    if happened:
        rows = [(entry, account, tx.now, kind, encode(detail)) for entry, account, kind, detail in happened]
        bulk.insert(tx.connection, _SQL["insert"], rows)


def encode(value: object) -> str:
    """JSON that SQLite can keep as text: readable, but escaped where it holds lone surrogates."""
    text = _READABLE(value)
    return text if storable(text) else _ESCAPED(value)


def storable(text: str) -> bool:
    """Whether the text can be encoded (a lone surrogate, as hostile mail has them, cannot)."""
    if text.isascii():  # known of every text, without reading it
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def clean(text: str) -> str:
    """The text with lone surrogates replaced, so that it can be kept and compared."""
    return text if storable(text) else text.encode("utf-8", "replace").decode("utf-8")
