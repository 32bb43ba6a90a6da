"""From a message's history to one trace: arrival, storing, filing, each call of a hook, its answer. No I/O.

The trace's id is derived from what the message is known by, so a retry weeks later, and after a crash, adds to the same trace.

Rules of the file
1. A span begins where the one before it ended: what is not in the history is not made up.
2. No address, subject or text: numbers, fixed words, and the names of account and hook.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from ..ledger import Happening, Story

MAX_TRANSIT = 86_400.0
"""Seconds between the server's date of arrival and our storing that are believed; dates of moved mail are older."""
FAILED = frozenset({"delivery.failed", "delivery.dead"})
_ATTRIBUTES = ("case", "rule", "reason", "attempt", "outcome", "hook", "folder")
MAX_VALUE = 200


@dataclass(frozen=True, slots=True)
class Span:
    """One span: ids as integers, times as POSIX seconds. `parent` None: the root."""

    trace: int
    id: int
    parent: int | None
    name: str
    begun: float
    ended: float
    failed: bool
    attributes: Mapping[str, str | int] = field(default_factory=dict)


def spans(story: Story) -> list[Span]:
    """The root and its children, in order. Empty where nothing happened."""
    if not story.events:
        return []
    first, last = story.events[0], story.events[-1]
    arrived = _arrival(story, first.at)
    trace, root = _number("trace", story, 16), _number("root", story, 8, len(story.events))
    head: dict[str, str | int] = {"listener.entry": story.entry, "listener.account": story.account}
    head["listener.kind"] = story.message_kind
    ending = {"listener.state": story.state} | _attributes(last)
    whole = Span(trace, root, None, "message", arrived, max(last.at, arrived), story.state == "dead", head | ending)
    return [whole, *_steps(story, trace, root, arrived)]


def _arrival(story: Story, stored: float) -> float:
    arrived = story.received_at
    return arrived if arrived is not None and stored - MAX_TRANSIT <= arrived <= stored else stored


def _steps(story: Story, trace: int, root: int, arrived: float) -> Iterator[Span]:
    before = arrived
    for number, event in enumerate(story.events):
        if number and event.at == before and event.kind.startswith("message."):
            continue  # the end of the message is the end of its last step
        begun = min(before, event.at)
        identity = _number("step", story, 8, number)
        yield Span(trace, identity, root, _name(event), begun, event.at, event.kind in FAILED, _attributes(event))
        before = event.at


def _name(event: Happening) -> str:
    """`delivery.done` of a hook → `deliver webhook:crm`; else the event's own word."""
    hook = event.detail.get("hook")
    return f"deliver {hook}"[:MAX_VALUE] if hook and event.kind.startswith("delivery.") else event.kind


def _attributes(event: Happening) -> dict[str, str | int]:
    found = ((name, event.detail.get(name)) for name in _ATTRIBUTES)
    return {f"listener.{name}": value if isinstance(value, int) else str(value)[:MAX_VALUE] for name, value in found if value}


def _number(what: str, story: Story, octets: int, part: int = 0) -> int:
    """An id that is never 0 (W3C Trace Context §3.2.2)."""
    known_by = next((f"{e.detail.get('folder')}\0{e.detail.get('unique_id')}" for e in story.events), "")
    seed = "\0".join((what, story.account, known_by, str(story.entry), str(part)))
    return int.from_bytes(hashlib.sha256(seed.encode("utf-8", "replace")).digest()[:octets], "big") or 1
