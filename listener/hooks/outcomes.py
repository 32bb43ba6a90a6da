"""What a hook answered, checked before anyone believes it: hooks are other people's code, and webhooks other people's machines.

`checked` judges what a Python hook returned, `from_answer` the JSON of a webhook, `from_output` the output of a command.
All give an `Outcome` or None that the ledger can keep as it is (types right, lengths bounded, text that can be stored and
shown) or raise HookFailed with a sentence for the hook's author. `deferred_seconds` bounds what `Deferred` may ask for.
"""

from __future__ import annotations

import json
import math
from typing import Any

from . import Deferred, Filed, HookFailed, Ignored, Outcome

MAX_REFERENCE = 1_000
"""Characters of a reference, and of the reason of an `Ignored`."""

MAX_TEXT = 64_000
"""Characters of a note or a reply."""

MAX_ERROR = 500
"""Characters of what is kept of a failure."""

MIN_DEFERRAL = 1.0
MAX_DEFERRAL = 7 * 24 * 3600.0
"""Seconds between which `Deferred` is honoured: never a tight loop, never for ever."""


def checked(value: object) -> Outcome | None:
    """The value, if it is an outcome that can be kept. Raises HookFailed otherwise."""
    match value:
        case None:
            return None
        case Filed():
            return _filed(value)
        case Ignored():
            return Ignored(_line("Ignored.reason", value.reason))
        case Deferred():
            return Deferred(deferred_seconds(value.seconds))
    raise HookFailed(f"the hook returned {_kind(value)}; it must return Filed, Ignored, Deferred or None")


def deferred_seconds(seconds: object) -> float:
    """The seconds to wait, within bounds. Raises HookFailed for what is no length of time."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or math.isnan(seconds) or seconds < 0:
        raise HookFailed(f"Deferred.seconds must be a number of seconds from 0 up, not {_shown(seconds)}")
    return float(min(max(seconds, MIN_DEFERRAL), MAX_DEFERRAL))


def from_answer(body: bytes) -> Filed:
    """The outcome in a webhook's 2xx answer. A body that is no JSON object ("ok", nothing) says nothing more than filed."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        return Filed()
    if not isinstance(answer, dict):
        return Filed()
    reference = answer.get("reference")
    if type(reference) is int:
        reference = str(reference)  # ids are numbers in many systems
    close = answer.get("close")
    return _filed(Filed(reference, answer.get("note"), False if close is None else close, answer.get("reply")))


def from_output(output: bytes) -> Filed:
    """The outcome in what a command wrote: its first line is the reference."""
    line = output.split(b"\n", 1)[0].strip().decode("utf-8", "replace")
    return Filed(_reference(line or None))


def one_line(text: str, limit: int = MAX_ERROR) -> str:
    """Text from outside as one bounded, printable line for errors and logs."""
    text = " ".join(text[: 4 * limit].split())
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _filed(value: Filed) -> Filed:
    reference, note, reply = _reference(value.reference), _text("note", value.note), _text("reply", value.reply)
    if not isinstance(value.close, bool):
        raise HookFailed(f"close must be true or false, not {_kind(value.close)}")
    return Filed(reference, note, value.close, reply)


def _reference(value: Any) -> str | None:
    return None if value is None else _line("reference", value)


def _line(name: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise HookFailed(f"{name} must be text that is not empty, not {_shown(value)}")
    if len(value) > MAX_REFERENCE or not value.isprintable():
        raise HookFailed(f"{name} must be one printable line of at most {MAX_REFERENCE} characters")
    return str(value)


def _text(name: str, value: Any) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise HookFailed(f"{name} must be text, not {_kind(value)}")
    if len(value) > MAX_TEXT or "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
        raise HookFailed(f"{name} must be at most {MAX_TEXT} characters, without NUL and lone surrogates")
    return str(value)


def _kind(value: object) -> str:
    return f"a value of type {type(value).__name__}"


def _shown(value: object) -> str:
    return one_line(repr(value), 60) if isinstance(value, str | int | float | None) else _kind(value)
