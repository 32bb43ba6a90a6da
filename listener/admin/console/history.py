"""A message's history in sentences: what each event of `explain` says to a person, with every rule that fired.

`sentences(events)` gives one `Happening` an event. An event that is not in the table is shown by its name with its facts, so
that nothing is left out. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ...cases.words import in_words
from .words import plain, reason, reply_reason, size

Event = Mapping[str, Any]
MAX_FACT = 500
"""Characters of one fact of an unknown event."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One event as it is shown: when (RFC 3339), its tone, what happened, and more for those who want it."""

    at: str
    tone: str
    text: str
    more: str
    kind: str


Sentences = Mapping[str, tuple[str, Callable[[Event], str], tuple[str, ...]]]
"""By an event's kind: its tone, what it says, and the facts that are said with it."""


def sentences(events: Iterable[Event]) -> list[Happening]:
    """In the order given."""
    return [_happening(event, SENTENCES) for event in events]


def of_account(events: Iterable[Event]) -> list[Happening]:
    """The same for what happened to an account as a whole."""
    return [_happening(event, OF_ACCOUNT) for event in events]


def _happening(event: Event, table: Sentences) -> Happening:
    kind = str(event.get("kind", ""))
    tone, tell, used = table.get(kind, ("mute", lambda e: plain(kind.replace(".", ": ").replace("_", " ")), ()))
    rest = {
        name: value
        for name, value in event.items()
        if name not in {"id", "at", "kind", *used} and value not in (None, "", [], {})
    }
    more = "; ".join(f"{name.replace('_', ' ')}: {plain(value)[:MAX_FACT]}" for name, value in rest.items())
    return Happening(str(event.get("at") or ""), tone, tell(event), more, kind)


def _fetched(event: Event) -> str:
    size_said = f", {size(event['size'])}" if event.get("size") is not None else ""
    folder = f" from {plain(event['folder'])}" if event.get("folder") else ""
    return f"Fetched{folder} and stored durably{size_said}"


OPENING = frozenset({"new", "follow_up", "forward"})
"""Rules under which a message begins a case."""


def _filed(event: Event) -> str:
    begun = event.get("rule") in OPENING
    return f"{'Opened' if begun else 'Joined'} {plain(in_words(event))}"


def _quarantined(event: Event) -> str:
    words = f" The server said: {plain(event['server'])}" if event.get("server") else ""
    return f"Quarantined. {reason(event.get('reason'))}{words}"


def _hook(sentence: str) -> Callable[[Event], str]:
    def tell(event: Event) -> str:
        why = plain(event.get("error") or event.get("reason") or event.get("reference") or event.get("note") or "")
        again = _clock(event.get("again_at"))
        rest = f"{f': {why}' if why else ''}{f'; again at {again}' if again else ''}"
        return f"{plain(event.get('hook', 'A hook'))} {sentence}{rest}"

    return tell


def _reply(sentence: str) -> Callable[[Event], str]:
    def tell(event: Event) -> str:
        why = reply_reason(event.get("rule") or event.get("error") or event.get("reason"))
        to = plain(event.get("to"))
        return f"{sentence}{f' to {to}' if to else ''}{f': {why}' if why else ''}"

    return tell


def _clock(at: object) -> str:
    if not isinstance(at, int | float):
        return ""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%H:%M:%S} UTC"
    except (OverflowError, OSError, ValueError):
        return ""


def _ended(word: str) -> Callable[[Event], str]:
    return lambda event: f"{word}. {reason(event.get('reason'))}".strip()


def _began(event: Event) -> str:
    since = event.get("received_at")
    folder = plain(event.get("folder") or "its mailbox")
    if since == 0:
        return f"Began with {folder}: everything that is there counts"
    at = _day(since)
    return f"Began with {folder}: mail {f'received before {at}' if at else 'that was there before'} does not count"


def _day(at: object) -> str:
    if not isinstance(at, int | float):
        return ""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"
    except (OverflowError, OSError, ValueError):
        return ""


def _moved(event: Event) -> str:
    became = f": {plain(event['to'])}" if event.get("to") else ""
    return f"It became another mailbox{became}. What is there was compared with what is known"


def _fixed(text: str) -> Callable[[Event], str]:
    return lambda event: text


_HOOK = ("hook", "error", "reason", "again_at")
SENTENCES: Sentences = {
    "message.accepted": ("ok", _fetched, ("size", "folder")),
    "message.fetched": ("ok", _fetched, ("size", "folder")),
    "message.filed": ("ok", _filed, ("case", "rule", "matched", "unverified", "note", "restored", "links")),
    "message.quarantined": ("warn", _quarantined, ("reason", "server")),
    "message.ignored": ("mute", _ended("Ignored"), ("reason",)),
    "message.dead": ("bad", _ended("Failed for good"), ("reason",)),
    "message.done": ("ok", _fixed("Done: every hook has finished"), ()),
    "message.released": (
        "info",
        lambda e: "Released: it is fetched again" if e.get("fetch") else "Released by an operator",
        ("fetch",),
    ),
    "message.retried": ("info", _fixed("Retried by an operator"), ("deliveries",)),
    "message.displaced": ("mute", _fixed("The server gave its id to another message; it keeps what it has here"), ()),
    "message.rebound": ("mute", _fixed("The server gave it another id; it was recognised"), ()),
    "delivery.done": ("ok", _hook("took it"), (*_HOOK, "reference", "note")),
    "delivery.ignored": ("mute", _hook("had nothing to do with it"), _HOOK),
    "delivery.deferred": ("info", _hook("asked to be called later"), _HOOK),
    "delivery.failed": ("warn", _hook("failed"), _HOOK),
    "delivery.dead": ("bad", _hook("failed for good"), _HOOK),
    "delivery.late": ("mute", _hook("answered too late; the answer is kept here only"), _HOOK),
    "reply.ready": ("info", _reply("An automatic reply is to be sent"), ("to", "error", "rule")),
    "reply.suppressed": ("mute", _reply("No automatic reply"), ("to", "rule")),
    "reply.sent": ("ok", _reply("An automatic reply was sent"), ("to", "error")),
    "reply.deferred": ("warn", _reply("An automatic reply has to wait"), ("to", "error")),
    "reply.failed": ("bad", _reply("An automatic reply could not be sent"), ("to", "error")),
    "reply.unknown": (
        "warn",
        _reply("Nobody knows whether an automatic reply was sent; it is not sent again"),
        ("to", "error"),
    ),
    "reply.bounced": ("warn", _reply("Mail of ours came back; no automatic mail goes there any more"), ("to", "reason")),
}

OF_ACCOUNT: Sentences = {
    "account.paused": ("mute", _fixed("Paused by an operator"), ()),
    "account.resumed": ("ok", _fixed("Switched on by an operator"), ()),
    "account.baseline": ("ok", _began, ("folder", "received_at", "sync_state", "present")),
    "account.moved": ("info", _moved, ("to",)),
    "account.reset": ("info", _fixed("The server gave its ids anew; known mail is recognised"), ()),
    "server.said": ("warn", _fixed("A notice of the mail server"), ()),
}
