"""Whether a message is answered: decided and counted in the transaction that files it, or settles its delivery.

`consider` is called for each message that is filed, `hook_reply` for each `Filed.reply`. Both write one row, `ready` or
`suppressed` by a rule, and an event; what the answer says is composed later, by the outbox. Because the verdict, the count and
the row are one commit, no crash and no burst can send more than the budgets allow (R-82). `consider` also notes mail of ours
that came back.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from math import floor
from typing import TypedDict

from ..message.model import InboundMessage, Kind
from ..responder import budgets, rules
from ..responder.policy import Purpose, ReplyPolicy
from ..responder.recipients import domain_of, from_address
from . import bodies, events
from .events import clean
from .sql import load
from .writer import Transaction

_SQL = load("responding")
_HOURS = 3600
NOBODY = ReplyPolicy("")
"""The policy of an account that is not configured: it can send nothing."""


class Facts(TypedDict):
    """See `_known`."""

    muted: Callable[[str], bool]
    own_message: bool


Policies = Mapping[str, ReplyPolicy]


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message on its way into a case. `digest` is of its octets; `is_new`: it opened the case."""

    entry: int
    account: str
    digest: bytes
    case: str
    is_new: bool
    unverified_comment: bool
    message: InboundMessage


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A mail to be sent. `key` says what it is owed to; of one key there is never a second.

    `subject` and `text` are whole for a notification or an alert; of a hook's reply `text` alone is given.
    """

    key: str
    purpose: Purpose
    account: str
    recipient: str
    subject: str = ""
    text: str = ""
    entry: int | None = None
    case: str | None = None
    hook: str = ""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A delivery whose hook wants a reply sent; `key` is its idempotency key."""

    key: str
    entry: int
    account: str
    case: str
    hook: str
    message: InboundMessage
    unverified_comment: bool = False


def consider(tx: Transaction, policies: Policies, arrival: Arrival) -> None:
    """Acknowledge it, or write down why not. Nothing is written where the account acknowledges no such message."""
    note_bounce(tx, arrival.account, arrival.entry, arrival.message)
    policy = policies.get(arrival.account)
    if policy is None or not policy.acknowledges(arrival.is_new):
        return
    outgoing = Outgoing(
        key=_key(arrival.account, arrival.digest),
        purpose=Purpose.AUTOMATIC,
        account=arrival.account,
        recipient="",
        entry=arrival.entry,
        case=arrival.case,
    )
    question = _question(tx, policy, Purpose.AUTOMATIC, arrival.entry, arrival.message, comment=arrival.unverified_comment)
    _decide(tx, question, outgoing)


def hook_reply(tx: Transaction, policies: Policies, text: str, answered: Answered) -> None:
    """A hook's text to the case's requester."""
    addressed = _of_requester(tx, answered.case, answered.message)
    outgoing = Outgoing(
        answered.key,
        Purpose.HOOK,
        answered.account,
        "",
        text=text,
        entry=answered.entry,
        case=answered.case,
        hook=answered.hook,
    )
    policy = policies.get(answered.account, NOBODY)
    comment = answered.unverified_comment
    question = _question(tx, policy, Purpose.HOOK, answered.entry, answered.message, addressed, comment=comment)
    _decide(tx, question, outgoing)


def add(tx: Transaction, outgoing: Outgoing) -> int | None:
    """Have it sent, whatever rules and budgets say; its row, or None where there is one of this key already."""
    return _insert(tx, outgoing, "")


def note_bounce(tx: Transaction, account: str, entry: int, message: InboundMessage) -> None:
    """A bounce of mail of ours: no automatic mail goes to that address from now on. A delay notice changes nothing."""
    if message.bounce is None or message.kind is not Kind.BOUNCE or not message.bounce.original_message_id:
        return
    row = tx.connection.execute(_SQL["ours"], (clean(message.bounce.original_message_id),)).fetchone()
    if row is None or row[1] != account:
        return
    response, _, case, recipient = row
    why = next((one for one in message.bounce.recipients if one.permanent), None)
    if why is None:
        return
    reason = clean(f"{why.status} {why.reason}".strip())
    values = {"address": recipient, "response": response, "entry": entry, "reason": reason, "now": tx.now}
    tx.connection.execute(_SQL["mute"], values)
    detail = {"response": response, "to": recipient, "reason": reason, "case": case}
    events.write(tx, [(entry, account, "reply.bounced", detail)])


def foresee(
    connection: sqlite3.Connection,
    now: float,
    policy: ReplyPolicy,
    message: InboundMessage,
    received_at: float | None,
    comment: bool,
) -> rules.Verdict:
    """Whether this message would be acknowledged if it were filed now, opening a case. Changes nothing."""
    tx = Transaction(connection, now, 0)
    row = connection.execute(_SQL["started_at"], (policy.account,)).fetchone()
    before = _is_before(row[0] if row else None, received_at, message, now)
    known = _known(connection, message)
    question = rules.asked(policy, Purpose.AUTOMATIC, message, before_start=before, unverified_comment=comment, **known)
    outgoing = Outgoing("", Purpose.AUTOMATIC, policy.account, clean(question.recipient or ""), verified=question.verified)
    return rules.Verdict(rules.forbidden(question) or spent(tx, policy, outgoing), question.recipient)


def breaker_hours(tx_now: float) -> Mapping[str, int]:
    """The parameters of the statement `hours`."""
    now = floor(tx_now / _HOURS)
    return {"day": now - 24, "week": now - 24 * (1 + budgets.BREAKER_DAYS)}


# --- the verdict --------------------------------------------------------------------------------------------------------


def _question(
    tx: Transaction,
    policy: ReplyPolicy,
    purpose: Purpose,
    entry: int,
    message: InboundMessage,
    addressed: InboundMessage | None = None,
    *,
    comment: bool = False,
) -> rules.Question:
    received_at, accepted_at, released, started_at = tx.connection.execute(_SQL["circumstances"], (entry,)).fetchone()
    return rules.asked(
        policy,
        purpose,
        message,
        addressed,
        before_start=_is_before(started_at, received_at, message, accepted_at),
        held_flood=released == "flood",
        unverified_comment=comment,
        **_known(tx.connection, message),
    )


def _known(connection: sqlite3.Connection, message: InboundMessage) -> Facts:
    """What the ledger knows of the message's Message-ID and of whom would be written to."""
    return {
        "muted": lambda address: bool(connection.execute(_SQL["is_muted"], (address,)).fetchone()[0]),
        "own_message": connection.execute(_SQL["ours"], (clean(message.message_id),)).fetchone() is not None,
    }


def _is_before(started_at: float | None, received_at: float | None, message: InboundMessage, otherwise: float) -> bool:
    moment = received_at if received_at is not None else _date(message, otherwise)
    return started_at is not None and moment < floor(started_at)


def _decide(tx: Transaction, question: rules.Question, outgoing: Outgoing) -> None:
    about = replace(outgoing, recipient=clean(question.recipient or ""), verified=question.verified)
    rule = rules.forbidden(question) or spent(tx, question.policy, about)
    _insert(tx, about, rule or "")


def spent(tx: Transaction, policy: ReplyPolicy, outgoing: Outgoing) -> str | None:
    """The budget that leaves no room for it; None: all do."""
    about = {"account": outgoing.account, "recipient": outgoing.recipient, "purpose": outgoing.purpose.value}
    select = tx.connection.execute
    in_minute, in_day = select(
        _SQL["of_account"], about | {"minute": tx.now - budgets.MINUTE, "since": tx.now - budgets.DAY}
    ).fetchone()
    all_in_day, all_before = select(_SQL["hours"], breaker_hours(tx.now)).fetchone()
    domain = {"domain": domain_of(outgoing.recipient), "since": tx.now - budgets.HOUR}
    usage = budgets.Usage(
        to_sender=select(_SQL["to_sender"], about | {"since": tx.now - budgets.DAY}).fetchone()[0],
        in_case=select(_SQL["in_case"], {"case_id": outgoing.case}).fetchone()[0],
        in_minute=in_minute,
        in_day=in_day,
        to_domain=select(_SQL["to_domain"], domain).fetchone()[0],
        all_in_day=all_in_day,
        all_before=all_before,
    )
    return budgets.spent(policy.budgets, usage, outgoing.purpose, outgoing.verified)


def _insert(tx: Transaction, outgoing: Outgoing, rule: str) -> int | None:
    values = {
        "key": outgoing.key,
        "purpose": outgoing.purpose.value,
        "account": outgoing.account,
        "entry": outgoing.entry,
        "case_id": outgoing.case,
        "hook": outgoing.hook,
        "recipient": outgoing.recipient,
        "domain": domain_of(outgoing.recipient),
        "verified": outgoing.verified,
        "subject": clean(outgoing.subject),
        "text": clean(outgoing.text),
        "state": "suppressed" if rule else "ready",
        "reason": rule,
        "due_at": None if rule else tx.now,
        "now": tx.now,
    }
    row = tx.connection.execute(_SQL["insert"], values).fetchone()
    if row is None:
        return None
    about = {"response": row[0], "purpose": outgoing.purpose.value, "to": outgoing.recipient}
    about |= {"hook": outgoing.hook} if outgoing.hook else {}
    about |= {"rule": rule} if rule else {}
    events.write(tx, [(outgoing.entry, outgoing.account, "reply.suppressed" if rule else "reply.ready", about)])
    return int(row[0])


def _of_requester(tx: Transaction, case: str, message: InboundMessage) -> InboundMessage:
    """The message that says how the case's requester is written to: this one, or the one that opened the case."""
    (requester,) = tx.connection.execute(_SQL["requester"], (case,)).fetchone()
    if from_address(message).lower() == str(requester).lower():
        return message
    row = tx.connection.execute(_SQL["opening"], (case,)).fetchone()
    return bodies.unpack(row[0]) if row is not None else message


def _key(account: str, digest: bytes) -> str:
    """The same for the same message for ever, as the keys of hooks are."""
    return hashlib.sha256("\0".join((account, digest.hex(), "1", "automatic")).encode("utf-8")).hexdigest()


def _date(message: InboundMessage, otherwise: float) -> float:
    """When it says that it was written: POP3 tells no time of its own."""
    try:
        return datetime.fromisoformat(message.date).timestamp() if message.date else otherwise
    except (ValueError, OverflowError, OSError):
        return otherwise
