"""HTML mail made safe to show: nothing that runs, loads from elsewhere or leaves its frame.

`safe_html` is called by the console. nh3 cleans; what would take a tree builder too long is shown as its text instead.
"""

from __future__ import annotations

import re
from html import escape

import nh3

from .html import MAX_HTML, SELF_CLOSING, to_text

MAX_TREE_DEPTH = 400  # beyond this nh3 (and any tree builder) slows down quadratically
MAX_OPEN_FORMATTING = 60  # `<b>`, `<font>`… left open are copied into every later paragraph

_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9:_-]*)")
_FORMATTING = frozenset(["a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"])


def safe_html(markup: str) -> str:
    """The markup without anything that runs, loads from elsewhere or leaves its frame; too tangled to clean, its text."""
    if not tractable(markup):
        return f"<pre>{escape(to_text(markup))}</pre>"
    return _CLEANER.clean(markup[:MAX_HTML])


def tractable(markup: str) -> bool:
    """Whether a tree builder such as nh3 can read the markup in reasonable time: bounded size, depth and open formatting."""
    if len(markup) > MAX_HTML:
        return False
    depth = formatting = 0
    for match in _TAG.finditer(markup):
        name = match[2].lower()
        if name in SELF_CLOSING:
            continue
        step = -1 if match[1] else 1
        depth = max(0, depth + step)
        if name in _FORMATTING:
            formatting = max(0, formatting + step)
        if depth > MAX_TREE_DEPTH or formatting > MAX_OPEN_FORMATTING:
            return False
    return True


def _attribute(element: str, attribute: str, value: str) -> str | None:
    """Nothing is loaded from elsewhere: pictures only from the message itself, links only where a person may click them."""
    lowered = value.strip().lower()
    if element == "img" and attribute == "src":
        return value if lowered.startswith(_OWN_PICTURES) else None
    if attribute == "href":
        return value if lowered.startswith(_LINK_SCHEMES) else None
    if attribute == "style":
        return None if "url" in lowered or "\\" in lowered or "(" in lowered.replace("rgb(", "") else value
    return value


_OWN_PICTURES = ("cid:", "data:image/png", "data:image/gif", "data:image/jpeg", "data:image/webp")
_LINK_SCHEMES = ("http://", "https://", "mailto:", "tel:")
_STYLES = (
    "color background-color font-family font-size font-style font-weight text-align text-decoration text-indent line-height"
    " vertical-align white-space margin margin-top margin-right margin-bottom margin-left padding padding-top padding-right"
    " padding-bottom padding-left border border-top border-right border-bottom border-left border-color border-style"
    " border-width border-collapse border-spacing width max-width list-style-type direction"
)
_ATTRIBUTES = {tag: {name for name in names if name != "cite"} for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
_ATTRIBUTES["*"] = {"style", "title", "dir", "lang", "align", "valign", "width", "height", "bgcolor"}
_ATTRIBUTES["font"] = {"color", "size", "face"}
_ATTRIBUTES["table"] |= {"border", "cellpadding", "cellspacing"}
_CLEANER = nh3.Cleaner(
    tags=nh3.ALLOWED_TAGS | {"font"},
    clean_content_tags={"script", "style", "title", "noframes", "template", "textarea"},
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    filter_style_properties=set(_STYLES.split()),
    set_tag_attribute_values={"a": {"target": "_blank"}},
    url_schemes={"http", "https", "mailto", "tel", "cid", "data"},
    url_relative="deny",
    link_rel="noopener noreferrer nofollow",
)
