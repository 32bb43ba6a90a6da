"""From a row of the ledger to octets: template, subject, addresses, thread (R-83). Runs on a thread of its own, sends nothing.

The Message-ID is made from the row's key, so that a mail composed again, even after a lost ledger, is recognised as the same.
Raises ComposeFault or TemplateFault with a sentence for people; the mail has then failed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ..config import Account
from ..ledger.responses import Response
from ..message.model import InboundMessage
from ..protocols.submission import NULL_SENDER
from ..responder.compose import ComposeFault, Letter, compose, is_safe, message_ids, reply_subject
from ..responder.policy import Purpose
from ..responder.recipients import domain_of, in_ascii
from ..responder.templates import AccountView, CaseView, MessageView, view
from ..tokens import Keyring
from .templating import templates_of

NONCE_LETTERS = 20
UNVERIFIED_HOOK_SUBJECT = "Your message"


@dataclass(frozen=True, slots=True)
class Composed:
    """What will be sent."""

    message_id: str
    octets: bytes


def compose_response(response: Response, account: Account, keyring: Keyring, now: float) -> Composed:
    """The mail that this row asks for. `now` in POSIX seconds."""
    address = sender_address(account)
    try:
        letter = _letter(response, account, address, keyring, now)
    except LookupError as error:
        raise ComposeFault(f"it cannot be signed: {error}") from None
    return Composed(letter.message_id, compose(letter))


def sender_address(account: Account) -> str:
    """The address that mail of this account comes from. Raises ComposeFault where there is none."""
    user = account.sender.user if account.sender is not None else ""
    address = account.address or (user if "@" in user else "")
    if not address:
        raise ComposeFault("nobody to send it from: set accounts.address")
    return in_ascii(address)


def envelopes_of(response: Response, account: Account) -> tuple[str, ...]:
    """The envelope senders to try in order. Mail that a machine wrote must not be answered by bounces (RFC 3834 §3.3); what a
    hook says for a person must come back if it cannot be delivered.
    """
    address = sender_address(account)
    reply = account.reply
    if response.purpose is Purpose.HOOK:
        return (address,)
    return NULL_SENDER, in_ascii(reply.envelope_from) if reply is not None and reply.envelope_from else address


def _letter(response: Response, account: Account, address: str, keyring: Keyring, now: float) -> Letter:
    tag = keyring.subject(response.case, account.id) if response.case else ""
    subject, text, html = _words(response, account, address, tag)
    answered = response.message
    return Letter(
        sender_name=account.name if is_safe(account.name) else "",
        sender=address,
        recipient=response.recipient,
        subject=subject,
        text=text,
        html=html,
        message_id=_message_id(response, address, keyring),
        date=now,
        automatic="auto-replied" if _answers(response) else "auto-generated",
        in_reply_to=answered.message_id if answered is not None and _answers(response) else "",
        references=_references(answered, response.verified) if answered is not None and _answers(response) else (),
        reply_to=_reply_to(response, account, address, keyring),
    )


def _answers(response: Response) -> bool:
    return response.purpose in (Purpose.AUTOMATIC, Purpose.HOOK)


def _words(response: Response, account: Account, address: str, tag: str) -> tuple[str, str, str | None]:
    """Subject, text and HTML. The sender's own words go back to verified senders only."""
    if response.purpose is Purpose.HOOK:
        return _subject(response, response.case_subject, UNVERIFIED_HOOK_SUBJECT, tag), response.text, None
    if response.message is None or not _answers(response):
        return response.subject, response.text, None
    fixed = account.reply.subject if account.reply is not None else UNVERIFIED_HOOK_SUBJECT
    about = AccountView(account.id, account.name, address)
    seen = view(_case(response, tag), about, _message(response.message), verified=response.verified)
    text, html = templates_of(account).render(seen)
    return _subject(response, response.message.subject, fixed, tag), text, html


def _subject(response: Response, own: str, fixed: str, tag: str) -> str:
    return (reply_subject(own, tag) if response.verified else "") or f"{fixed} {tag}".strip()


def _case(response: Response, tag: str) -> CaseView:
    return CaseView(response.case or "", tag, response.case_subject, response.case_requester, response.case_status)


def _message(message: InboundMessage) -> MessageView:
    sender = message.from_[0] if message.from_ else None
    name = sender.name if sender is not None and is_safe(sender.name) else ""
    subject = message.subject if is_safe(message.subject) else ""
    return MessageView(subject, name, sender.address if sender else "", message.date or "", message.reply.text)


def _message_id(response: Response, address: str, keyring: Keyring) -> str:
    nonce = hashlib.sha256(response.key.encode("utf-8")).hexdigest()[:NONCE_LETTERS]
    if response.case is None:
        return f"{nonce}@{domain_of(address)}"
    return keyring.message_id(response.case, response.account, nonce, domain_of(address))


def _references(answered: InboundMessage, verified: bool) -> tuple[str, ...]:
    """RFC 5322 §3.6.4; of a sender who is not verified only the id of the message itself is repeated."""
    ids = [*answered.references, answered.message_id] if verified else [answered.message_id]
    return message_ids(ids)


def _reply_to(response: Response, account: Account, address: str, keyring: Keyring) -> str:
    """A plus address with the thread's token, where the server delivers such and there is room for it."""
    if response.case is None or account.reply is None or not account.reply.plus_address:
        return ""
    try:
        return keyring.address(address, response.case, account.id)
    except ValueError:
        return ""
