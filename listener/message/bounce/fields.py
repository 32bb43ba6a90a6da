"""Delivery status fields (RFC 3464 §2): the per-recipient groups of a report, also where they stand in plain text.

`groups` takes the text of a `message/delivery-status` part, or any text that holds such fields, and never raises. Groups
that several systems write without a blank line between them are told apart by their `Final-Recipient`.
"""

from __future__ import annotations

from typing import Final

from ..addresses_in_text import addresses_in

MAX_GROUPS: Final = 500
MAX_LINES: Final = 20_000
MAX_VALUE: Final = 4000

_NAMES: Final = frozenset(
    (
        "final-recipient", "original-recipient", "action", "status", "diagnostic-code", "remote-mta", "last-attempt-date",
        "x-actual-recipient", "x-supplementary-info", "final-log-id", "will-retry-until", "x-display-name", "x-notes",
    )
)  # fmt: skip
_ACTIONS: Final = {"fail": "failed", "delay": "delayed", "deliver": "delivered", "relay": "relayed", "expand": "expanded"}
_STARTS: Final = ("final-recipient", "original-recipient", "x-actual-recipient")


def groups(text: str) -> list[dict[str, str]]:
    """One dict of lower-case field names a recipient, in order. Only groups that name a recipient."""
    found: list[dict[str, str]] = []
    current: dict[str, str] = {}
    last = ""
    for line in text.split("\n")[:MAX_LINES]:
        if line[:1] in (" ", "\t") and last and line.strip():
            if len(current[last]) < MAX_VALUE:
                current[last] += " " + line.strip()[:MAX_VALUE]
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower() if len(name) < 40 else ""
        if not line.strip() or (name in current and name in _STARTS):
            current = _closed(found, current)
        last = ""
        if colon and name in _NAMES and name not in current:
            current[name], last = value.strip()[:MAX_VALUE], name
    _closed(found, current)
    return found[:MAX_GROUPS]


def recipient(group: dict[str, str]) -> str:
    """The address that failed as its sender knew it: Original-Recipient (RFC 3464 §2.3.1), else Final-Recipient."""
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        kind, _, value = group.get(name, "").partition(";")
        if kind.strip().lower() in ("rfc822", "utf-8", "smtp", "") or not value:
            found = addresses_in(value or kind)
            if found:
                return found[0]
    return ""


def named(group: dict[str, str]) -> str:
    """What stands in place of an address where there is none (an X.400 name, a local user)."""
    value = group.get("final-recipient") or group.get("original-recipient") or ""
    return value.rpartition(";")[2].strip().strip("<>")


def action(group: dict[str, str]) -> str:
    """`failed`, `delayed`, `delivered`, `relayed` or `expanded` (RFC 3464 §2.3.3); comments and typing errors forgiven."""
    word = group.get("action", "").strip().lower()
    for known, action_name in _ACTIONS.items():
        if word.startswith(known):
            return action_name
    status = group.get("status", "").strip()[:1]
    return {"4": "delayed", "2": "delivered"}.get(status, "failed") if not word else "failed"


def _closed(found: list[dict[str, str]], current: dict[str, str]) -> dict[str, str]:
    """Keep the group; one without a recipient of its own completes the group before it."""
    if any(name in current for name in _STARTS):
        found.append(current)
    return {}
