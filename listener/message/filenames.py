"""Attachment names made safe to show and to save anywhere (R-70).

Called once for every attachment, whatever the name's source (Content-Disposition, Content-Type, TNEF, uuencode, a subject).
`safe(name) == safe(safe(name))`; the result is one path component, never hidden, never reserved, at most 150 octets.
"""

from __future__ import annotations

import re
import unicodedata

MAX_OCTETS = 150
MAX_EXTENSION = 20
MAX_READ = 5_000

# C0, DEL, C1; bidi controls; zero-width and other invisible marks; line separators; surrogates; private use is shown, so kept.
_INVISIBLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
_SEPARATORS = re.compile(r"[/\\:*?\"<>|\u2044\u2215\u29f5\u29f8\ufe68\uff0f\uff3c\uff1a]")
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|clock\$|(?:com|lpt)[0-9¹²³])(?:\.|$)", re.I)
_EXTENSION = re.compile(r"\.([^.\s]{1,20})$")


def safe(name: str, number: int = 1, extension: str = "bin") -> str:
    """The name without what could fool a file system, a terminal or a reader.

    `attachment-<number>.<extension>` if nothing is left.
    """
    if len(name) > MAX_READ:
        name = name[: MAX_READ - MAX_OCTETS] + name[-MAX_OCTETS:]  # the extension stands at the end
    name = unicodedata.normalize("NFC", _INVISIBLE.sub("", name))
    name = _SEPARATORS.split(name)[-1] if "/" in name or "\\" in name else name
    name = _tidy(_SEPARATORS.sub("_", name))
    name = _tidy(_shortened(name))
    if _RESERVED.match(name):
        name = _tidy(_shortened("_" + name))
    return name or f"attachment-{number}.{extension}"


def _tidy(name: str) -> str:
    """Without leading dots (hidden files, `..`) and the ends that Windows drops."""
    return name.lstrip(". \t").rstrip(". \t")


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_OCTETS:
        return name
    match = _EXTENSION.search(name)
    extension = match[0] if match and len(match[0].encode()) <= MAX_EXTENSION else ""
    stem = name[: len(name) - len(extension)].encode()[: MAX_OCTETS - len(extension.encode())]
    return stem.decode("utf-8", "ignore").rstrip(". \t") + extension
