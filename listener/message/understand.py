"""From the tree of parts to the message as everyone else sees it: one place that asks every reader once.

Called by the package's entry points. The order is: fields, body, attachments, then what only makes sense of them all
(authentication, kind, bounce, reply).
"""

from __future__ import annotations

from . import addresses, attachments, body, bounce, dates, identifiers, reply, text
from .model import InboundMessage, Trust
from .structure import Part

MAX_DEFECTS = 50
MAX_SUBJECT = 10_000


def understand(root: Part, octets: bytes, trust: Trust, defects: list[str]) -> InboundMessage:
    """Everything we say about the message. `octets` are the raw ones, for the substitute of a missing Message-ID."""
    chosen = body.choose(root)
    texts = text.read(chosen, defects)
    found = attachments.found(chosen.attachments, texts.files, defects)
    message_id, own = identifiers.message_id(root.get_all("message-id"), octets)
    _field_defects(root, own, defects)
    from_ = addresses.read(root.get_all("from"), defects)
    return InboundMessage(
        message_id=message_id,
        subject=root.text("subject")[:MAX_SUBJECT],
        date=dates.read(root.get("date")),
        in_reply_to=identifiers.read(root.get_all("in-reply-to")[-1:]),
        references=identifiers.read(root.get_all("references")),
        from_=from_,
        sender=addresses.read(root.get_all("sender"), defects),
        reply_to=addresses.read(root.get_all("reply-to"), defects),
        to=addresses.read(root.get_all("to"), defects),
        cc=addresses.read(root.get_all("cc"), defects),
        return_path=addresses.return_path(root.get("return-path")),
        text=texts.text,
        html=texts.html,
        reply=reply.extract(texts.text, texts.html if texts.from_html else None),
        attachments=attachments.described(found),
        bounce=bounce.read(root),
        defects=_distinct(defects),
    )


def attachment_octets(root: Part) -> list[bytes]:
    """The decoded octets of every attachment, in the order in which the message lists them."""
    chosen = body.choose(root)
    defects: list[str] = []
    return [item.octets for item in attachments.found(chosen.attachments, text.read(chosen, defects).files, defects)]


def _field_defects(root: Part, own_id: bool, defects: list[str]) -> None:
    if not own_id:
        defects.append("message-id: missing, a substitute was made from the digest")
    for name in ("from", "date"):
        count = len(root.get_all(name))
        if count != 1:
            defects.append(f"{name}: {'missing' if not count else f'{count} fields'}")
    if root.content_type == "multipart/encrypted":
        defects.append("encrypted: the content cannot be read (OpenPGP, RFC 3156)")
    elif (
        root.content_type in ("application/pkcs7-mime", "application/x-pkcs7-mime")
        and root.params.get("smime-type") != "signed-data"
    ):
        defects.append("encrypted: the content cannot be read (S/MIME, RFC 8551)")
    elif root.content_type == "message/partial":
        defects.append("partial: one piece of a larger message (RFC 2046 §5.2.2)")


def _distinct(defects: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(defects))[:MAX_DEFECTS]
