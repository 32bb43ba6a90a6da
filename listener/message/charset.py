"""Octets to text: the declared charset by its real meaning, else a guess, never an exception.

Called for bodies, encoded words and parameters. `decode` says in words when the declared charset did not hold.

Order of belief: a byte order mark; the declared charset, its label read as browsers read it (WHATWG: `iso-8859-1` is
Windows-1252, `gb2312` is GBK, `ks_c_5601-1987` is CP949); UTF-8, which is hardly ever right by chance; the declared
charset with holes, where most of it fits; chardet on the first octets; Windows-1252. Only charsets named here are
ever used: Python's codec registry also holds `punycode` (quadratic) and `unicode_escape` (not a charset of mail).
"""

from __future__ import annotations

import re
from functools import lru_cache

import chardet

GUESS_OCTETS = 8 * 1024  # what chardet may look at: its time grows with it, its answer hardly does
MIN_GUESS = 12  # fewer 8-bit octets than this tell chardet nothing

_CODECS = """
    utf-8 utf-7 utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be
    cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 cp874
    iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-10 iso8859-13 iso8859-14 iso8859-15 iso8859-16
    koi8-r koi8-u ptcp154 mac-roman mac-cyrillic mac-greek mac-turkish mac-latin2 mac-iceland
    cp437 cp737 cp775 cp850 cp852 cp855 cp857 cp858 cp860 cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp037 cp500 cp1140
    gb18030 hz big5hkscs cp950 cp932 euc_jp euc_jis_2004 iso2022_jp_ext iso2022_jp_2 iso2022_kr cp949 johab
"""
_LABELS = {
    "cp1252": "us-ascii ascii ansi_x3.4-1968 646 iso646-us iso-8859-1 iso8859-1 iso_8859-1 latin1 latin-1 l1 cp819 ibm819 x-ansi ansi",
    "cp1254": "iso-8859-9 iso8859-9 iso_8859-9 latin5 l5",
    "cp874": "iso-8859-11 iso8859-11 tis-620 tis620 windows-874 dos-874",
    "gb18030": "gb2312 gb_2312 gb_2312-80 gb2312-80 csgb2312 gbk x-gbk cp936 ms936 windows-936 chinese euc-cn euccn x-euc-cn gb18030-2000",
    "hz": "hz-gb-2312 hz-gb hzgb",
    "big5hkscs": "big5-hkscs",
    "cp950": "big5 big-5 big5-tw csbig5 x-x-big5 ms950 windows-950 cn-big5",
    "cp932": "shift_jis shift-jis sjis s-jis x-sjis ms_kanji csshiftjis windows-31j ms932 windows-932 x-ms-cp932",
    "euc_jp": "euc-jp eucjp x-euc-jp x-euc ujis cseucpkdfmtjapanese",
    "iso2022_jp_ext": "iso-2022-jp iso2022jp csiso2022jp iso-2022-jp-1 iso-2022-jp-ms cp50220 cp50221",
    "iso2022_jp_2": "iso-2022-jp-2",
    "iso2022_kr": "iso-2022-kr csiso2022kr",
    "cp949": "ks_c_5601-1987 ks_c_5601 ks_c_5601-1989 ksc_5601 ksc5601 ks-c-5601 euc-kr euckr cseuckr korean ms949 windows-949 uhc iso-ir-149",
    "iso8859-8": "iso-8859-8-i iso-8859-8-e logical visual",
    "koi8-r": "koi8 koi cskoi8r",
    "koi8-u": "koi8-ru",
    "utf-8": "utf8 unicode-1-1-utf-8 utf-8mb4 utf8mb4 x-utf-8 x-unicode-2-0-utf-8 unicode-2-0-utf-8",
    "utf-7": "unicode-1-1-utf-7 utf7 x-unicode-2-0-utf-7 unicode-2-0-utf-7",
    "utf-16": "unicode ucs-2 iso-10646-ucs-2 utf16 csunicode",
    "utf-32": "ucs-4 utf32 iso-10646-ucs-4",
    "mac-roman": "macintosh mac x-mac-roman csmacintosh",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "mac-latin2": "x-mac-ce x-mac-centraleurroman",
}
_BY_LABEL = {name: name for name in _CODECS.split()}
_BY_LABEL |= {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_BY_LABEL |= {f"windows-{n}": f"cp{n}" for n in range(1250, 1259)} | {f"x-cp{n}": f"cp{n}" for n in range(1250, 1259)}
_BY_LABEL |= {f"{prefix}{n}": f"cp{n}" for n in (437, 850, 852, 855, 857, 858, 862, 866) for prefix in ("ibm", "ibm-", "cp-", "dos-")}
_BY_LABEL |= {f"{prefix}{n}": f"iso8859-{n}" for n in (*range(2, 9), 10, 13, 14, 15, 16) for prefix in ("iso-8859-", "iso_8859-", "iso8859_")}
_BY_LABEL |= {f"latin{i}": f"iso8859-{n}" for i, n in ((2, 2), (3, 3), (4, 4), (6, 10), (7, 13), (8, 14), (9, 15), (10, 16))}

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe\x00\x00", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
_SURROGATES = re.compile("[\ud800-\udfff]")
_WIDE = frozenset(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be", "utf-7", "hz", "iso2022_jp_ext", "iso2022_jp_2", "iso2022_kr"])
_EBCDIC = frozenset(["cp037", "cp500", "cp1140"])
_HIGH = re.compile(rb"[\x80-\xff]")


def decode(octets: bytes, declared: str = "") -> tuple[str, str | None]:
    """The text, and a defect in words when the declared charset is unknown or did not hold. Never raises."""
    codec = codec_of(declared)
    if octets.isascii() and codec not in _WIDE and codec not in _EBCDIC and b"\x1b$" not in octets:
        return octets.decode("ascii").replace("\0", ""), None
    text, used = _decode(octets, codec)
    text = _SURROGATES.sub("\ufffd", text).replace("\0", "").removeprefix("\ufeff")
    if used == codec:
        return text, None
    return text, f"charset: {declared[:40]!r} did not hold, read as {used}"


@lru_cache(maxsize=512)
def codec_of(declared: str) -> str | None:
    """The codec that a charset label means, or None when we know none."""
    label = declared.strip(" \t\"'").lower()
    return _BY_LABEL.get(label) or _BY_LABEL.get(label.replace("_", "-")) or _BY_LABEL.get(label.removeprefix("x-").removeprefix("cs"))


def _decode(octets: bytes, codec: str | None) -> tuple[str, str]:
    for mark, marked in _BOMS:
        if octets.startswith(mark):
            return octets.decode(marked, "replace"), codec if codec and codec.startswith(marked) else marked
    if codec in (None, "cp1252"):
        # Nobody writes UTF-8 by chance: a Latin label on valid UTF-8 is a wrong label.
        order = ["utf-8", codec]
    else:
        order = [codec, "utf-8"]
    for candidate in order:
        if candidate and (text := _strictly(octets, candidate)) is not None:
            return text, candidate
    if codec and _mostly_fits(text := octets.decode(codec, "replace"), octets):
        return text, codec
    if (guess := _guess(octets)) and (text := _strictly(octets, guess)) is not None:
        return text, guess
    if codec is not None and codec in _WIDE:
        return octets.decode(codec, "replace"), codec
    return octets.decode("cp1252", "replace"), "cp1252"


def _strictly(octets: bytes, codec: str) -> str | None:
    try:
        return octets.decode(codec)
    except (UnicodeError, ValueError):
        return None


def _mostly_fits(text: str, octets: bytes) -> bool:
    """Whether more came out right than wrong: a cut character or a stray octet does not make a charset wrong."""
    wrong = text.count("\ufffd")
    right = sum(1 for character in text if character > "\x7f") - wrong if wrong * 4 < len(octets) else 0
    return right > wrong


def _guess(octets: bytes) -> str | None:
    if b"\x1b$" in octets:
        return "iso2022_jp_ext"
    first = _HIGH.search(octets)
    start = max(0, first.start() - GUESS_OCTETS // 4) if first else 0
    sample = octets[start : start + GUESS_OCTETS]
    if len(_HIGH.findall(sample)) < MIN_GUESS:
        return None
    return codec_of(chardet.detect(sample)["encoding"] or "")
