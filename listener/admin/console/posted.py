"""What a browser sent of a form: each field's text, and in the place of a trust store's text the file that was uploaded.

Files come as they are where the browser runs no script (`form.js` puts their text into the field instead). A binary store
becomes text by its armour (`config/truststore.py`), so that a form can keep and show it like any other field.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from ...config.truststore import armoured, unarmoured
from .forms import Part, Sort, given

MAX_UPLOAD = 380_000
"""Octets of a trust store; as base64 it must fit into what is kept of a setting (accounts/drafts.py)."""
TOO_LARGE = f"this file is over {MAX_UPLOAD // 1000} KB: give the authorities' certificates only"

MAX_VERSION = 16
"""Digits."""

Faults = list[tuple[str, str]]


def posted(parts: Sequence[Part], form: Mapping[str, Any]) -> tuple[dict[str, str], Faults]:
    """Every field's text, and what is wrong with what was uploaded. `form`: as `request.post()` gives it."""
    sent = given(parts, lambda name: form[name] if isinstance(form.get(name), str) else None)
    faults: Faults = []
    for one in (one for part in parts for one in part.fields if one.sort is Sort.STORE):
        octets = _uploaded(form.get(f"{one.name}.upload")) or unarmoured(sent[one.name].encode("utf-8", "replace"))
        if len(octets) > MAX_UPLOAD:
            faults.append((one.name, TOO_LARGE))
        else:
            sent[one.name] = armoured(octets)
    return sent, faults


def version_in(form: Mapping[str, Any]) -> int | None:
    """Which version was edited, as the form says."""
    text = str(form.get("version", ""))
    return int(text) if text.isascii() and text.isdigit() and len(text) < MAX_VERSION else None


def _uploaded(file: object) -> bytes:
    return file.file.read(MAX_UPLOAD + 1) if isinstance(file, web.FileField) and file.filename else b""
