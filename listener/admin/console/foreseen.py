"""What a preview foresees of each message, as its table shows it: what would happen, in which case, and who would be answered.

No I/O; the rows are those of `listener preview` (preview.py). Texts from mail are made harmless here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...cases.words import RULES, WHERE
from .words import Said, plain, reason, reply_reason

OUTCOMES: Mapping[str, Said] = {
    "filed": Said("goes into a case", "ok"),
    "ignored": Said("ignored", "mute"),
    "quarantined": Said("held back", "warn"),
    "known": Said("here already", "mute"),
}
NEW_CASE = "new-"
"""How cases begin that do not exist yet: `new-1`, `new-2` …"""


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One message. `case`: its words; `case_id`: a case that exists. `reply`: who would be answered, or why nobody."""

    subject: str
    sender: str
    kind: str
    outcome: Said
    why: str
    case: str
    case_id: str
    reply: str
    received_at: str | None


def foreseen(row: Mapping[str, Any]) -> Foreseen:
    """One row in words."""
    outcome, case = str(row.get("outcome", "")), str(row.get("case") or "")
    is_new = case.startswith(NEW_CASE)
    return Foreseen(
        subject=plain(row.get("subject")),
        sender=plain(row.get("from")),
        kind=str(row.get("kind") or ""),
        outcome=OUTCOMES.get(outcome, Said(plain(outcome))),
        why=_why_filed(row) if outcome == "filed" else _why_not(row),
        case=f"a new one ({case.removeprefix(NEW_CASE)})" if is_new else plain(case) or "none",
        case_id="" if is_new else plain(case),
        reply=_reply(row.get("reply")),
        received_at=row.get("received_at"),
    )


def _why_filed(row: Mapping[str, Any]) -> str:
    rule, _, matched = str(row.get("why") or "").partition(" ")
    said = RULES.get(rule, plain(rule)) + (f" ({WHERE.get(matched, plain(matched))})" if matched else "")
    if row.get("unverified"):
        said += "; nobody vouches for its sender, who takes no part in the case"
    related = ", ".join(plain(one) for one in row.get("related") or ())
    return f"{said}; possibly related to {related}" if related else said


def _why_not(row: Mapping[str, Any]) -> str:
    named = f" ({plain(row['rule'])})" if row.get("rule") else ""
    return reason(row.get("why")) + named


def _reply(answer: object) -> str:
    if not isinstance(answer, Mapping):
        return "none"
    if answer.get("send"):
        return f"to {plain(answer.get('to'))}"
    rule = answer.get("rule")
    return f"none: {reply_reason(rule) if rule else plain(answer.get('why'))}"
