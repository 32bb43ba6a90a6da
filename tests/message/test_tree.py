"""The tree of parts: structure, however broken, and the caps on it."""

import pytest

from listener.message import tree
from listener.message.structure import Part


def read(text: str) -> tree.Tree:
    return tree.read(text.encode("utf-8"))


def leaves(root: Part) -> list[bytes]:
    return [part.content for part in root.walk() if not part.children]


def multipart(*parts: str, boundary: str = "b", kind: str = "mixed", close: bool = True) -> str:
    body = "".join(f"--{boundary}\r\n{part}\r\n" for part in parts)
    return f'Content-Type: multipart/{kind}; boundary="{boundary}"\r\n\r\n{body}' + (f"--{boundary}--\r\n" if close else "")


PLAIN = "Content-Type: text/plain\r\n\r\n"


def test_a_message_without_mime_is_one_plain_part() -> None:
    root, defects = read("Subject: x\r\n\r\nhello\r\n")
    assert (root.content_type, root.content, root.children, defects) == ("text/plain", b"hello\r\n", [], [])


def test_parts_are_found_in_order_without_the_line_break_of_the_delimiter() -> None:
    root, defects = read(multipart(PLAIN + "one", PLAIN + "two\r\n"))
    assert leaves(root) == [b"one", b"two\r\n"]
    assert defects == []


def test_preamble_and_epilogue_are_no_parts() -> None:
    text = multipart(PLAIN + "one").replace("\r\n\r\n--b", "\r\n\r\nold mail programs see this\r\n--b", 1)
    assert leaves(read(text + "epilogue").root) == [b"one"]


def test_containers_nest() -> None:
    inner = multipart(PLAIN + "a", PLAIN + "b", boundary="inner", kind="alternative")
    root, _ = read(multipart(inner, PLAIN + "c"))
    assert [part.content_type for part in root.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "text/plain",
        "text/plain",
    ]
    assert leaves(root) == [b"a", b"b", b"c"]


def test_a_part_of_a_digest_is_a_message_by_default() -> None:
    root, _ = read(multipart("\r\nSubject: inner\r\n\r\nhello", kind="digest"))
    assert root.children[0].is_message
    assert root.children[0].children[0].get("subject") == "inner"


def test_an_attached_message_has_its_own_headers_below_it() -> None:
    root, _ = read("Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhello")
    assert root.is_message
    assert (root.children[0].get("subject"), root.children[0].content) == ("inner", b"hello")


def test_an_attached_message_may_be_encoded_although_it_must_not() -> None:
    head = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    root, _ = read(head + "U3ViamVjdDogaW5uZXINCg0KaGVsbG8=\r\n")
    assert (root.children[0].get("subject"), root.children[0].content) == ("inner", b"hello")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_any_line_end_will_do(end: str) -> None:
    root, _ = read(multipart(PLAIN + "one", PLAIN + "two").replace("\r\n", end))
    assert leaves(root) == [b"one", b"two"]


@pytest.mark.parametrize("before", ["From a@b Sun Nov 22 10:00:00 2026\n", ">From a@b\n", "\n\n", "\ufeff", " \r\n"])
def test_what_stands_before_the_header_is_skipped(before: str) -> None:
    root, _ = read(before + "Subject: x\n\nhello\n")
    assert (root.get("subject"), root.content) == ("x", b"hello\n")


def test_headers_keep_their_order_and_their_doubles() -> None:
    root, _ = read("Received: one\r\nX: y\r\nReceived: two\r\n\r\n")
    assert root.headers == [("received", "one"), ("x", "y"), ("received", "two")]
    assert root.get_all("received") == ["one", "two"]


BROKEN = {
    "no boundary parameter": (multipart(PLAIN + "one", PLAIN + "two").replace('; boundary="b"', ""), [b"one", b"two"]),
    "wrong boundary parameter": (multipart(PLAIN + "one", PLAIN + "two").replace('"b"', '"x"'), [b"one", b"two"]),
    "blanks behind the delimiter": (multipart(PLAIN + "one", PLAIN + "two").replace("--b\r\n", "--b \t\r\n"), [b"one", b"two"]),
    "no closing delimiter": (multipart(PLAIN + "one", PLAIN + "two", close=False), [b"one", b"two\r\n"]),
    "closing delimiter glued to the text": (multipart(PLAIN + "one", close=False).rstrip() + "--b--", [b"one"]),
    "no blank line before the text": (multipart("Content-Type: text/plain\r\nhello there\r\nyou"), [b"hello there\r\nyou"]),
    "the delimiter ends the header": ('Content-Type: multipart/mixed; boundary="b"\r\n--b\r\n\r\none\r\n--b--', [b"one"]),
    "boundary that begins another": (
        multipart(multipart(PLAIN + "one", boundary="bb"), PLAIN + "two"),
        [b"one", b"two"],
    ),
    "boundary with regular expression in it": (multipart(PLAIN + "one", boundary="(a+)+$"), [b"one"]),
    "no multipart at all": ('Content-Type: multipart/mixed; boundary="b"\r\n\r\njust text', [b"just text"]),
    "inner container never closed": (
        multipart(multipart(PLAIN + "one", boundary="i", close=False), PLAIN + "two"),
        [b"one\r\n", b"two"],
    ),
    "the same boundary twice": (multipart(multipart(PLAIN + "one", boundary="b"), PLAIN + "two"), [b"one", b"two"]),
    "the same boundary in an attached message": (
        multipart("Content-Type: message/rfc822\r\n\r\n" + multipart(PLAIN + "one"), PLAIN + "two"),
        [b"one", b"two"],
    ),
    "the boundary quoted in a text": (
        multipart("Content-Type: text/rfc822-headers\r\n\r\n" + 'Content-Type: multipart/mixed; boundary="b"', PLAIN + "two"),
        [b'Content-Type: multipart/mixed; boundary="b"', b"two"],
    ),
}


@pytest.mark.parametrize(("text", "expected"), BROKEN.values(), ids=BROKEN)
def test_broken_structure_gives_what_a_mail_program_would_show(text: str, expected: list[bytes]) -> None:
    assert leaves(read(text).root)[: len(expected)] == expected


def test_what_was_repaired_is_a_defect() -> None:
    assert read(multipart(PLAIN + "one", close=False)).defects == ["structure: no closing boundary"]


def nested(depth: int) -> str:
    head = "".join(f"Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n" for n in range(depth))
    return head + PLAIN + "bottom"


@pytest.mark.parametrize(
    ("depth", "reached"), [(tree.MAX_DEPTH - 1, True), (tree.MAX_DEPTH, True), (tree.MAX_DEPTH + 1, False)]
)
def test_depth_is_bounded(depth: int, reached: bool) -> None:
    root, defects = read(nested(depth))
    assert (b"bottom" in leaves(root)) is reached
    assert any("deeper than" in defect for defect in defects) is not reached


@pytest.mark.parametrize(("parts", "read_"), [(tree.MAX_PARTS - 2, True), (tree.MAX_PARTS - 1, True), (tree.MAX_PARTS, False)])
def test_the_number_of_parts_is_bounded(parts: int, read_: bool) -> None:
    root, defects = read(multipart(*["\r\nx"] * parts))
    assert len(list(root.walk())) == min(parts + 1, tree.MAX_PARTS)
    assert any("parts" in defect for defect in defects) is not read_


@pytest.mark.parametrize(
    ("length", "used"), [(tree.MAX_BOUNDARY - 1, True), (tree.MAX_BOUNDARY, True), (tree.MAX_BOUNDARY + 1, False)]
)
def test_the_length_of_a_boundary_is_bounded(length: int, used: bool) -> None:
    root, defects = read(multipart("\r\none", boundary="b" * length))
    assert (len(root.children) == 1) is used
    assert any("boundary over" in defect for defect in defects) is not used


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_size_of_a_message_is_bounded(monkeypatch: pytest.MonkeyPatch, over: int) -> None:
    monkeypatch.setattr(tree, "MAX_MESSAGE_OCTETS", 1000)
    head = b"Subject: x\r\n\r\n"
    root, defects = tree.read(head + b"a" * (1000 - len(head) + over))
    assert len(root.content) == 1000 - len(head) + min(over, 0)
    assert bool(defects) is (over > 0)
