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
from html import unescape

MAX_HTML = 2 * 1024 * 1024
MAX_AT_ONCE = 64 * 1024
MAX_QUOTE_DEPTH = 10
MAX_LIST_DEPTH = 20

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
_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]{1,2000})\"|'([^']{1,2000})'|([^\s>]{1,2000}))", re.I)
_ALT = re.compile(r"\balt\s*=\s*(?:\"([^\"]{1,300})\"|'([^']{1,300})')", re.I)
_HIDDEN = re.compile(r"\bdisplay\s{0,9}:\s{0,9}none\b", re.I)
_LONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}")
_SPACES = re.compile(" {2,}")
_SHOWN_SCHEMES = ("http://", "https://", "mailto:", "ftp://")
_EACH_BLANK = ("\t", "\r", "\n", "\f", "\xa0", "&nbsp;")  # the last by far the most frequent of all references
_BLANKS = re.compile(r"[ \t\r\n\f\xa0]+")

_PARAGRAPH_NAMES = "p h1 h2 h3 h4 h5 h6 ul ol dl pre blockquote table hr fieldset"
_BLOCK_NAMES = (
    "address article aside body caption center dd details dialog dir div dt figcaption figure footer form header legend"
    " li main menu nav option section summary tbody tfoot thead tr title"
)
_VOID_NAMES = "area base br col embed hr img input link meta param source track wbr"
_PARAGRAPHS = frozenset(_PARAGRAPH_NAMES.split())
_BLOCKS = _PARAGRAPHS | frozenset(_BLOCK_NAMES.split())
_VOID = frozenset(_VOID_NAMES.split())
_ONLY_BLOCKS = _BLOCKS - {"blockquote", "ul", "ol", "li", "pre"}
_MEANT = _BLOCKS | frozenset(["br", "ul", "ol", "td", "th", "a", "img"])
# What each tag, with the `/` of a closing one, does to the text; a tag that is not here does nothing.
_NONE, _ENDS, _ENDS_PARAGRAPH, _BREAKS, _OPENS, _CLOSES = range(6)
_EFFECTS = dict.fromkeys(_MEANT, _OPENS) | {f"/{name}": _CLOSES for name in _MEANT}
_EFFECTS |= {slash + name: _ENDS for name in _ONLY_BLOCKS - _PARAGRAPHS for slash in ("", "/")}
_EFFECTS |= {slash + name: _ENDS_PARAGRAPH for name in _ONLY_BLOCKS & _PARAGRAPHS for slash in ("", "/")}
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
            markup = _SPACES.sub(" ", markup)
    hides = "none" in markup and _HIDDEN.search(markup) is not None
    if not hides:  # these can go before they are looked at
        markup = _INLINE.sub("", markup)
    steps = _steps(markup)
    writer = _Writer()
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


def _write(steps: Iterable[Step], writer: _Writer, collapsed: bool) -> None:
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
            text = _unescape(text)
        if collapsed and "\n" not in text:
            if line:
                line.append(text)
            elif not text.isspace():
                writer.begin(text)
        elif line and not writer.preformatted:
            line.append(text if collapsed else _BLANKS.sub(" ", text))
        else:
            writer.text(text)


def _unescape(text: str) -> str:
    return unescape(_LONG_REFERENCE.sub("\ufffd", text))


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


class _Writer:
    """Lines under construction: the open line, what is owed before the next text, the quotes, lists and links still open."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self.line: list[str] = []
        self._blank_owed: int | None = None  # the quote depth of the blank line owed before the next text
        self._quote = 0
        self._lists: list[int | None] = []  # the next number of each open list; None where it has bullets
        self._mark = ""  # of the list item whose text is still to come
        self._begun = ""  # of the list item on the open line
        self.preformatted = 0
        self._link: tuple[str, int] | None = None  # target, and where in the open line its label begins

    def text(self, text: str) -> None:
        """Text at the beginning of a line, or anywhere in preformatted text."""
        if self.preformatted:
            first, *rest = text.replace("\r\n", "\n").split("\n")
            self.begin(first)
            for line in rest:
                self.line_break()
                self.begin(line)
        elif self.line or not text.isspace():
            self.begin(_BLANKS.sub(" ", text) if "\n" in text else text)

    def open(self, name: str, attributes: str) -> None:
        """A tag that does more than to end a block."""
        if name in _BLOCKS:
            self._end(name)
        if name == "blockquote":
            self._quote += 1
        elif name in ("ul", "ol"):
            self._lists.append(1 if name == "ol" else None)
        elif name == "li":
            self._mark = self._next_mark()
        elif name in ("td", "th") and self.line:
            self.line.append("\t")
        elif name == "pre":
            self.preformatted += 1
        elif name == "a" and (href := _HREF.search(attributes)):
            self._link = (_unescape(href[1] or href[2] or href[3]).strip(), len(self.line))
        elif name == "img" and (alt := _ALT.search(attributes)):
            self.begin(f"[{_BLANKS.sub(' ', _unescape(alt[1] or alt[2])).strip()}]")

    def close(self, name: str) -> None:
        if name == "a":
            self._end_link()
        elif name in _BLOCKS:
            self._end(name)
        if name == "blockquote":
            self._quote = max(0, self._quote - 1)
        elif name in ("ul", "ol") and self._lists:
            self._lists.pop()
        elif name == "pre":
            self.preformatted = max(0, self.preformatted - 1)

    def line_break(self) -> None:
        if self.line:
            self._flush()
        else:
            self._blank_line(self._quote)

    def result(self) -> str:
        self._end_link()
        self._flush()
        return "\n".join(self._lines).strip("\n")

    def begin(self, text: str) -> None:
        """Text that may be the first of its line, as it is."""
        if not self.line and (self._mark or self._blank_owed is not None) and text.strip():
            if self._blank_owed is not None:
                self._blank_line(min(self._blank_owed, self._quote))
                self._blank_owed = None
            if self._mark:
                self._begun, self._mark = self._mark, ""
        self.line.append(text)

    def end_block(self) -> None:
        """What a block's opening and its closing tag have in common; all there is to most blocks."""
        if self.line:
            self._flush()

    def end_paragraph(self) -> None:
        """The same of a block that stands apart from others."""
        if self.line:
            self._flush()
        if self._lines and (self._blank_owed is None or self._blank_owed > self._quote):
            self._blank_owed = self._quote

    def _end(self, name: str) -> None:
        self.end_paragraph() if name in _PARAGRAPHS else self.end_block()

    def _flush(self) -> None:
        if not self.line:
            return
        line = self.line[0] if len(self.line) == 1 else "".join(self.line)
        if not self.preformatted:
            if not line.isascii():
                line = line.replace("\xa0", " ")
            if "  " in line:
                line = _SPACES.sub(" ", line)
            line = line.lstrip(" ")
        if shown := line.rstrip():
            self._lines.append(_prefix(self._quote) + self._begun + shown if self._quote or self._begun else shown)
        elif self.preformatted:
            self._blank_line(self._quote)
        self.line.clear()
        self._begun = ""
        if self._link:
            self._link = (self._link[0], 0)

    def _blank_line(self, quote: int) -> None:
        if self._lines and self._lines[-1].strip("> "):
            self._lines.append(_prefix(quote).rstrip() if quote else "")

    def _next_mark(self) -> str:
        number = self._lists[-1] if self._lists else None
        indent = "  " * max(0, min(len(self._lists), MAX_LIST_DEPTH) - 1)
        if number is None:
            return indent + "- "
        self._lists[-1] = number + 1
        return f"{indent}{number}. "

    def _end_link(self) -> None:
        """The target of a link is shown behind its label, unless the label says it already."""
        if not self._link:
            return
        target, start = self._link
        self._link = None
        label = "".join(self.line[start:]).strip()
        if label and target.lower().startswith(_SHOWN_SCHEMES) and _bare(label) not in _bare(target):
            self.begin(f" <{target}>")


def _prefix(quote: int) -> str:
    return "> " * min(quote, MAX_QUOTE_DEPTH) if quote else ""


def _bare(target: str) -> str:
    """A link without what people leave out when they write it."""
    return re.sub(r"^(?:https?://|mailto:)?(?:www\.)?", "", target.strip().lower()).rstrip("/")
