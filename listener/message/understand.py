"""From the tree of parts to the message as everyone else sees it: one place that asks every reader once.

Called by the package's entry points. The order is: fields, body, attachments, then what only makes sense of them all
(authentication, kind, bounce, reply).
"""

from __future__ import annotations

from collections.abc import Mapping

from . import (
    addresses,
    attachments,
    authentication,
    body,
    bounce,
    classify,
    dates,
    enclosures,
    flags,
    identifiers,
    reply,
    sealed,
    text,
    tnef,
)
from .model import InboundMessage, Trust
from .structure import Part

MAX_DEFECTS = 50
MAX_SUBJECT = 10_000
DELIVERED = ("delivered-to", "x-original-to", "envelope-to")
"""Where Postfix and Gmail, Postfix, and Exim write the address that mail was sent to in its envelope."""


def understand(root: Part, octets: bytes, trust: Trust, defects: list[str]) -> InboundMessage:
    """Everything we say about the message. `octets` are the raw ones, for the substitute of a missing Message-ID."""
    chosen = body.choose(root)
    containers = _opened(chosen, defects)
    texts = text.read(chosen, containers, defects)
    found = attachments.found(chosen.attachments, containers, texts.files, defects)
    invitations, cards = enclosures.read(found) if found else ((), ())
    fields = root.index
    message_id, own = identifiers.message_id(fields.get("message-id", []), octets)
    reply_to = addresses.read(fields.get("reply-to", []), defects)
    from_ = addresses.read(fields.get("from", []), defects)
    _field_defects(fields, own, defects)
    defects += sealed.defects(root, texts.text)
    notice = bounce.read(root)
    kind, automatic = classify.classify(root, notice, from_)
    return InboundMessage(
        message_id=message_id,
        subject=root.text("subject")[:MAX_SUBJECT],
        date=dates.read(root.get("date")),
        in_reply_to=identifiers.read(fields.get("in-reply-to", [])[-1:]),
        references=identifiers.read(fields.get("references", [])),
        from_=from_,
        sender=addresses.read(fields.get("sender", []), defects),
        reply_to=reply_to,
        to=addresses.read(fields.get("to", []), defects),
        cc=addresses.read(fields.get("cc", []), defects),
        return_path=addresses.return_path(root.get("return-path")),
        delivered_to=_delivered_to(fields),
        text=texts.text,
        html=texts.html,
        reply=reply.extract(texts.text, texts.html if texts.from_html else None, trust.reply_markers),
        attachments=attachments.described(found),
        invitations=invitations,
        cards=cards,
        kind=kind,
        automatic=automatic,
        bounce=notice,
        authentication=authentication.judge(root, from_, trust),
        defects=_distinct([*defects, *flags.flags(from_, reply_to)]),
    )


def attachment_octets(root: Part) -> list[bytes]:
    """The decoded octets of every attachment, in the order in which the message lists them."""
    chosen, defects = body.choose(root), list[str]()
    containers = _opened(chosen, defects)
    files = text.read(chosen, containers, defects).files
    return [item.octets for item in attachments.found(chosen.attachments, containers, files, defects)]


def _opened(chosen: body.Body, defects: list[str]) -> dict[int, tnef.Contents]:
    """What every winmail.dat holds, by the part's identity."""
    if not chosen.attachments:
        return {}
    opened = {id(part): tnef.read(part.content) for part in chosen.attachments if attachments.is_tnef(part)}
    defects += [defect for contents in opened.values() for defect in contents.defects]
    return opened


def _delivered_to(fields: Mapping[str, list[str]]) -> tuple[str, ...]:
    values = [value for name in DELIVERED if name in fields for value in fields[name]]
    return addresses.delivered_to(values) if values else ()


def _field_defects(fields: Mapping[str, list[str]], own_id: bool, defects: list[str]) -> None:
    if not own_id:
        defects.append("message-id: missing, a substitute was made from the digest")
    for name in ("from", "date"):
        count = len(fields.get(name, ()))
        if count != 1:
            defects.append(f"{name}: {'missing' if not count else f'{count} fields'}")


def _distinct(defects: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(defects))[:MAX_DEFECTS] if defects else ()
