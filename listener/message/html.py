"""HTML mail as text that reads well.

`to_text` is called where a message has no text part. Text comes from one pass over tags
(never from a tree: tree builders take quadratic time on deep nesting), so any markup is read in linear time.

What the text keeps: paragraphs, list marks, table rows (cells apart by a tab), `> ` before quoted lines, `label <url>` for
links whose target is not the label, `[alt]` for pictures with a description. What it drops: head, style, script, comments
and elements that no reader sees (`display:none`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .html_writer import BLANKS, BLOCKS, PARAGRAPHS, SPACES, Writer, unescape

MAX_HTML = 2 * 1024 * 1024
MAX_AT_ONCE = 64 * 1024

Step = tuple[str, str, str]
"""A tag's name, with its `/` when it closes, or "" where no tag is; its attributes; and the text behind it."""

_SPLIT_AT = re.compile(r"<(/?[a-zA-Z][a-zA-Z0-9:_-]*+)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>|[^<>]*+>)", re.S)
_TOKEN = re.compile(
    r"([^<]+)"
    r"|<(/?)([a-zA-Z][a-zA-Z0-9:_-]*+)((?:[^<>\"']|\"[^\"]*\"|'[^']*')*+>|[^<>]*+>)"
    r"|<[!?/][^<>]*+(?:>|(?=<))"
    r"|(<+(?=<)|<)",
    re.S,
)
_INLINE = re.compile(
    r"<(?:/?(?=[biusefto])(?:[bius]|em|strong|small|big|font|span|tt|o:p)"
    r"(?:>|(?=[\s/])(?:[^<>\"']|\"[^\"<>]*\"|'[^'<>]*')*+>))",
    re.I,
)
_SKIPPED = re.compile(
    r"<!--.*?(?:--!?>|\Z)"
    r"|<(?=[stxnmo])(script|style|title|textarea|xmp|noframes|template|svg|math|object)(?=[\s>/])[^<>]*>",
    re.S | re.I,
)
_HIDDEN = re.compile(r"\bdisplay\s{0,9}:\s{0,9}none\b", re.I)
_EACH_BLANK = ("\t", "\r", "\n", "\f", "\xa0", "&nbsp;")  # the last by far the most frequent of all references

_VOID_NAMES = "area base br col embed hr img input link meta param source track wbr"
_VOID = frozenset(_VOID_NAMES.split())
_ONLY_BLOCKS = BLOCKS - {"blockquote", "ul", "ol", "li", "pre"}
_MEANT = BLOCKS | frozenset(["br", "ul", "ol", "td", "th", "a", "img"])
# What each tag, with the `/` of a closing one, does to the text; a tag that is not here does nothing.
_NONE, _ENDS, _ENDS_PARAGRAPH, _BREAKS, _OPENS, _CLOSES = range(6)
_EFFECTS = dict.fromkeys(_MEANT, _OPENS) | {f"/{name}": _CLOSES for name in _MEANT}
_EFFECTS |= {slash + name: _ENDS for name in _ONLY_BLOCKS - PARAGRAPHS for slash in ("", "/")}
_EFFECTS |= {slash + name: _ENDS_PARAGRAPH for name in _ONLY_BLOCKS & PARAGRAPHS for slash in ("", "/")}
_EFFECTS |= {"br": _BREAKS}
SELF_CLOSING = _VOID | frozenset(["p", "li", "td", "tr", "th", "dt", "dd", "option", "tbody", "thead", "o:p"])


def to_text(markup: str) -> str:
    """What a reader sees of the markup, as lines. Linear; only the first 2 MiB are read."""
    markup = _seen(markup[:MAX_HTML])
    collapsed = "<pre" not in markup.lower()
    if collapsed:
        for blank in _EACH_BLANK:
            if blank in markup:
                markup = markup.replace(blank, " ")
        if "  " in markup:
            markup = SPACES.sub(" ", markup)
    hides = "none" in markup and _HIDDEN.search(markup) is not None
    if not hides:  # these can go before they are looked at
        markup = _INLINE.sub("", markup)
    steps = _steps(markup)
    writer = Writer()
    _write(_seen_steps(steps) if hides else steps, writer, collapsed)
    return writer.result()


def _steps(markup: str) -> Iterable[Step]:
    """The markup step by step. Where every `<` begins a tag, as nearly always, one split finds them all."""
    if len(markup) <= MAX_AT_ONCE:
        pieces = _SPLIT_AT.split(markup)
        if len(pieces) // 3 == markup.count("<"):
            return zip(["", *pieces[1::3]], ["", *pieces[2::3]], pieces[::3], strict=True)
    return _one_by_one(markup)


def _one_by_one(markup: str) -> Iterator[Step]:
    name = attributes = ""
    for token in _TOKEN.finditer(markup):
        if token[3]:
            if name:
                yield name, attributes, ""
            name, attributes = token[2] + token[3], token[4]
        elif text := token[1] or token[5]:
            yield name, attributes, text
            name = attributes = ""
    yield name, attributes, ""


def _seen_steps(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps without the elements that no reader sees."""
    hidden = _Hidden()
    for name, attributes, text in steps:
        bare = name.lower()
        if hidden.name:
            hidden.inside(bare.removeprefix("/"), bare[:1] == "/")
            name = attributes = ""
        elif "none" in attributes and bare[:1] != "/" and hidden.begins(bare, attributes):
            continue
        if not hidden.name:
            yield name, attributes, text


def _write(steps: Iterable[Step], writer: Writer, collapsed: bool) -> None:
    """Every tag that means something to the writer, and every text, in order."""
    line, effect_of = writer.line, _EFFECTS.get
    for name, attributes, text in steps:
        if name:
            effect = effect_of(name) or effect_of(name.lower(), _NONE)
            if effect == _ENDS:
                writer.end_block()
            elif effect == _ENDS_PARAGRAPH:
                writer.end_paragraph()
            elif effect == _BREAKS:
                writer.line_break()
            elif effect == _CLOSES:
                writer.close(name[1:].lower())
            elif effect == _OPENS:
                writer.open(name.lower(), attributes)
        if not text or (text == " " and collapsed and not line):
            continue
        if "&" in text:
            text = unescape(text)
        if collapsed and "\n" not in text:
            if line:
                line.append(text)
            elif not text.isspace():
                writer.begin(text)
        elif line and not writer.preformatted:
            line.append(text if collapsed else BLANKS.sub(" ", text))
        else:
            writer.text(text)


def _seen(markup: str) -> str:
    """The markup without comments and without the content of style, script and their like.

    An element that is never closed is left, so that no text is lost to a slip.
    """
    if not _SKIPPED.search(markup):
        return markup
    lowered = markup.lower()
    if len(lowered) != len(markup):  # a few letters have a longer lower case; tag names are ASCII
        lowered = markup.translate(_LOWER)
    kept, position = [], 0
    never_closed: set[str] = set()
    while skipped := _SKIPPED.search(markup, position):
        name, end = (skipped[1] or "").lower(), skipped.end()
        if name:
            end = -1 if name in never_closed else lowered.find(f"</{name}", end)
        if end < 0:
            never_closed.add(name)
            kept.append(markup[position : skipped.end()])
            position = skipped.end()
        else:
            kept.append(markup[position : skipped.start()])
            position = end
    return "".join(kept) + markup[position:]


_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class _Hidden:
    """The element, if any, that keeps what stands in it from being displayed."""

    def __init__(self) -> None:
        self.name = ""
        self._depth = 0

    def begins(self, name: str, attributes: str) -> bool:
        if name in SELF_CLOSING or not _HIDDEN.search(attributes):
            return False
        self.name, self._depth = name, 1
        return True

    def inside(self, name: str, closing: bool) -> None:
        if name == self.name:
            self._depth += -1 if closing else 1
            if not self._depth:
                self.name = ""
