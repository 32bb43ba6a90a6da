"""winmail.dat: its files to the last octet, its body, and damage."""

import struct

from mails import tnef as stream
from mails import tnef_attribute, tnef_file, tnef_properties

from listener.message import tnef

ATTACHMENT, MESSAGE, UNICODE, STRING8, BINARY, OBJECT = 0x9005, 0x9003, 0x1F, 0x1E, 0x102, 0x0D


def test_files_are_exact_to_the_last_octet() -> None:
    first, second = b"hello\0\0\0", bytes(range(256)) + b"x"
    contents = tnef.read(stream(tnef_file("a.txt", first), tnef_file("b.bin", second)))
    assert [(file.name, file.octets) for file in contents.files] == [("a.txt", first), ("b.bin", second)]
    assert contents.defects == []


def test_the_long_name_in_unicode_is_preferred() -> None:
    properties = tnef_properties(
        (0x3707, UNICODE, "Grüße ★.txt\0".encode("utf-16-le")), (0x370E, UNICODE, "text/plain\0".encode("utf-16-le"))
    )
    (file,) = tnef.read(stream(tnef_file("GRE~1.TXT", b"x"), tnef_attribute(2, ATTACHMENT, properties))).files
    assert (file.name, file.content_type) == ("Grüße ★.txt", "text/plain")


def test_eight_bit_names_are_in_the_code_page_of_the_stream() -> None:
    page = tnef_attribute(1, 0x9007, struct.pack("<II", 1251, 0))
    title = tnef_attribute(2, 0x8010, "Привет.txt\0".encode("cp1251"))
    (file,) = tnef.read(stream(page, tnef_attribute(2, 0x9002, b"\0" * 14), title, tnef_attribute(2, 0x800F, b"x"))).files
    assert file.name == "Привет.txt"


def test_data_may_be_held_in_the_properties() -> None:
    properties = tnef_properties((0x3701, BINARY, b"hello"), (0x3707, STRING8, b"a.txt\0"), (0x3712, STRING8, b"<a@b>\0"))
    (file,) = tnef.read(stream(tnef_attribute(2, 0x9002, b""), tnef_attribute(2, ATTACHMENT, properties))).files
    assert (file.name, file.octets, file.content_id) == ("a.txt", b"hello", "a@b")


def test_every_type_of_property_is_stepped_over() -> None:
    guid = bytes(16)
    numbered = struct.pack("<HH", 0x0003, 0x8001) + guid + struct.pack("<II", 0, 7) + struct.pack("<I", 1)
    name = "x".encode("utf-16-le") + b"\0\0"
    named = struct.pack("<HH", 0x000B, 0x8002) + guid + struct.pack("<II", 1, len(name)) + name + b"\1\0\0\0"
    several = struct.pack("<HHI", 0x1002, 0x6000, 2) + b"\1\0\0\0" * 2
    strings = struct.pack("<HHI", 0x101E, 0x6001, 2) + (struct.pack("<I", 3) + b"ab\0\0") * 2
    fixed = tnef_properties((1, 0x0040, bytes(8)), (2, 0x0048, bytes(16)), (3, 0x0005, bytes(8)))[4:]
    last = tnef_properties((0x3707, STRING8, b"a.txt\0"))[4:]
    properties = struct.pack("<I", 8) + numbered + named + several + strings + fixed + last
    (file,) = tnef.read(stream(tnef_attribute(2, 0x9002, b""), tnef_attribute(2, ATTACHMENT, properties))).files
    assert file.name == "a.txt"


def test_a_message_inside_gives_itself_and_its_files() -> None:
    inner = stream(tnef_file("inner.txt", b"deep"))
    held = bytes.fromhex("0703020000000000c000000000000046") + inner
    properties = tnef_properties((0x3701, OBJECT, held), (0x3001, STRING8, b"Forwarded\0"))
    files = tnef.read(stream(tnef_attribute(2, 0x9002, b""), tnef_attribute(2, ATTACHMENT, properties))).files
    assert [(file.name, file.content_type) for file in files] == [
        ("Forwarded", "application/ms-tnef"),
        ("inner.txt", "application/octet-stream"),
    ]


def test_bodies_of_all_three_kinds_are_found() -> None:
    properties = tnef_properties(
        (0x1000, UNICODE, "Grüße\0".encode("utf-16-le")),
        (0x1013, BINARY, "<p>Grüße".encode()),
        (0x3FDE, 0x03, struct.pack("<I", 65001)),
    )
    contents = tnef.read(stream(tnef_attribute(1, MESSAGE, properties)))
    assert (contents.text, contents.html) == ("Grüße", "<p>Grüße")


def test_a_wrong_checksum_is_none_of_our_business() -> None:
    octets = bytearray(stream(tnef_file("a.txt", b"hello")))
    octets[-1] ^= 0xFF
    assert tnef.read(bytes(octets)).files[0].octets == b"hello"


def test_what_stands_before_the_damage_is_kept() -> None:
    contents = tnef.read(stream(tnef_file("a.txt", b"hello"), tnef_file("b.txt", b"world" * 100))[:-50])
    assert [file.name for file in contents.files] == ["a.txt", "b.txt"]
    assert contents.files[0].octets == b"hello"
    assert contents.defects == ["tnef: cut in the middle of an attribute"]


def test_rubbish_behind_the_stream_is_a_defect() -> None:
    contents = tnef.read(stream(tnef_file("a.txt", b"hello")) + b"\xff" * 100)
    assert [file.octets for file in contents.files] == [b"hello"]
    assert contents.defects == ["tnef: something else than an attribute in the stream"]


def test_something_else_is_no_stream() -> None:
    assert tnef.read(b"hello").defects == ["tnef: not a TNEF stream"]


def test_lengths_that_lie_are_damage_not_memory() -> None:
    properties = struct.pack("<IHHII", 1, BINARY, 0x3701, 1, 0xFFFFFFF0)
    contents = tnef.read(stream(tnef_attribute(2, 0x9002, b""), tnef_attribute(2, ATTACHMENT, properties)))
    assert contents.files[0].octets == b""


def test_the_number_of_files_and_the_depth_are_bounded() -> None:
    assert len(tnef.read(stream(*[tnef_file("a", b"")] * (tnef.MAX_FILES + 10))).files) == tnef.MAX_FILES
    inner = stream(tnef_file("bottom", b""))
    for _ in range(tnef.MAX_DEPTH + 5):
        held = tnef_properties((0x3701, OBJECT, bytes.fromhex("0703020000000000c000000000000046") + inner))
        inner = stream(tnef_attribute(2, 0x9002, b""), tnef_attribute(2, ATTACHMENT, held))
    assert len(tnef.read(inner).files) == tnef.MAX_DEPTH + 1
