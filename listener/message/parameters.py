"""`type/subtype; name=value` fields with their parameters: RFC 2045 §5.1, RFC 2183, RFC 2231, and what mailers make of them.

Called for Content-Type and Content-Disposition. Linear and bounded (R-65): the first 8 KiB of the field and 128
parameters are read. Parameter values come back as text: RFC 2231 pieces joined and decoded, RFC 2047 words decoded
where senders wrongly use them. Of a doubled parameter the first wins, and RFC 2231's form wins over the plain one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from . import charset as charsets
from . import encoded_words

MAX_STRUCTURED = 8 * 1024
MAX_PARAMETERS = 128

_MAIN = re.compile(r"[\s\"]*([^\s;\"]+)")
_NAME = re.compile(r"[^\s;=\"]+")
_QUOTED_PAIR = re.compile(r"\\(.)", re.S)
_EXTENDED = re.compile(r"(.+?)(?:\*(\d{1,3}))?(\*)?$", re.S)


@lru_cache(maxsize=256)
def parse(value: str) -> tuple[str, Mapping[str, str]]:
    """The lower-cased token before the first `;` and the parameters, names lower-cased."""
    value = value[:MAX_STRUCTURED]
    main = _MAIN.match(value)
    if not main:
        return "", {}
    rest = value[main.end() :]
    return main[1].lower(), (_joined(_pairs(rest)) if "=" in rest else {})


def _pairs(text: str) -> list[tuple[str, str, bool]]:
    """Every `name=value` with whether the value was quoted; quoted strings may be left open and hold semicolons."""
    pairs: list[tuple[str, str, bool]] = []
    position, end = 0, len(text)
    while position < end and len(pairs) < MAX_PARAMETERS:
        name = _NAME.search(text, position)
        if not name:
            break
        position = _skip_blanks(text, name.end())
        if not text.startswith("=", position):
            continue
        position = _skip_blanks(text, position + 1)
        quoted = text.startswith('"', position)
        if quoted:
            content, position = _quoted_string(text, position + 1)
        else:
            stop = text.find(";", position)
            stop = end if stop < 0 else stop
            content, position = text[position:stop].strip(), stop
        pairs.append((name[0].lower(), content, quoted))
    return pairs


def _skip_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def _quoted_string(text: str, position: int) -> tuple[str, int]:
    """The content of a quoted string whose opening quote is behind us, and where it ends."""
    start = position
    while True:
        quote = text.find('"', position)
        if quote < 0:
            stop = text.find(";", start)
            stop = len(text) if stop < 0 else stop
            return text[start:stop].strip(), stop
        backslashes = quote - len(text[start:quote].rstrip("\\")) - start
        if backslashes % 2 == 0:
            return _QUOTED_PAIR.sub(r"\1", text[start:quote]), quote + 1
        position = quote + 1


def _joined(pairs: list[tuple[str, str, bool]]) -> dict[str, str]:
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for name, value, _ in pairs:
        if "*" not in name:
            plain.setdefault(name, value)
        elif match := _EXTENDED.match(name):
            pieces.setdefault(match[1], {}).setdefault(int(match[2] or 0), (value, bool(match[3])))
    for name in ("name", "filename", "file"):
        if name in plain:
            plain[name] = encoded_words.decode(plain[name])
    for name, parts in pieces.items():
        plain[name] = _extended(parts)
    return plain


def _extended(parts: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231 §3, §4: pieces in order of number; the first encoded one names charset and language."""
    charset, octets = "", b""
    for index, (_, (value, encoded)) in enumerate(sorted(parts.items())):
        if encoded and index == 0 and value.count("'") >= 2:
            charset, _, value = value.split("'", 2)
        octets += unquote_to_bytes(value) if encoded else value.encode("utf-8", "surrogateescape")
    text = charsets.decode(octets, charset or "utf-8")[0]
    return encoded_words.decode(text)
