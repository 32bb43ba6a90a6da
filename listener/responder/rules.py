"""May this message be answered by a machine? The rules as data, each with a name that the ledger keeps (R-81, RFC 3834 §2).

`forbidden` asks them in order; the first that holds suppresses the answer and its name is shown by `listener explain`,
`listener replies` and `listener preview`. Where the classification of messages has said that nobody may answer, the name is
that of its rule (docs/classification.md). docs/replies.md lists the names; a test holds that both agree. No I/O: what does not
stand in the message (older than the account, muted, …) is in the `Question`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from .. import tokens
from ..message.classify_rules import RULES as CLASSIFICATION
from ..message.model import InboundMessage, Kind
from .policy import Purpose, ReplyPolicy
from .recipients import domain_of, from_address, in_ascii, is_plain, is_verified, recipient_of


@dataclass(frozen=True, slots=True)
class Question:
    """A message, who would be written to because of it, and what else must be known. `addressed` is the message whose sender
    that is: the same one, but for a hook's reply to a case's requester. `recipient` None: nobody who is proven.
    """

    policy: ReplyPolicy
    purpose: Purpose
    message: InboundMessage
    recipient: str | None
    verified: bool
    before_start: bool = False
    held_flood: bool = False
    unverified_comment: bool = False
    muted: bool = False
    own_message: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`rule` forbids an answer; None: `recipient` gets one."""

    rule: str | None
    recipient: str | None


@dataclass(frozen=True, slots=True)
class Rule:
    """No answer where `holds`."""

    name: str
    source: str
    holds: Callable[[Question], bool]


def asked(
    policy: ReplyPolicy,
    purpose: Purpose,
    message: InboundMessage,
    addressed: InboundMessage | None = None,
    *,
    before_start: bool = False,
    held_flood: bool = False,
    unverified_comment: bool = False,
    muted: Callable[[str], bool] = lambda address: False,
    own_message: bool = False,
) -> Question:
    """The question about this message. `addressed`: the message whose sender is written to, None: the same; `muted` is asked
    about the recipient's address.
    """
    target = addressed or message
    recipient = recipient_of(target)
    recipient = None if recipient is None else in_ascii(recipient)
    return Question(
        policy=policy,
        purpose=purpose,
        message=message,
        recipient=recipient,
        verified=is_verified(target),
        before_start=before_start,
        held_flood=held_flood,
        unverified_comment=unverified_comment,
        muted=recipient is not None and muted(recipient),
        own_message=own_message,
    )


def forbidden(question: Question) -> str | None:
    """The name of the first rule that forbids the answer; None: none does."""
    for rule in RULES:
        if rule.holds(question):
            return _of_classification(question.message) if rule.name == CLASSIFIED else rule.name
    return None


CLASSIFIED: Final = "automatic"
_SILENT: Final = frozenset(rule.name for rule in CLASSIFICATION if rule.silent)


def _of_classification(message: InboundMessage) -> str:
    return next((name for name in message.automatic.rules if name in _SILENT), CLASSIFIED)


def _is_automatic(question: Question) -> bool:
    message = question.message
    return message.automatic.suppress_reply or message.automatic.is_machine or message.kind is not Kind.MESSAGE


def _is_null(question: Question) -> bool:
    path = question.message.return_path
    return path is not None and not path.strip(" <>")


def _is_ours(question: Question) -> bool:
    policy = question.policy
    addresses = {from_address(question.message).lower(), (question.recipient or "").lower()} - {""}
    return bool(addresses & policy.own_addresses or {domain_of(one) for one in addresses} & policy.own_domains)


def _is_own_message(question: Question) -> bool:
    """Our Message-IDs have a form of their own, so that a colleague who writes from our domain is not taken for ourselves."""
    return question.own_message or tokens.in_message_id(question.message.message_id) is not None


RULES: Final = (
    Rule("no_sender", "`[accounts.sender]`", lambda q: not q.policy.can_send),
    Rule("before_start", "P4", lambda q: q.before_start),
    Rule("null_sender", "RFC 5321 §4.5.5, RFC 3834 §2", _is_null),
    Rule(CLASSIFIED, "docs/classification.md", _is_automatic),
    Rule("own_message", "RFC 3834 §2", _is_own_message),
    Rule("own_address", "RFC 3834 §2", _is_ours),
    Rule("held_flood", "`[limits]`", lambda q: q.held_flood),
    Rule("unverified_comment", "docs/threading.md", lambda q: q.unverified_comment),
    Rule("sender_unverified", "`accounts.reply.to`", lambda q: not q.verified and not q.policy.anyone),
    Rule("recipient_unproven", "RFC 3834 §4", lambda q: q.recipient is None),
    Rule("recipient_invalid", "RFC 5321 §4.1.2", lambda q: q.recipient is not None and not is_plain(q.recipient)),
    Rule("muted", "`listener muted`", lambda q: q.muted and q.purpose is Purpose.AUTOMATIC),
)
