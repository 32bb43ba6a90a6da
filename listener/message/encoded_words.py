"""RFC 2047 encoded words, however broken: `=?charset?B?…?=` anywhere in a value becomes text.

Called for subjects, display names and file names, always after the value's structure was read.

Rules of the file:
1. linear: each octet is looked at a bounded number of times, whatever stands in the value;
2. neighbours in one charset are joined before decoding, because senders cut words in the middle of a character;
3. what does not decode stays as it was written; the result never holds a line break or another control character.
"""

from __future__ import annotations

import binascii
import re
from functools import lru_cache

from . import charset as charsets

MAX_VALUE = 64 * 1024
_OPENING = re.compile(r"=\?([!->@-~]{1,60})\?([bBqQ])\?")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+")


def decode(value: str) -> str:
    """The value as text for people: words decoded, control characters turned into one space, ends stripped."""
    if "=?" in value:
        value = _decode_words(value[:MAX_VALUE].strip())
    return (value if value.isprintable() else _CONTROL.sub(" ", value)).strip()


@lru_cache(maxsize=64)  # a subject is asked for by several readers
def _decode_words(value: str) -> str:
    out: list[str] = []
    held, held_charset = b"", ""
    position = 0
    while opening := _OPENING.search(value, position):
        closing = value.find("?=", opening.end())
        content_end, word_end = (closing, closing + 2) if closing >= 0 else (len(value), len(value))
        octets = _octets(value[opening.end() : content_end], opening[2])
        between = value[position : opening.start()]
        if octets is not None and not position and value.find("=?", word_end) < 0:  # the only word, as mostly
            return between + charsets.decode(octets, opening[1].partition("*")[0].lower())[0] + value[word_end:]
        if octets is None:
            held = _flush(out, held, held_charset)
            out.append(between + value[opening.start() : word_end])
        else:
            charset = opening[1].partition("*")[0].lower()  # RFC 2231 §5: a language may follow the charset
            if held and (between.strip() or charset != held_charset):
                held = _flush(out, held, held_charset)
            if between.strip() or (not out and not held):
                out.append(between)
            held, held_charset = held + octets, charset
        position = word_end
    _flush(out, held, held_charset)
    out.append(value[position:])
    return "".join(out)


def _flush(out: list[str], octets: bytes, charset: str) -> bytes:
    if octets:
        out.append(charsets.decode(octets, charset)[0])
    return b""


def _octets(content: str, encoding: str) -> bytes | None:
    """The word's octets, or None when it is no such encoding."""
    raw = content.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return binascii.a2b_qp(raw.replace(b"_", b" "), header=False)
    try:
        return binascii.a2b_base64(raw + b"===")
    except binascii.Error:
        return None
