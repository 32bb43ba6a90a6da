"""Is this message a notice that one of ours was not (or not yet) delivered, to whom, and why?

`read` is called once a message. It believes, in this order, the fields of a delivery report (RFC 3464), `X-Failed-Recipients`,
and what the notice says in words, of which dozens of systems each have their own. Three signs tell a bounce from a person who
writes about one: a mail system sends it, its subject is a system's, its text is. Nothing inside an attached message counts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from .. import encoded_words, identifiers
from ..addresses_in_text import addresses_in
from ..model import Bounce, BounceRecipient
from ..structure import Part, own_parts
from . import fields as report_fields
from . import notice as notices
from . import ses
from .notice import Failure, Notice
from .words import DELAY_SUBJECTS, NAMES, SENDERS, SUBJECTS, UNSPACED_SUBJECTS, fold, reason, reply_class, status_in

MAX_DIAGNOSTIC: Final = 1000
MAX_FIELD: Final = 1000
MAX_REPORTS: Final = 10  # delivery-status parts of one message that are read
REPORT_TYPES: Final = ("message/delivery-status", "message/global-delivery-status", "message/xdelivery-status")

_NOT_BOUNCES: Final = (
    "message/feedback-report", "message/disposition-notification", "message/global-disposition-notification",
)  # fmt: skip
_CHALLENGES: Final = (
    "requires confirmation",
    "confirm your message",
    "verify that you are",
    "sender verification required at http",
)
_HEADS: Final = frozenset(phrase[:2] for phrase in SUBJECTS)  # tells most subjects apart from a bounce's at once
_SYSTEM: Final = re.compile("|".join(sorted(map(re.escape, (*SENDERS, *NAMES)))))  # tells most senders apart likewise
_BY_REASON: Final = {
    "user_unknown": "5.1.1",
    "mailbox_full": "5.2.2",
    "host_unknown": "5.1.2",
    "message_too_big": "5.3.4",
    "user_disabled": "5.2.1",
}


def read(root: Part) -> Bounce | None:
    """The bounce or delay notice that the message is, None when it is none. Linear; never raises."""
    parts = own_parts(root)
    if any(part.content_type in _NOT_BOUNCES for part in parts):
        return None
    told = ses.read(root)
    if told.kind:
        return Bounce(tuple(_reported(told.groups, {})), told.message_id) if told.groups else None
    structured = [part for part in parts if part.content_type in REPORT_TYPES]
    if not structured and not _may_be_notice(root):
        return None
    reports = [group for part in structured[:MAX_REPORTS] for group in report_fields.groups(notices.text_of(part))][
        : notices.MAX_RECIPIENTS
    ]
    notice = notices.read(root)
    if not reports:
        reports = report_fields.groups("\n".join(notice.lines))
        if not structured and not _is_notice(root, notice, parts, bool(reports)):
            return None
    if reports:
        recipients = _reported(reports, {failure.address.lower(): " ".join(failure.diagnostic) for failure in notice.failures})
    else:
        recipients = _told(root, parts, notice)
    if (reports and not recipients) or (recipients and all(map(_asks_to_confirm, recipients))):
        return None
    return Bounce(tuple(recipients), _original_message_id(root, parts, notice))


def is_delayed(bounce: Bounce) -> bool:
    """Whether nothing has failed yet: every recipient is only late."""
    return bool(bounce.recipients) and all(recipient.action == "delayed" for recipient in bounce.recipients)


def _asks_to_confirm(recipient: BounceRecipient) -> bool:
    """A refusal that asks the sender to prove to be a person: challenge and response, not a failure."""
    return any(phrase in fold(recipient.diagnostic) for phrase in _CHALLENGES)


def from_mail_system(root: Part) -> bool:
    """Whether the sender is a mail system by its name: `MAILER-DAEMON`, `postmaster`, "Mail Delivery Subsystem"."""
    name, angle, address = root.get("from")[:MAX_FIELD].partition("<")
    if "=?" in address:
        name, angle, address = name + angle + address, "", ""
    value = f"{encoded_words.decode(name)} {angle}{address}".strip()
    if not _SYSTEM.search(fold(value)):
        return False
    found = addresses_in(value)
    local = (found[0] if found else value).partition("@")[0].strip(' <>"').casefold()
    name = fold(value.partition("<")[0].strip(' "'))
    return local in SENDERS or local.partition("+")[0] in SENDERS or name.startswith(NAMES) or (bool(name) and name in SENDERS)


def has_bounce_subject(root: Part) -> bool:
    """Whether the subject is one that mail systems write; after "Re:" it is a person's."""
    subject = fold(root.text("subject")[:MAX_FIELD])
    if _begins(subject) or (" : " in subject and _begins(subject.rpartition(" : ")[2])):
        return True
    if not subject.isascii() and any(phrase in subject for phrase in UNSPACED_SUBJECTS):
        return True
    return subject.startswith("warning: ") and "unknown" in subject


def _begins(subject: str) -> bool:
    return subject[:2] in _HEADS and subject.startswith(SUBJECTS)


def _may_be_notice(root: Part) -> bool:
    """The signs in the header, without one of which no text is read: most mail is no bounce."""
    return _has_null_sender(root) or from_mail_system(root) or has_bounce_subject(root)


def _has_null_sender(root: Part) -> bool:
    return root.get("return-path").strip() in ("<>", "< >") or not root.get("from", "?").strip(" <>")


def _is_notice(root: Part, notice: Notice, parts: list[Part], reported: bool) -> bool:
    """Enough signs together that a mail system wrote this about a message of ours."""
    system = from_mail_system(root) or not root.get("from", "?").strip(" <>")
    subject = has_bounce_subject(root)
    if not (system or subject or reported) and root.get("auto-submitted").strip().lower().startswith("auto-replied"):
        return False  # a person's vacation program
    returned = bool(notice.rest) or any(part.is_message or part.content_type == "text/rfc822-headers" for part in parts[1:])
    told = notice.introduced or reported
    if root.get("x-failed-recipients").strip():
        return True
    if system or _has_null_sender(root):
        declared = "delivery-status" in root.get("content-type").lower()
        return told or (subject and (returned or bool(notice.failures) or declared))
    return (told or returned) and (bool(notice.failures) or reported or (told and returned))


def _says_delayed(root: Part, notice: Notice) -> bool:
    subject = fold(root.text("subject")[:MAX_FIELD])
    text = fold(" ".join(notice.lines[:60]))
    return any(word in subject for word in DELAY_SUBJECTS) or any(
        phrase in text
        for phrase in (
            "warning message only", "you do not need to resend", "not yet been delivered", "delivery attempts will continue",
            "has been delayed", "will be retried", "will continue to attempt", "this is just a warning", "continue to try",
            "no action is required on your part", "still being retried", "will keep trying", "message is still in the queue",
        )
    )  # fmt: skip


def _reported(reports: Sequence[dict[str, str]], words: dict[str, str]) -> list[BounceRecipient]:
    """One recipient a group that failed or is late; a delivered one is no bounce. `words` by address, where fields are bare."""
    found: list[BounceRecipient] = []
    for group in reports:
        action = report_fields.action(group)
        if action not in ("failed", "delayed"):
            continue
        address = report_fields.recipient(group) or report_fields.named(group)
        diagnostic = group.get("diagnostic-code", "").partition(";")[2].strip() or group.get("diagnostic-code", "").strip()
        diagnostic = diagnostic or words.get(address.lower(), "")
        found.append(_recipient(address, action, group.get("status", ""), diagnostic))
    return found


def _told(root: Part, parts: list[Part], notice: Notice) -> list[BounceRecipient]:
    """The recipients that the words of the notice name, or its X-Failed-Recipients."""
    failures = list(notice.failures)
    everything = [line.strip() for line in notice.lines if line.strip()]
    fields = [address for value in root.get_all("x-failed-recipients") for address in addresses_in(value[:MAX_FIELD])]
    if fields:
        known = {failure.address.lower(): failure for failure in failures}
        failures = [known.get(address.lower()) or Failure(address, everything) for address in fields]
    if not failures and (address := _at_home(root, notice) or _returned_to(parts, notice)):
        failures = [Failure(address)]
    if len(failures) == 1 and not reply_class(" ".join(failures[0].diagnostic)):
        failures[0].diagnostic += everything
    action = "delayed" if _says_delayed(root, notice) else "failed"
    return [_recipient(failure.address, action, "", " ".join(failure.diagnostic)) for failure in failures]


def _at_home(root: Part, notice: Notice) -> str:
    """A mailbox that the notice names without its domain, which then is the mail system's own."""
    name = notices.local_name(notice.lines)
    sender = addresses_in(root.get("from")[:MAX_FIELD])
    return f"{name}@{sender[0].rpartition('@')[2]}" if name and sender else ""


def _returned_to(parts: list[Part], notice: Notice) -> str:
    """The one recipient of the returned message, where the notice names none."""
    returned = next((part.children[0].get("to") for part in parts[1:] if part.is_message and part.children), "")
    returned = returned or next((line for line in notice.rest if line[:3].lower() == "to:"), "")
    found = addresses_in(returned[:MAX_FIELD])
    return found[0] if len(found) == 1 else ""


def _recipient(address: str, action: str, declared: str, diagnostic: str) -> BounceRecipient:
    status = status_in(declared)
    exact = status_in(diagnostic)
    if exact and (not status or status.endswith(".0.0") or status[0] == exact[0]):
        status = exact
    why = reason(diagnostic, status)
    if not status:
        known = _BY_REASON.get(why, "")
        kind = reply_class(diagnostic) or ("4" if action == "delayed" else "5" if known else "")
        status = (kind + known[1:] if known else f"{kind}.0.0") if kind else ""
    permanent = action == "failed" and not status.startswith("4")
    return BounceRecipient(address, action, status, permanent, why, " ".join(diagnostic.split())[:MAX_DIAGNOSTIC])


def _original_message_id(root: Part, parts: list[Part], notice: Notice) -> str | None:
    """Of the returned message or its headers; else what the notice answers to."""
    for part in parts[1:]:
        if part.is_message and part.children:
            found = identifiers.read(part.children[0].get_all("message-id"))
        elif part.content_type in ("text/rfc822-headers", "message/rfc822-headers"):
            found = _in_lines(notices.text_of(part).split("\n"))
        else:
            continue
        if found:
            return found[0]
    found = _in_lines(notice.rest) or _in_lines(notice.lines) or identifiers.read(root.get_all("in-reply-to"))
    return found[0] if found else None


def _in_lines(lines: list[str]) -> tuple[str, ...]:
    for number, line in enumerate(lines):
        if line[:11].lower() == "message-id:":
            return identifiers.read(
                [line[11:MAX_FIELD] + " " + (lines[number + 1][:MAX_FIELD] if number + 1 < len(lines) else "")]
            )
    return ()
