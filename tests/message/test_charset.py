"""Octets to text: declared, mislabelled, unknown and missing charsets."""

import pytest

from listener.message import charset

GERMAN, RUSSIAN, KOREAN = "Größe und Straße, schöne Grüße", "Здравствуйте, когда придёт мой заказ?", "안녕하세요 반갑습니다"
JAPANESE, CHINESE = "こんにちは、お世話になっております。", "您好,我的订单还没有到"

HELD = [
    (GERMAN, "utf-8", "utf-8"),
    (GERMAN, "cp1252", "iso-8859-1"),
    ("„Preis“: 5 €", "cp1252", "iso-8859-1"),
    (RUSSIAN, "koi8-r", "KOI8-R"),
    (RUSSIAN, "cp1251", '"windows-1251"'),
    (KOREAN, "cp949", "ks_c_5601-1987"),
    (KOREAN, "cp949", "euc-kr"),
    (CHINESE, "gbk", "gb2312"),
    (JAPANESE, "iso2022_jp", "iso-2022-jp"),
    (JAPANESE, "cp932", "shift_jis"),
    (GERMAN, "utf-7", "unicode-1-1-utf-7"),
    (GERMAN, "utf-16", "utf-16"),
    (GERMAN, "mac-roman", "macintosh"),
]


@pytest.mark.parametrize(("text", "codec", "declared"), HELD)
def test_the_declared_charset_is_read_by_its_real_meaning(text: str, codec: str, declared: str) -> None:
    assert charset.decode(text.encode(codec), declared) == (text, None)


WRONG = [
    (GERMAN, "utf-8", "us-ascii"),
    (GERMAN, "utf-8", "iso-8859-1"),
    (GERMAN, "utf-8", "x-user-defined"),
    (GERMAN, "cp1252", "utf-8"),
    (RUSSIAN, "utf-8", "gb2312-nonsense"),
    (RUSSIAN, "koi8-r", "unknown-8bit"),
    (JAPANESE, "iso2022_jp", "us-ascii"),
    (GERMAN, "utf-8-sig", "cp437"),
]


@pytest.mark.parametrize(("text", "codec", "declared"), WRONG)
def test_a_wrong_label_is_seen_through_and_named(text: str, codec: str, declared: str) -> None:
    read, defect = charset.decode(text.encode(codec), declared)
    assert read == text
    assert defect is not None
    assert declared in defect


def test_without_a_label_utf_8_needs_no_excuse_beyond_being_named() -> None:
    assert charset.decode(GERMAN.encode())[0] == GERMAN


def test_one_broken_octet_does_not_make_the_charset_wrong() -> None:
    text, defect = charset.decode(RUSSIAN.encode() + b"\xff", "utf-8")
    assert (text, defect) == (RUSSIAN + "\ufffd", None)


def test_a_character_cut_at_the_end_is_a_hole() -> None:
    assert charset.decode(KOREAN.encode("cp949")[:-1], "euc-kr")[0].startswith(KOREAN[:-1])


@pytest.mark.parametrize("declared", ["punycode", "unicode_escape", "zlib", "idna", "rot13", "../../etc/passwd", "", "\0"])
def test_only_charsets_of_the_table_are_used(declared: str) -> None:
    assert charset.codec_of(declared) is None
    assert charset.decode("é".encode(), declared)[0] == "é"


def test_control_characters_and_lone_surrogates_never_come_out() -> None:
    assert charset.decode(b"a\0b\x1b[31m\x07\tc\n", "utf-8")[0] == "ab[31m\tc\n"
    assert charset.decode(b"+2AA-", "utf-7")[0] == "\ufffd"


def test_unknown_labels_are_named_even_on_plain_ascii() -> None:
    assert charset.decode(b"hello", "fakescii") == ("hello", "charset: 'fakescii' is unknown")
