"""Lines of POP3, well-formed and not: what does not fit is None, and no argument can become a second command."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.protocols.pop3.grammar import Answer, Unencodable, answer, argument, capability, scan, unique_id


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"+OK", Answer(True, "", "")),
        (b"+OK ready", Answer(True, "", "ready")),
        (b"+ok ready", Answer(True, "", "ready")),
        (b"-ERR", Answer(False, "", "")),
        (b"-ERR [IN-USE] held", Answer(False, "IN-USE", "[IN-USE] held")),
        (b"-err [sys/temp] later", Answer(False, "SYS/TEMP", "[sys/temp] later")),
        (b"-ERR  [AUTH] two blanks", Answer(False, "AUTH", "[AUTH] two blanks")),
        (b"-ERR no [AUTH] code", Answer(False, "", "no [AUTH] code")),
        (b"-ERR \xff\xfe", Answer(False, "", "\ufffd\ufffd")),
    ],
)
def test_status_lines(line, expected):
    assert answer(line) == expected


@pytest.mark.parametrize(
    "line", [b"", b"+", b"+ ", b"+OKAY", b"OK", b"* OK hi", b"-ERROR", b" +OK", b"220 hi", b"\x16\x03\x01", b"."]
)
def test_what_is_no_status_line(line):
    assert answer(line) is None


def test_what_people_see_of_the_servers_words_is_short_and_harmless():
    shown = answer(b"-ERR \x1b[31mred\x07 \xe2\x80\xae" + b"x" * 5000).shown
    assert shown.startswith("the server says:")
    assert len(shown) < 250
    assert shown.isprintable()


@pytest.mark.parametrize("text", ["", "a\r\nDELE 1", "a\nb", "a\rb", "a\0b", "\x7f", "\x1b[A", "\ud800"])
def test_an_argument_that_could_end_a_command_is_refused(text):
    with pytest.raises(Unencodable):
        argument(text)


@pytest.mark.parametrize("text", ["ann@example.com", 'with "quotes" and \\', "a b  c", "pässwörd 日本", " "])
def test_any_other_argument_goes_as_it_is(text):
    assert argument(text) == text.encode()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"1 120", (1, 120)),
        (b"1 120 more", (1, 120)),
        (b" 2  7 ", (2, 7)),
        (b"1", None),
        (b"1 -5", None),
        (b"one 120", None),
        (b"1 12e3", None),
        (b"1 99999999999", None),
        (b"", None),
    ],
)
def test_scan_listings(line, expected):
    assert scan(line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"1 abc", (1, "abc")),
        (b"1 " + b"x" * 70, (1, "x" * 70)),
        (b"1 " + b"x" * 71, (1, None)),
        (b"1 " + b"x" * 4096, (1, None)),
        (b"1 ", (1, None)),
        (b"1", (1, None)),
        (b"1 a b", (1, None)),
        (b"1 \xff", (1, None)),
        (b"1 a\0b", (1, None)),
        (b"x abc", None),
        (b"", None),
    ],
)
def test_unique_id_listings(line, expected):
    assert unique_id(line) == expected


def test_capabilities():
    assert capability(b"SASL plain XOAUTH2") == ("SASL", ("PLAIN", "XOAUTH2"))
    assert capability(b"  ") is None


@given(st.binary(max_size=200))
def test_no_line_is_too_odd(line):
    for read in (answer, scan, unique_id, capability):
        read(line)


@given(st.text(max_size=50))
def test_no_argument_ends_a_line(text):
    try:
        sent = argument(text)
    except Unencodable:
        return
    assert not {0, 10, 13} & set(sent)
