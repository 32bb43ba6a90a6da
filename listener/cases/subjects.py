"""What a subject says of itself: an answer, a forward, and what remains when both are taken away (RFC 5322 §3.6.5).

Mail programs write "Re:" and "Fwd:" in their own language. A word that means a forward in one and an answer in another ("VS:":
Danish, Finnish) counts as an answer, because a forward that is taken for one does less harm than the other way round.
"""

from __future__ import annotations

import re
from functools import lru_cache

LOOKED_AT = 500
"""Characters of a subject that are looked at."""
LONGEST_TOPIC = 200
SHORTEST_TOPIC = 4
"""Characters that a topic needs before it can say that two messages are related: "hi" says nothing."""

_FORWARD = (
    *("fwd", "fw", "forward", "wg", "weitergeleitet", "tr", "rv", "i", "enc", "encaminhado", "reenv", "pd", "vb", "vl"),
    *("doorst", "ilt", "iletilen", "továbbítás", "переслано", "пд", "πρθ", "轉寄", "转发", "転送", "전달"),
)
_REPLY = (
    *("re", "aw", "antw", "antwort", "sv", "vs", "r", "rif", "ref", "res", "resp", "odp", "ynt", "yan", "bls", "atb", "vá"),
    *("rép", "ответ", "отв", "απ", "σχετ", "回复", "回覆", "答复", "返信", "회신"),
)
_PREFIX = re.compile(
    r"\s*(?:\[[^\[\]]{0,80}\]\s*)?("
    + "|".join(sorted(map(re.escape, (*_FORWARD, *_REPLY)), key=len, reverse=True))
    + r")\s{0,3}(?:\[\d{1,3}\]|\(\d{1,3}\)|\^\d{1,3}|\*\d{1,3})?\s{0,3}[:：]",
    re.IGNORECASE,
)
_KEPT = 256  # topics that were asked for lately: a message's is asked for several times
_TAG = re.compile(r"\[[^\[\]]{0,80}\]")


def is_forward(subject: str) -> bool:
    """Whether the first word before a colon says "forwarded". An answer to a forward begins with the answer's word."""
    found = _prefix(subject[:LOOKED_AT])
    return bool(found and found[1].casefold() in _FORWARD)


@lru_cache(_KEPT)
def topic(subject: str) -> str:
    """The subject without prefixes, tags in brackets, case and doubled blanks; "" where too little is left."""
    text = subject[:LOOKED_AT]
    while found := _prefix(text):
        text = text[found.end() :]
    if "[" in text:
        text = _TAG.sub(" ", text)
    text = " ".join(text.split()).casefold()[:LONGEST_TOPIC]
    return text if len(text) >= SHORTEST_TOPIC else ""


def _prefix(text: str) -> re.Match[str] | None:
    """The word before the first colon, if it is one of ours; most subjects have no colon, and cost nothing."""
    return _PREFIX.match(text) if ":" in text or "：" in text else None
