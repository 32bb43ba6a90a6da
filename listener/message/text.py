"""The body as text and as HTML: parts decoded, joined in order, flowed text put back together.

Called once per message with what `body.choose` found. Where there is no plain text, or only blanks, the text is made from
the HTML. Files embedded in the text (uuencode, yEnc) are taken out and given back as attachments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape

from . import calendar, charset, embedded, flowed, html, rtf, tnef, vcard
from .body import Body, is_html
from .structure import Part

MAX_TEXT = 4 * 1024 * 1024

_META_CHARSET = re.compile(rb"<meta[^>]{0,300}?charset\s*=\s*[\"']?([A-Za-z0-9_:.-]{1,40})", re.I)
_FORMATTING = re.compile(r"<(<)|</?[a-zA-Z][^<>]{0,60}>|\n(\n*)")


@dataclass(slots=True)
class Texts:
    """`files` are embedded files with the part they were found in."""

    text: str = ""
    html: str | None = None
    from_html: bool = False  # whether any of `text` was made from HTML
    files: list[tuple[Part, embedded.File]] = field(default_factory=list)


def read(body: Body, containers: Mapping[int, tnef.Contents], defects: list[str]) -> Texts:
    """Text and HTML of the body, or, where it has none, of a winmail.dat, an invitation or a card. Never raises."""
    result = _of_body(body, defects)
    if not result.text.strip() and not result.html:
        _without_body(body.attachments, containers, result, defects)
    return result


def _of_body(body: Body, defects: list[str]) -> Texts:
    result = Texts()
    if len(body.text) == 1 and body.html == body.text and not is_html(body.text[0]):  # nearly every letter of a person
        result.text = _plain(body.text[0], result, defects)
        return _with_files(result)
    parts = {id(part): part for part in body.text + body.html}
    plain = {key: _plain(part, result, defects) for key, part in parts.items() if not is_html(part)}
    markup = {key: _markup(part, defects) for key, part in parts.items() if is_html(part)}
    pieces = [plain[id(part)] if id(part) in plain else html.to_text(markup[id(part)]) for part in body.text]
    result.from_html = any(id(part) in markup for part in body.text)
    if markup:
        shown = [markup[id(part)] if id(part) in markup else _as_html(plain[id(part)]) for part in body.html]
        result.html = "\n".join(shown) if any(piece.strip() for piece in shown) else None
        if result.html and not result.from_html and not any(piece.strip() for piece in pieces):
            pieces, result.from_html = [html.to_text(result.html)], True
    result.text = pieces[0] if len(pieces) == 1 else "\n".join(piece for piece in pieces if piece.strip())
    return _with_files(result)


def _with_files(result: Texts) -> Texts:
    if result.files:
        result.files = embedded.joined(result.files)
    return result


def _without_body(parts: list[Part], containers: Mapping[int, tnef.Contents], result: Texts, defects: list[str]) -> None:
    for part in parts:
        if contents := containers.get(id(part)):
            _of_container(contents, result)
        elif part.content_type == "text/calendar":
            result.text = calendar.describe(decoded(part, part.content, defects))
        elif part.content_type in ("text/vcard", "text/x-vcard", "text/directory"):
            result.text = vcard.describe(decoded(part, part.content, defects))
        if result.text:
            return


def _of_container(contents: tnef.Contents, result: Texts) -> None:
    markup, plain = contents.html, contents.text
    if contents.rtf and not markup:
        body = rtf.read(contents.rtf)
        markup, plain = (body.text, plain) if body.is_html else ("", plain or body.text)
    result.html = markup or None
    result.text = plain.replace("\r\n", "\n") or html.to_text(markup)
    result.from_html = not plain


def decoded(part: Part, octets: bytes, defects: list[str]) -> str:
    """A text part's octets as text with LF line ends."""
    if len(octets) > MAX_TEXT:
        octets = octets[:MAX_TEXT]
        defects.append(f"text: a part over {MAX_TEXT} octets was cut")
    declared = part.charset
    if not declared and part.content_type == "text/html" and (meta := _META_CHARSET.search(octets[:4096])):
        declared = meta[1].decode("ascii")
    text, defect = charset.decode(octets, declared)
    if defect and declared:
        defects.append(defect)
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _plain(part: Part, result: Texts, defects: list[str]) -> str:
    octets, files = embedded.split(part.content)
    result.files += [(part, file) for file in files]
    text = decoded(part, octets, defects)
    if part.params.get("format", "").lower() == "flowed":
        return flowed.unflow(text, part.params.get("delsp", "").lower() == "yes")
    if part.content_type in ("text/enriched", "text/richtext"):
        return _without_formatting(text)
    return text


def _without_formatting(text: str) -> str:
    """RFC 1896: commands go, `<<` is a bracket, one line break is a blank and n are n - 1."""
    return _FORMATTING.sub(lambda found: found[1] or (found[2] or " " if found[0][0] == "\n" else ""), text)


def _markup(part: Part, defects: list[str]) -> str:
    return decoded(part, part.content[: html.MAX_HTML], defects)


def _as_html(text: str) -> str:
    return f'<div style="white-space: pre-wrap">{escape(text)}</div>'
