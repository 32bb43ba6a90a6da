"""Asks the rules about a parsed message, before the ledger's transaction: no I/O, and what to file comes out.

Called by `filing.py` for every message that could be parsed. Whatever was released from quarantine is through: somebody looked
at it, or it was judged before it was held. What no rule lets through by name, and nobody released, counts towards the limit on
floods; the ledger, which alone knows what came before, decides that (`ledger/flood.py`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..ledger import Arrival, DueEntry, Parsed, State
from ..message.flags import comparable
from ..message.model import InboundMessage
from ..message.tree import header
from ..rules import ANSWERS, RELEASED, Accept, FloodLimit, Ignore, Quarantine, Subject, judge, sender_of
from .plan import AccountPlan

CANARY = "canary"
"""The reason why a probe of ours ends before rules, cases and hooks."""
RULE = "rule"
"""What reasons begin with that a rule gave; metrics count it and nothing behind it."""


def judged(due: DueEntry, message: InboundMessage, plan: AccountPlan) -> Parsed:
    """What is to be filed: the message, or that it ends before a case, and by which rule."""
    sent_at = plan.probe(message.message_id, due.accepted_at)
    if sent_at is not None:
        return Parsed(due.id, message, State.IGNORED, CANARY, {"sent_at": sent_at, "staged_at": due.accepted_at})
    if due.released:
        return Parsed(due.id, message, detail={"let_through": RELEASED})
    answers = plan.answers(message)
    subject = Subject(message, len(due.octets), lambda: header(due.octets), answers)
    match judge(subject, plan.rules):
        case Ignore(rule, reason):
            return Parsed(due.id, message, State.IGNORED, f"{RULE}: {reason}", {"rule": rule})
        case Quarantine(rule, reason):
            return Parsed(due.id, message, State.QUARANTINED, f"{RULE}: {reason}", {"rule": rule})
        case Accept(rule):
            detail: dict[str, Any] | None = {"let_through": rule} if rule else None
            return Parsed(due.id, message, detail=detail, flood=None if rule else _arrival(due, message, plan.flood, answers))


def _arrival(due: DueEntry, message: InboundMessage, limit: FloodLimit | None, answers: bool) -> Arrival | None:
    if limit is None:
        return None
    if answers:
        limit = replace(limit, messages=limit.messages * ANSWERS)
    return Arrival(comparable(sender_of(message)), due.received_at, limit)
