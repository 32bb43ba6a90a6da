"""Commands as they are written: nothing can break out of an argument."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.protocols.imap.encode import (
    MAX_SET_TEXT,
    Command,
    Literal,
    Unencodable,
    astring,
    folder,
    segments,
    traced,
    uid_sets,
)

CONTROLS = [chr(number) for number in [*range(32), 127]]


@pytest.mark.parametrize("control", CONTROLS, ids=repr)
def test_a_control_character_is_never_sent(control: str) -> None:
    for text in (control, f"a{control}", f"{control}b", f"INBOX{control}L1 DELETE INBOX"):
        with pytest.raises(Unencodable):
            astring(text)
        for utf8 in (True, False):
            with pytest.raises(Unencodable):
                folder(text, utf8=utf8)


def test_the_refusal_does_not_quote_what_may_be_a_password() -> None:
    with pytest.raises(Unencodable) as caught:
        astring("hunter2\n")
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "sent"), [("", b'""'), ("a b", b'"a b"'), ('say "x"', b'"say \\"x\\""'), ("a\\b", b'"a\\\\b"'), ("{3}", b'"{3}"')]
)
def test_ascii_is_quoted(text: str, sent: bytes) -> None:
    assert astring(text) == sent
    assert not isinstance(astring(text), Literal)


def test_other_text_and_long_text_is_a_literal() -> None:
    assert astring("müller") == "müller".encode()
    assert isinstance(astring("müller"), Literal)
    assert isinstance(astring("x" * 1000), Literal)


def test_a_folder_is_named_in_the_form_agreed_on() -> None:
    assert folder("Entwürfe", utf8=False) == b'"Entw&APw-rfe"'
    assert folder("Entwürfe", utf8=True) == "Entwürfe".encode()
    assert folder('Mein "Ordner"', utf8=False) == b'"Mein \\"Ordner\\""'


@given(st.text(max_size=60), st.booleans())
def test_whatever_is_sent_stays_one_line_but_for_announced_literals(text: str, utf8: bool) -> None:
    try:
        arguments = (folder(text, utf8=utf8), astring(text))
    except (Unencodable, UnicodeEncodeError):
        return
    for free in (-1, 4096, 10**9):
        sent = b"".join(segments("t", Command("X", arguments), free=free))
        for argument in arguments:
            if isinstance(argument, Literal):
                sent = sent.replace(b"}\r\n" + argument, b"}")
        assert sent.count(b"\n") == sent.count(b"\r\n") == 1
        assert sent.endswith(b"\r\n")


def test_a_literal_waits_for_consent_unless_it_is_free() -> None:
    command = Command("LOGIN", (Literal(b"\xc3\xbc"), b'"x"'))
    assert segments("t", command, free=-1) == [b"t LOGIN {2}\r\n", b'\xc3\xbc "x"\r\n']
    assert segments("t", command, free=2) == [b't LOGIN {2+}\r\n\xc3\xbc "x"\r\n']


def test_a_trace_shows_no_secret_and_no_literal() -> None:
    assert traced("t", Command("LOGIN", (b'"ann"', b'"hunter2"'), secret=True)) == b"t LOGIN ***"
    assert traced("t", Command("SELECT", (Literal("ü".encode()),))) == b"t SELECT <2 octets>"
    assert "hunter2" not in repr(Command("LOGIN", (b'"hunter2"',), secret=True))


# --- sets ------------------------------------------------------------------------------------------------------------


SETS = {b"7": [7], b"1:3": [3, 1, 2, 2], b"1,3:4,9": [1, 3, 4, 9], b"4294967295": [2**32 - 1]}


@pytest.mark.parametrize("text", SETS)
def test_sets_are_as_short_as_can_be(text: bytes) -> None:
    assert uid_sets(SETS[text]) == [text]


def test_no_uids_are_no_set() -> None:
    assert uid_sets([]) == []


@given(st.sets(st.integers(1, 2**32 - 1), max_size=2000))
def test_sets_name_each_uid_once_and_fit_into_a_command(uids: set[int]) -> None:
    found: list[int] = []
    for text in uid_sets(uids):
        assert len(text) <= MAX_SET_TEXT
        for item in text.split(b","):
            first, _, last = item.partition(b":")
            found += range(int(first), int(last or first) + 1)
    assert found == sorted(uids)
