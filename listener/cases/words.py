"""The rules of `cases.decide` in words, for `listener explain` and the console; docs/cases.md has the same table."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

RULES: Mapping[str, str] = MappingProxyType(
    {
        "bounce": "it is a notice about mail that we sent in that case",
        "token": "it bears a token that we signed for that case",
        "references": "it refers to a message of that case, and its sender takes part in it",
        "in_reply_to": "it answers a message of that case, and its sender takes part in it",
        "follow_up": "it belongs to a case that is closed and stays so: a new one follows up",
        "forward": "it is a forward, which begins a case of its own",
        "new": "it belongs to no case that we know",
    }
)

WHERE: Mapping[str, str] = MappingProxyType(
    {"message-id": "in what it answers", "address": "in the address it was sent to", "subject": "in its subject"}
)

LINKS: Mapping[str, str] = MappingProxyType(
    {
        "closed": "the case is closed",
        "references": "it refers to that case, and its sender takes no part there",
        "forward": "it forwards something of that case",
        "subject": "the same sender wrote about the same recently",
    }
)


def in_words(event: Mapping[str, Any]) -> str:
    """A `message.filed` of the history as a sentence."""
    rule, matched = str(event.get("rule", "")), str(event.get("matched", ""))
    said = f"case {event.get('case')} ({rule}): {RULES.get(rule, 'a rule of another version')}"
    if matched:
        said += f" ({WHERE.get(matched, matched)})"
    if event.get("unverified"):
        said += "; unverified comment: nobody vouches for its sender, who takes no part in the case"
    if event.get("note"):
        said += "; a note, nothing to answer"
    if event.get("restored"):
        said += "; the case was not in the ledger and was made again under its id"
    links = [link for link in event.get("links") or () if isinstance(link, Mapping)]
    return said + "".join(f"; {_linked(link)}" for link in links)


def _linked(link: Mapping[str, Any]) -> str:
    kind = "follows up" if link.get("kind") == "follow_up" else "possibly related to"
    return f"{kind} {link.get('case')} ({LINKS.get(str(link.get('why')), link.get('why'))})"
