"""The words of bounces, read once from `bounces.toml`: who sends them, how they begin, what they give as the reason.

Everything is frozen after import. `reason` turns a diagnostic and a status code (RFC 3463) into one of `REASONS`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

MAX_DIAGNOSTIC: Final = 2000

_TABLE: Final[Mapping[str, Any]] = MappingProxyType(
    tomllib.loads(files(__package__).joinpath("bounces.toml").read_text("utf-8"))
)

SENDERS: Final = frozenset(_TABLE["senders"])
NAMES: Final = tuple(_TABLE["names"])
SUBJECTS: Final = tuple(_TABLE["subjects"])
DELAY_SUBJECTS: Final = tuple(_TABLE["delay_subjects"])
INTROS: Final = tuple(_TABLE["intros"])
ORIGINALS: Final = tuple(_TABLE["originals"])
LABELS: Final = frozenset(_TABLE["labels"])
_REASONS: Final[tuple[tuple[str, tuple[str, ...]], ...]] = tuple(
    (row["reason"], tuple(row["phrases"])) for row in _TABLE["reasons"]
)

UNSPACED_SUBJECTS: Final = tuple(phrase for phrase in SUBJECTS if ord(phrase[0]) >= 0x2E80)
REASONS: Final = (*(name for name, _ in _REASONS), "user_moved", "undefined")

# RFC 3463 §3 and the IANA registry: what the last two numbers of a status say when the words say nothing.
_BY_STATUS: Final = {
    "1.0": "user_unknown", "1.1": "user_unknown", "1.2": "host_unknown", "1.3": "user_unknown", "1.4": "user_unknown",
    "1.6": "user_moved", "1.8": "policy", "1.10": "user_unknown", "2.1": "user_disabled", "2.2": "mailbox_full",
    "2.3": "message_too_big", "2.4": "user_unknown", "3.1": "mailbox_full", "3.4": "message_too_big", "4.1": "network",
    "4.2": "network", "4.3": "host_unknown", "4.4": "host_unknown", "4.6": "loop", "4.7": "expired", "5.3": "rate_limited",
    "6.0": "policy", "7.0": "policy", "7.1": "policy", "7.20": "authentication", "7.23": "authentication",
    "7.25": "authentication", "7.26": "authentication", "7.27": "host_unknown",
}  # fmt: skip
_CERTAIN: Final = {"1.1", "1.2", "1.10", "2.2", "2.3", "3.4", "4.6"}  # codes that are given with care

_STATUS: Final = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.]*\d)")
_REPLY: Final = re.compile(r"(?<![\w.:/-])([45]\d\d)(?=[\s\-:;,)#'\"]|$)")


def status_in(text: str) -> str:
    """The first enhanced status code (RFC 3463) of class 4 or 5 in a diagnostic, or ""."""
    found = next((match for match in _STATUS.finditer(text[:MAX_DIAGNOSTIC]) if match[1] != "2"), None)
    return found.group() if found else ""


def reply_class(text: str) -> str:
    """`4` or `5` of the first SMTP reply code in a diagnostic, or ""."""
    found = _REPLY.search(text[:MAX_DIAGNOSTIC])
    return found[1][0] if found else ""


def reason(diagnostic: str, status: str) -> str:
    """Why the message was not delivered: a name out of `REASONS`."""
    detail = status.partition(".")[2]
    if detail in _CERTAIN:
        return _BY_STATUS[detail]
    return in_words(diagnostic) or _BY_STATUS.get(detail, "undefined")


def in_words(diagnostic: str) -> str:
    """The reason that the words of a diagnostic give, or ""."""
    folded = fold(diagnostic[:MAX_DIAGNOSTIC])
    return next((name for name, phrases in _REASONS if any(phrase in folded for phrase in phrases)), "")


def fold(text: str) -> str:
    """Case-folded, blanks and line breaks as one space, typographic apostrophes plain."""
    return " ".join(text.casefold().replace("’", "'").split())
