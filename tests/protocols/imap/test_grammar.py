"""The IMAP grammar reads what servers say, survives what attackers say, and takes time in proportion to length."""

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.errors import ConnectionLost, ListenerError
from listener.protocols.imap import answers, grammar
from listener.protocols.imap.grammar import (
    MAX_NESTING,
    MAX_SHOWN,
    Condition,
    Continuation,
    Data,
    Malformed,
    Status,
    literal_size,
    parse,
    read_values,
)


def data(*pieces: bytes) -> Data:
    response = parse(pieces)
    assert isinstance(response, Data)
    return response


# --- responses -------------------------------------------------------------------------------------------------------


def test_a_tagged_answer_has_its_code_and_its_words() -> None:
    status = parse([b"L1x7 NO [AUTHENTICATIONFAILED] Authentication failed."])
    assert status == Status("L1x7", Condition.NO, "AUTHENTICATIONFAILED", (), "Authentication failed.")


@pytest.mark.parametrize("word", ["OK", "NO", "BAD", "BYE", "PREAUTH"])
def test_an_untagged_status_is_told_in_any_case(word: str) -> None:
    for spelt in (word, word.lower()):
        status = parse([b"* " + spelt.encode() + b" hello"])
        assert (status.tag, status.condition, status.text) == ("", word, "hello")


@pytest.mark.parametrize(
    "line", [b"L1 BYE see you", b"L1 PREAUTH", b"L1", b"", b"hello world", b"L-1 OK", b"*", b"x" * 65 + b" OK"]
)
def test_what_is_no_response_is_refused(line: bytes) -> None:
    with pytest.raises(Malformed):
        parse([line])


def test_codes_keep_their_arguments() -> None:
    assert parse([b"* OK [UIDNEXT 4392] Predicted"]).arguments == ("4392",)
    assert parse([b"* OK [PERMANENTFLAGS (\\Deleted \\*)] Limited"]).arguments == (["\\Deleted", "\\*"],)
    assert parse([b"* OK [CAPABILITY IMAP4rev1 IDLE] hi"]).arguments == ("IMAP4rev1", "IDLE")
    assert parse([b'* NO [BADURL "a]b"] no']).arguments == (b"a]b",)


@pytest.mark.parametrize("text", [b"[UNCLOSED hello", b"[] hello", b"[UIDNEXT (] hello", b'[X "] hello'])
def test_a_code_that_cannot_be_read_is_no_reason_to_fail(text: bytes) -> None:
    assert parse([b"* OK " + text]).condition is Condition.OK


def test_a_continuation_comes_with_its_challenge() -> None:
    assert parse([b"+ eyJzdGF0dXMi"]) == Continuation(b"eyJzdGF0dXMi")
    assert parse([b"+"]) == Continuation(b"")


# --- data ------------------------------------------------------------------------------------------------------------


def test_a_fetch_is_a_tree_of_atoms_strings_and_nil() -> None:
    response = data(
        b'* 12 fetch (UID 7 FLAGS (\\Seen $Forwarded) INTERNALDATE " 1-Jan-2026 00:00:00 +0000" X NIL BODY[] {5}',
        b"ab(c)",
        b")",
    )
    assert (response.name, response.number) == ("FETCH", 12)
    items = [
        "UID",
        "7",
        "FLAGS",
        ["\\Seen", "$Forwarded"],
        "INTERNALDATE",
        b" 1-Jan-2026 00:00:00 +0000",
        "X",
        None,
        "BODY[]",
        b"ab(c)",
    ]
    assert response.values == [items]


def test_parentheses_and_escapes_inside_quotes_are_text() -> None:
    assert read_values([b'("a (b" "c) \\"d\\\\" "")']) == [[b"a (b", b'c) "d\\', b""]]


def test_an_envelope_may_be_all_nil() -> None:
    assert data(b"* 1 FETCH (ENVELOPE (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) UID 3)").values == [
        ["ENVELOPE", [None] * 10, "UID", "3"]
    ]


def test_a_section_holds_blanks_and_parentheses_together() -> None:
    values = data(b"* 1 FETCH (BODY[HEADER.FIELDS (MESSAGE-ID)]<0> {2}", b"hi", b")").values
    assert values == [["BODY[HEADER.FIELDS (MESSAGE-ID)]<0>", b"hi"]]


def test_several_literals_stand_where_they_were() -> None:
    assert data(b"* 1 FETCH (A {1}", b"(", b" B ~{2}", b"\0)", b")").values == [["A", b"(", "B", b"\0)"]]


@pytest.mark.parametrize(
    "text",
    [b"(", b")", b"(a))", b'"open', b'a "b\\"', b"(" * 100, b"a\x01b", b'"a"b"', b"\x7f"],
    ids=lambda text: repr(text[:9]),
)
def test_broken_data_is_malformed(text: bytes) -> None:
    with pytest.raises(Malformed):
        read_values([text])


def test_nesting_ends_at_its_limit() -> None:
    deepest = b"(" * MAX_NESTING + b")" * MAX_NESTING
    assert read_values([deepest])
    with pytest.raises(Malformed, match="64"):
        read_values([b"(" + deepest + b")"])


def test_a_number_without_end_is_malformed() -> None:
    with pytest.raises(Malformed):
        parse([b"* " + b"9" * 5000 + b" EXISTS"])


# --- literals --------------------------------------------------------------------------------------------------------


def test_a_literal_is_announced_at_the_end_of_data() -> None:
    for line, size in ((b"* 1 FETCH (BODY[] {310}", 310), (b"* LIST () {3+}", 3), (b"* 1 FETCH (BINARY[] ~{8}", 8)):
        assert literal_size(line, first=line) == size
    assert literal_size(b" UID 3)", first=b"* 1 FETCH (BODY[] {310}") is None
    assert literal_size(b" B {4}", first=b"* 1 FETCH (BODY[] {310}") == 4


@pytest.mark.parametrize("line", [b"* OK see {5}", b"L1 NO see {5}", b"* BYE {0}", b"+ {9}", b"* bad {1}"])
def test_what_people_read_may_end_like_a_literal(line: bytes) -> None:
    assert literal_size(line, first=line) is None


def test_an_absurd_literal_is_malformed_before_it_is_read() -> None:
    with pytest.raises(Malformed, match="absurd"):
        literal_size(b"* 1 FETCH (BODY[] {99999999999999}", first=b"* 1 FETCH")


# --- hostile ---------------------------------------------------------------------------------------------------------

LINES = st.binary(max_size=200) | st.text('()[]{}"\\ *+0123456789aNILOKFETCH\t', max_size=200).map(str.encode)


@given(st.lists(LINES, min_size=1, max_size=5).filter(lambda pieces: len(pieces) % 2))
def test_nothing_but_our_errors_comes_out_of_any_octets(pieces: list[bytes]) -> None:
    try:
        for line in pieces:
            literal_size(line, first=pieces[0])
        response = parse(pieces)
    except ListenerError:
        return
    if isinstance(response, Data):
        answers.fetch(response)
        answers.found_uids([response])
        answers.status_items(response)
    elif isinstance(response, Status):
        assert len(response.shown) < MAX_SHOWN + 50


@given(st.binary(max_size=300))
def test_nothing_but_our_errors_comes_out_of_data_with_a_sound_beginning(octets: bytes) -> None:
    for start in (b"* 1 FETCH (", b"* SEARCH ", b"* ESEARCH ", b"* STATUS x (", b"* OK [", b"* CAPABILITY "):
        try:
            response = parse([start + octets])
        except ConnectionLost:
            continue
        if isinstance(response, Data):
            answers.fetch(response)
            answers.found_uids([response])
            answers.status_items(response)


HEAVY = {
    "parentheses": b"()" * 400_000,
    "brackets": b"[" * 800_000,
    "open brackets": b"[a" * 400_000,
    "open quote": b'"' + b"a" * 800_000,
    "escapes": b'"' + b"\\a" * 400_000,
    "quotes": b'""' * 400_000,
    "words": b"a " * 400_000,
    "blanks": b" " * 800_000,
    "one word": b"a" * 800_000,
}


@pytest.mark.parametrize("shape", HEAVY)
def test_a_line_of_the_largest_size_takes_no_more_than_its_share(shape: str) -> None:
    def seconds(text: bytes) -> float:
        begun = time.process_time()
        for read in (lambda: read_values([text]), lambda: parse([b"* OK [" + text]), lambda: parse([b"L1 NO " + text])):
            with contextlib.suppress(Malformed):
                read()
        return time.process_time() - begun

    whole = HEAVY[shape]
    looks = 3  # a busy machine may spoil one; work that grows with the square spoils them all
    assert any(seconds(whole) < 3 * 8 * max(seconds(whole[: len(whole) // 8]), 0.01) for _ in range(looks))


def test_a_servers_words_are_shown_short_and_harmless() -> None:
    status = parse([b"* NO [ALERT] \x1b]0;owned\x07 \xe2\x80\xae evil " + b"x" * 5000])
    assert "\x1b" not in status.shown
    assert "\u202e" not in status.shown
    assert len(status.shown) <= MAX_SHOWN + len('the server says ""')
    assert status.shown.startswith("the server says")


def test_the_text_that_is_kept_is_bounded() -> None:
    assert len(parse([b"* OK " + b"x" * 100_000]).text) == grammar.MAX_TEXT
