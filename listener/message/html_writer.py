"""The lines of an HTML mail under construction: what each tag that matters does to the text (`html.to_text`).

Used by `html` alone, which finds the tags. Blank lines, list marks and quote marks are owed until text comes, so that empty
elements leave nothing behind.
"""

from __future__ import annotations

import re
from html import unescape as _unescaped

MAX_QUOTE_DEPTH = 10
MAX_LIST_DEPTH = 20

_HREF = re.compile(r"\bhref\s*=\s*(?:\"([^\"]{1,2000})\"|'([^']{1,2000})'|([^\s>]{1,2000}))", re.I)
_ALT = re.compile(r"\balt\s*=\s*(?:\"([^\"]{1,300})\"|'([^']{1,300})')", re.I)
_LONG_REFERENCE = re.compile(r"&#[xX]?[0-9a-fA-F]{9,}")
SPACES = re.compile(" {2,}")
_SHOWN_SCHEMES = ("http://", "https://", "mailto:", "ftp://")
BLANKS = re.compile(r"[ \t\r\n\f\xa0]+")

_PARAGRAPH_NAMES = "p h1 h2 h3 h4 h5 h6 ul ol dl pre blockquote table hr fieldset"
_BLOCK_NAMES = (
    "address article aside body caption center dd details dialog dir div dt figcaption figure footer form header legend"
    " li main menu nav option section summary tbody tfoot thead tr title"
)
PARAGRAPHS = frozenset(_PARAGRAPH_NAMES.split())
BLOCKS = PARAGRAPHS | frozenset(_BLOCK_NAMES.split())


class Writer:
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
            self.begin(BLANKS.sub(" ", text) if "\n" in text else text)

    def open(self, name: str, attributes: str) -> None:
        """A tag that does more than to end a block."""
        if name in BLOCKS:
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
            self._link = (unescape(href[1] or href[2] or href[3]).strip(), len(self.line))
        elif name == "img" and (alt := _ALT.search(attributes)):
            self.begin(f"[{BLANKS.sub(' ', unescape(alt[1] or alt[2])).strip()}]")

    def close(self, name: str) -> None:
        if name == "a":
            self._end_link()
        elif name in BLOCKS:
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
        self.end_paragraph() if name in PARAGRAPHS else self.end_block()

    def _flush(self) -> None:
        if not self.line:
            return
        line = self.line[0] if len(self.line) == 1 else "".join(self.line)
        if not self.preformatted:
            if not line.isascii():
                line = line.replace("\xa0", " ")
            if "  " in line:
                line = SPACES.sub(" ", line)
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


def unescape(text: str) -> str:
    return _unescaped(_LONG_REFERENCE.sub("\ufffd", text))
