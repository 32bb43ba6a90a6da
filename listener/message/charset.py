"""Octets to text: the declared charset by its real meaning, else a guess, never an exception.

Called for bodies, encoded words and parameters. `decode` says in words when the declared charset did not hold.

Order of belief: a byte order mark; the declared charset, its label read as browsers read it (charsets.toml); UTF-8, which
is hardly ever right by chance, and therefore comes first where a Latin charset is declared, or none; the declared charset
with holes, where most of it fits; chardet on the first octets; Windows-1252. Only charsets of the table are ever used:
Python's codec registry also holds `punycode` (quadratic) and `unicode_escape` (no charset of mail).
"""

from __future__ import annotations

import re
import tomllib
from functools import lru_cache
from pathlib import Path

import chardet

GUESS_OCTETS = 8 * 1024  # what chardet may look at: its time grows with it, its answer hardly does
MIN_GUESS = 12  # fewer 8-bit octets than this tell chardet nothing

_TABLE: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("charsets.toml").read_text("utf-8"))
_CODECS = {label.replace("_", "-"): codec for codec, labels in _TABLE.items() for label in (codec, *labels)}

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_ANY_MARK = tuple(mark for mark, _ in _MARKS)
_NOT_ASCII = frozenset(
    ["utf-7", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "hz", "cp037", "cp500", "cp1140"]
)  # charsets in which octets below 128 are not always ASCII
_STATEFUL = frozenset(["iso2022_jp_ext", "iso2022_jp_2", "iso2022_kr"])
_NEVER_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\ud800-\udfff]")
_CONTROLS = bytes([*range(9), 11, *range(14, 32), 127])
_HIGH = re.compile(rb"[\x80-\xff]")
_ESCAPE = re.compile(rb"\x1b(\$[@B]|\$\([A-Z]|\([A-Z])")


def decode(octets: bytes, declared: str = "") -> tuple[str, str | None]:
    """The text, without control characters but tab and line ends, and a defect in words when the declared charset
    is unknown or did not hold. Never raises."""
    codec = codec_of(declared)
    if octets.isascii() and codec not in _NOT_ASCII and b"\x1b" not in octets:
        text = octets.translate(None, _CONTROLS).decode("ascii")
        return text, f"charset: {declared[:40]!r} is unknown" if declared and not codec else None
    text, used = _decode(octets, codec)
    if used != "utf-8" or len(octets.translate(None, _CONTROLS)) != len(octets):  # no surrogate is ever UTF-8
        text = _clean(text)
    text = text.removeprefix("\ufeff")
    return text, None if used == codec else f"charset: {declared[:40]!r} did not hold, read as {used}"


@lru_cache(maxsize=512)
def codec_of(declared: str) -> str | None:
    """The codec that a charset label means, or None when it is not in our table."""
    label = declared.strip(" \t\"'").lower().replace("_", "-")
    return _CODECS.get(label) or _CODECS.get(label.removeprefix("x-"))


def _clean(text: str) -> str:
    return _NEVER_TEXT.sub(_replacement, text) if _NEVER_TEXT.search(text) else text


def _replacement(match: re.Match[str]) -> str:
    return "\ufffd" if match[0] >= "\ud800" else ""


def _decode(octets: bytes, codec: str | None) -> tuple[str, str]:
    for mark, marked in _MARKS if octets.startswith(_ANY_MARK) else ():
        if octets.startswith(mark):
            return octets.decode(marked, "replace"), codec if codec and codec.startswith(marked) else marked
    if b"\x1b$" in octets and codec in (None, "cp1252", "utf-8", "iso2022_jp_ext", "iso2022_jp_2"):
        strict = _strictly(octets, "iso2022_jp_2")
        return _iso_2022_jp(octets) if strict is None else strict, codec if codec in _STATEFUL else "iso2022_jp_ext"
    for candidate in ("utf-8", codec) if codec in (None, "cp1252") else (codec, "utf-8"):
        if candidate and (text := _strictly(octets, candidate)) is not None:
            return text, candidate
    if codec and (codec in _NOT_ASCII or codec in _STATEFUL or _mostly_fits(octets, codec)):
        return octets.decode(codec, "replace"), codec
    if (guessed := guess(octets)) and (text := _strictly(octets, guessed)) is not None:
        return text, guessed
    return octets.decode("cp1252", "replace"), "cp1252"


def _strictly(octets: bytes, codec: str) -> str | None:
    try:
        return octets.decode(codec)
    except (UnicodeError, ValueError):
        return None


def _mostly_fits(octets: bytes, codec: str) -> bool:
    """Whether more came out right than wrong: a cut character or a stray octet does not make a charset wrong."""
    text = octets.decode(codec, "replace")
    wrong = text.count("\ufffd")
    return len(text) - len(text.encode("ascii", "ignore")) - wrong > wrong


def guess(octets: bytes) -> str | None:
    """The codec that 8-bit octets most likely are in, or None where they are too few to tell."""
    first = _HIGH.search(octets)
    start = max(0, first.start() - GUESS_OCTETS // 4) if first else 0
    sample = octets[start : start + GUESS_OCTETS]
    if len(_HIGH.findall(sample)) < MIN_GUESS:
        return None
    return codec_of(chardet.detect(sample)["encoding"] or "")


def _iso_2022_jp(octets: bytes) -> str:
    """ISO-2022-JP as Microsoft writes it: rows 13 and 89 to 119 hold characters that only Shift_JIS (CP932) has names for."""
    pieces = _ESCAPE.split(octets)
    out = [pieces[0].decode("ascii", "replace")]
    for escape, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        if escape in (b"$@", b"$B"):
            out.append(_jis_to_shift_jis(piece).decode("cp932", "replace"))
        elif escape == b"(I":
            out.append(bytes(octet | 0x80 for octet in piece).decode("cp932", "replace"))
        else:
            out.append(piece.decode("ascii", "replace"))
    return "".join(out)


def _jis_to_shift_jis(octets: bytes) -> bytes:
    out = bytearray()
    position = 0
    while position < len(octets):
        row, cell = octets[position], octets[position + 1] if position + 1 < len(octets) else 0
        if not (0x21 <= row <= 0x7E and 0x21 <= cell <= 0x7E):
            out.append(row)
            position += 1
            continue
        lead = (row - 0x21) // 2 + 0x81
        out.append(lead if lead < 0xA0 else lead + 0x40)
        out.append(cell + (0x1F if cell < 0x60 else 0x20) if row % 2 else cell + 0x7E)
        position += 2
    return bytes(out)
