"""Which parts are the body and which are attachments: RFC 8621 §4.1.4, the rule that JMAP servers follow.

Called once per message. Several text parts in a row are all body; of alternatives one is; a named text part that is not
the first, and whatever is marked as attachment, is an attachment. An attached message is one attachment, not looked into.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from .structure import Part

# What a person reads as part of the letter. Other text is data (calendars, cards, patches), unless there is nothing else:
# RFC 2046 §4.1.4 has unknown subtypes of text read as plain.
_DATA = frozenset(
    ["text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/rfc822-headers", "text/rtf", "text/x-amp-html"]
)
_LETTER = frozenset(["text/plain", "text/enriched", "text/richtext", "text/markdown", "text/x-markdown", "text/unknown"])


@dataclass(slots=True)
class Body:
    """`text` and `html` are the leaves shown as text and as HTML, in order; a leaf may be in both."""

    text: list[Part] = field(default_factory=list)
    html: list[Part] = field(default_factory=list)
    attachments: list[Part] = field(default_factory=list)


def choose(root: Part) -> Body:
    """The message's body and attachments. Every leaf is in at least one list."""
    body = Body()
    _gather([root], "mixed", False, body, True, True)
    if not body.text and not body.html:
        _take_other_text(body)
    return body


def is_html(part: Part) -> bool:
    """Text with markup."""
    return part.content_type == "text/html"


def is_plain(part: Part) -> bool:
    """Text to be read as it stands."""
    return part.content_type in _LETTER


def _gather(parts: list[Part], container: str, in_alternative: bool, body: Body, to_text: bool, to_html: bool) -> None:
    texts, htmls = len(body.text), len(body.html)
    for index, part in enumerate(parts):
        html, plain = is_html(part), is_plain(part)
        if part.children and (part.is_multipart or part.is_smime):
            kind = part.content_type[10:] if part.is_multipart else "signed"
            _gather(part.children, kind, in_alternative or kind == "alternative", body, to_text, to_html)
            if part.is_smime:  # what was signed is the letter; the whole stays, for whoever wants to verify it
                body.attachments.append(part)
        elif not (html or plain) or not _is_inline(part, index, container):
            body.attachments.append(part)
        elif container == "alternative":
            if html or part.content_type == "text/plain" or (len(body.text) == texts and not _has_plain(parts)):
                (body.html if html else body.text).append(part)
            else:
                body.attachments.append(part)
        else:
            if in_alternative:  # one of the alternatives is a container: each list takes only its own kind from here
                to_text, to_html = to_text and plain, to_html and html
            if to_text:
                body.text.append(part)
            if to_html:
                body.html.append(part)
    if container == "alternative":
        if len(body.text) == texts:
            body.text += body.html[htmls:]
        elif len(body.html) == htmls:
            body.html += body.text[texts:]


def _has_plain(parts: list[Part]) -> bool:
    return any(part.content_type == "text/plain" for part in parts)


def _take_other_text(body: Body) -> None:
    """A letter of an unknown kind of text is the body if it is the only text and has no name."""
    texts = [part for part in body.attachments if part.content_type.startswith("text/") and part.content_type not in _DATA]
    if texts and not texts[0].filename and texts[0].disposition != "attachment":
        body.text.append(texts[0])
        body.attachments.remove(texts[0])


def _is_inline(part: Part, index: int, container: str) -> bool:
    if part.disposition == "attachment":
        return False
    return index == 0 or (container != "related" and not part.filename)
