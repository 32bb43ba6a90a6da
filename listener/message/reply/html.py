"""Finds the quote in an HTML body by its markup, whatever the language of the words around it.

Mail programs wrap what they quote in an element of their own (`gmail_quote`, `blockquote type=cite`, `yahoo_quoted`) or put a
divider above it (Outlook's `divRplyFwdMsg`, its ruled box, Hotmail's `stopSpelling`). `lines` marks both, turns the HTML into
text with `html.to_text` and gives back lines whose quotes begin with `>`. One pass over tags, no tree: linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from .. import html as html_text
from .lines import is_forward_divider

MAX_LINES: Final = 20_000  # what follows is read as one line: it is kept, but not looked into
MAX_MARKS: Final = 200  # quoting elements, dividers and signatures of one body
PEEK: Final = 1500  # characters of markup read ahead to see what an element begins with
MAX_ATTRIBUTES: Final = 4000

# Private-use characters stand for what the markup says; the same characters in the mail itself are taken out first.
_CUT, _SIGNATURE, _END, _QUOTE = "\ue0c0", "\ue0c1", "\ue0c2", "\ue0c3"
_AROUND: Final = {
    ">": (f"<blockquote>{_QUOTE}", "</blockquote>"),
    _SIGNATURE: (f"<p>{_SIGNATURE}</p>", f"<p>{_END}</p>"),
}
_PRIVATE: Final = re.compile("[\ue0c0-\ue0c3]|&#(?:0*5753[6-9]|x0*e0c[0-3]);?", re.I)

_TAG: Final = re.compile(r"<!--.*?(?:-->|\Z)|<(/?)([a-zA-Z][a-zA-Z0-9:_-]{0,40})([^<>]*)>", re.S)
_NAMED: Final = re.compile(r"""\b(class|id|style|type|data-marker)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"']+))""", re.I)
_MARKUP: Final = re.compile(r"<[^<>]*>")

QUOTE_CLASSES: Final = (
    "gmail_quote", "gmail_quote_container", "yahoo_quoted", "moz-cite-prefix", "protonmail_quote", "tutanota_quote",
    "zmail_extra", "front-blockquote", "mailru-blockquote", "gmail_attr", "hubspot-quoted", "missive_quote", "freshdesk_quote",
)  # fmt: skip
QUOTE_IDS: Final = ("olk_src_body_section", "yahoo_quoted", "reply-intro", "mimestream-reply")
DIVIDER_IDS: Final = (
    "divrplyfwdmsg", "appendonsend", "stopspelling", "mail-editor-reference-message-container", "replysplit", "zwchr",
    "divtagdefaultwrapper-quote", "spark-reply",
)  # fmt: skip
DIVIDER_CLASSES: Final = ("ms-outlook-mobile-reference-message", "cm_quote", "mb-reply-divider")
SIGNATURE_CLASSES: Final = (
    "gmail_signature",
    "moz-signature",
    "protonmail_signature_block",
    "zm_signature",
    "ms-outlook-mobile-signature",
)
SIGNATURE_IDS: Final = (
    "applemailsignature",
    "ms-outlook-mobile-signature",
    "signature",
    "ymail_android_signature",
    "divsignature",
)
OUTLOOK_RULES: Final = (
    "border-top:solid#b5c4df",
    "border-top:solid#e1e1e1",
    "border-top-color:rgb(229,229,229)",
    "border-top:1ptsolid#c4c4c4",
)

# Markup without any of these words has nothing to mark: most has not, and is not gone through.
_WORDS: Final = frozenset((
    "blockquote", "border-top", "__quoted_text__", *QUOTE_CLASSES, *QUOTE_IDS, *DIVIDER_IDS, *DIVIDER_CLASSES,
    *SIGNATURE_CLASSES, *SIGNATURE_IDS,
))  # fmt: skip
_HINTS: Final = tuple(sorted(word for word in _WORDS if not any(other in word for other in _WORDS - {word})))
_SHARED: Final = ("quote", "reply", "")  # parts of many of them, which are looked for first
_BY_SHARED: Final = {
    shared: [hint for hint in _HINTS if shared == next(part for part in _SHARED if part in hint)] for shared in _SHARED
}


@dataclass(frozen=True, slots=True)
class Marked:
    """Lines with `>` before quoted ones; `cut` is where a divider stood; `signature` the indexes that the markup calls so;
    `quotes` is where an element begins that surely quotes."""

    lines: list[str]
    cuts: tuple[int, ...] = ()
    signature: frozenset[int] = frozenset()
    quotes: frozenset[int] = frozenset()


def lines(markup: str, text: str) -> Marked:
    """Lines of an HTML body with its quotes and signature marked; `text` is what `html.to_text` made of it. Never raises."""
    lowered = markup.lower()
    if not any(shared in lowered and any(map(lowered.__contains__, hints)) for shared, hints in _BY_SHARED.items()):
        return Marked(text.split("\n", MAX_LINES))
    text = html_text.to_text("".join(_marked(_PRIVATE.sub("", markup[: html_text.MAX_HTML]))))
    out: list[str] = []
    cuts: list[int] = []
    signature: set[int] = set()
    quotes: set[int] = set()
    inside = False
    for line in text.split("\n", MAX_LINES):
        if _CUT in line:
            cuts.append(len(out))
        inside = (inside or _SIGNATURE in line) and _END not in line
        if _QUOTE in line:
            quotes.add(len(out))
        bare = _PRIVATE.sub("", line)
        if bare != line and not bare.strip("> "):
            continue
        if inside:
            signature.add(len(out))
        out.append(bare)
    return Marked(out, tuple(cuts), frozenset(signature), frozenset(quotes))


def _marked(markup: str) -> Iterator[str]:
    """The markup with each quoting element inside a blockquote, and a mark where a divider or a signature stands."""
    position = marks = depth = 0
    name_open, closing = "", ""
    indents: list[bool] = []
    for tag in _TAG.finditer(markup):
        name = (tag[2] or "").lower()
        if name == "blockquote" and _swaps(indents, tag):
            yield markup[position : tag.start()] + ("</div>" if tag[1] else "<div>")
            position = tag.end()
        if not name:
            continue
        if name == name_open and not tag[3].endswith("/"):
            depth += -1 if tag[1] else 1
            if depth == 0:
                yield markup[position : tag.end()] + closing
                position, name_open = tag.end(), ""
                continue
        if tag[1] or len(tag[3]) > MAX_ATTRIBUTES or "=" not in tag[3]:
            continue
        if marks >= MAX_MARKS:
            break
        kind = _kind(name, tag[3], markup, tag.end())
        marks += bool(kind)
        if kind == _CUT:
            yield f"{markup[position : tag.start()]}<p>{_CUT}</p>"
            position = tag.start()
        elif kind == ">" and name == "blockquote":
            yield f"{markup[position : tag.end()]}{_QUOTE}"
            position = tag.end()
        elif kind and not name_open:
            before, closing = _AROUND[kind]
            yield markup[position : tag.start()] + before
            position, name_open, depth = tag.start(), name, 1
    yield markup[position:]


def _swaps(indents: list[bool], tag: re.Match[str]) -> bool:
    """Whether a blockquote tag only indents (Gmail's button for it), and quotes nobody. `indents` are those still open."""
    if tag[1]:
        return bool(indents) and indents.pop()
    style = "".join(tag[3][:MAX_ATTRIBUTES].lower().split())
    indents.append("border:none" in style and "type=" not in style and "class=" not in style)
    return indents[-1]


def _kind(name: str, attributes: str, markup: str, after: int) -> str:
    """`>` for an element that quotes, a private mark for a divider or a signature, "" for any other."""
    found = {match[1].lower(): (match[2] or match[3] or match[4] or "").lower() for match in _NAMED.finditer(attributes)}
    classes, identity = found.get("class", "").split(), found.get("id", "").removeprefix("x_")
    if identity in DIVIDER_IDS or any(c.endswith(DIVIDER_CLASSES) for c in classes) or _is_ruled(found, markup, after):
        return _CUT
    if found.get("data-marker") == "__quoted_text__":
        return _CUT
    if name == "blockquote" and found.get("type") == "cite":
        return ">"
    if any(c.endswith(QUOTE_CLASSES) for c in classes) or identity.startswith(QUOTE_IDS):
        return "" if _begins_forward(markup, after) else ">"
    if any(c.endswith(SIGNATURE_CLASSES) for c in classes) or identity in SIGNATURE_IDS:
        return _SIGNATURE
    return ""


def _is_ruled(found: dict[str, str], markup: str, after: int) -> bool:
    """Outlook's box with a rule on top, in which the header block of the quoted message stands."""
    style = "".join(found.get("style", "").split())
    if "border-top" not in style or not any(rule in style for rule in OUTLOOK_RULES):
        return False
    return ":" in _peek(markup, after)[:80]


def _begins_forward(markup: str, after: int) -> bool:
    return any(is_forward_divider(line) for line in _peek(markup, after).split("\n")[:3])


def _peek(markup: str, after: int) -> str:
    ahead = re.sub(r"\s+", " ", markup[after : after + PEEK])
    return _MARKUP.sub("\n", ahead).replace("&nbsp;", " ").strip()
