"""Header blocks taken apart: order, folds, 8-bit octets, stray lines, caps."""

import pytest

from listener.message import fields


def split(block: bytes) -> fields.Fields:
    return fields.split(block, [])[0]


def test_names_are_lower_case_and_values_stripped() -> None:
    assert split(b"Subject:  Hello \r\nX-Y : z\r\n") == [("subject", "Hello"), ("x-y", "z")]


def test_folds_become_the_blank_they_begin_with() -> None:
    assert split(b"Subject: one\r\n two\r\n\tthree\r\n") == [("subject", "one two\tthree")]


def test_a_field_may_be_empty() -> None:
    assert split(b"Subject:\r\nTo: a@b\r\n") == [("subject", ""), ("to", "a@b")]


@pytest.mark.parametrize(
    ("octets", "declared", "text"),
    [
        ("Grüße".encode(), "", "Grüße"),
        ("Grüße".encode("latin-1"), "", "Grüße"),
        ("Привет".encode("koi8-r"), "koi8-r", "Привет"),
        ("Привет".encode(), "koi8-r", "Привет"),
        ("你好".encode("gbk"), "gb2312", "你好"),
    ],
)
def test_raw_octets_are_read_as_what_they_most_likely_are(octets: bytes, declared: str, text: str) -> None:
    assert fields.split(b"Subject: " + octets + b"\r\n", [], declared)[0] == [("subject", text)]


@pytest.mark.parametrize(
    ("value", "text"),
    [(b"a\0b\x07c\x7f", "abc"), (b"\x1b$B$3$s\x1b(B", "こん"), (b"\x1b[31mred", "[31mred")],
)
def test_no_control_character_comes_out(value: bytes, text: str) -> None:
    assert split(b"Subject: " + value + b"\r\nX: y\r\n") == [("subject", text), ("x", "y")]


def test_a_stray_line_between_fields_is_skipped() -> None:
    defects: list[str] = []
    found, body = fields.split(b"Subject: x\r\n>From somebody\r\nTo: a@b\r\n", defects)
    assert (found, body) == ([("subject", "x"), ("to", "a@b")], None)
    assert defects == ["header: a line that is no field was skipped"]


def test_a_line_that_no_field_follows_begins_the_body() -> None:
    block = b"Subject: x\r\n folded\r\nHello there,\r\nhow are you\r\n"
    found, body = fields.split(block, [])
    assert found == [("subject", "x folded")]
    assert body is not None
    assert block[body:] == b"Hello there,\r\nhow are you\r\n"


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_number_of_fields_is_bounded(over: int) -> None:
    defects: list[str] = []
    found, _ = fields.split(b"A: b\r\n" * (fields.MAX_FIELDS + over), defects)
    assert len(found) == fields.MAX_FIELDS + min(over, 0)
    assert bool(defects) is (over > 0)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_length_of_a_field_is_bounded(over: int) -> None:
    defects: list[str] = []
    ((_, value),) = fields.split(b"A: " + b"b" * (fields.MAX_FIELD_OCTETS + over), defects)[0]
    assert len(value) == fields.MAX_FIELD_OCTETS + min(over, 0)
    assert bool(defects) is (over > 0)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_length_of_a_header_is_bounded(over: int) -> None:
    defects: list[str] = []
    line = b"A: " + b"b" * 1000 + b"\n"
    block = (line * (fields.MAX_HEADER_OCTETS // len(line) + 2))[: fields.MAX_HEADER_OCTETS + over]
    fields.split(block, defects)
    assert bool(defects) is (over > 0)
