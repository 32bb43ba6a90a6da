"""What FETCH, SEARCH and STATUS data mean, and what of it is not believed."""

import time

import pytest

from listener.protocols.imap.answers import MAX_FOUND, Fetch, fetch, found_uids, internal_date, status_items
from listener.protocols.imap.grammar import parse


def answer(line: bytes, *pieces: bytes, section: str = "") -> Fetch:
    found = fetch(parse([b"* 1 FETCH " + line, *pieces]), section)
    assert found
    return found


def test_a_whole_answer_is_read() -> None:
    found = answer(
        b"(RFC822.SIZE 310 uid 7 FLAGS (\\SEEN \\Deleted) "
        b'INTERNALDATE "17-Jul-1996 02:44:25 -0700" X-GM-MSGID 127841 BODY[] {2}',
        b"hi",
        b")",
    )
    assert found == Fetch(7, 310, 837_596_665.0, frozenset({"\\seen", "\\deleted"}), "127841", b"hi")


def test_an_email_id_stands_in_parentheses() -> None:
    assert answer(b"(UID 1 EMAILID (M6d99ac3275bb4e))").provider_id == "M6d99ac3275bb4e"


def test_the_header_asked_for_is_the_body_of_the_answer() -> None:
    listed = answer(b"(UID 1 BODY[HEADER.FIELDS (MESSAGE-ID)]<0> {3}", b"M:\n", b")", section="HEADER.FIELDS")
    assert listed.body == b"M:\n"
    assert answer(b"(UID 1 BODY[] NIL)").body is None
    assert answer(b'(UID 1 BODY[] "")').body == b""


def test_a_section_nobody_asked_for_is_not_the_message() -> None:
    uncalled = b'(UID 1 BODY[HEADER.FIELDS (SUBJECT)] "Subject: x" BODY[] "whole" BODY[TEXT] "half")'
    assert answer(uncalled).body == b"whole"
    assert answer(uncalled, section="HEADER").body is None


@pytest.mark.parametrize("value", [b"()", b"(UID)", b"(UID -1)", b"(UID NIL)", b"(UID 4294967296)", b"((UID) 7)", b"(UID 1e3)"])
def test_nonsense_is_no_uid(value: bytes) -> None:
    assert answer(value).uid is None


def test_missing_flags_are_unknown() -> None:
    assert answer(b"(UID 7)").flags is None
    assert answer(b"(UID 7 FLAGS NIL)").flags is None


@pytest.mark.parametrize("line", [b"* 1 FETCH", b"* 1 FETCH UID", b"* 3 EXISTS", b"* SEARCH 1"])
def test_other_data_is_no_fetch(line: bytes) -> None:
    assert fetch(parse([line])) is None


@pytest.mark.parametrize(
    "text", ["", "yesterday", "32-Jan-2026 00:00:00", "1-Foo-2026 00:00:00", "1-Jan-1900 00:00:00", "1-Jan-2026 99:00:00"]
)
def test_a_date_that_is_none_is_unknown(text: str) -> None:
    assert internal_date(text.encode() + b" +0000") is None


def test_dates_are_read_with_their_zone() -> None:
    assert internal_date(b" 1-Jan-1970 02:00:00 +0200") == 0.0
    assert internal_date(b"01-jan-1970 00:00:00 -0030") == 1800.0


def test_found_uids_are_ascending_and_each_once_and_never_zero() -> None:
    lines = [b"* SEARCH 9 2 0 2 x 4294967296 (MODSEQ 5)", b"* SEARCH", b"* SEARCH 3"]
    assert found_uids(parse([line]) for line in lines) == [2, 3, 9]


def test_an_extended_search_is_read_too() -> None:
    assert found_uids([parse([b'* ESEARCH (TAG "a") UID COUNT 4 ALL 2,10:9,15'])]) == [2, 9, 10, 15]


def test_a_set_without_end_is_cut_in_no_time() -> None:
    begun = time.process_time()
    ranges = b",".join([b"1:4294967295"] * 50_000)
    assert len(found_uids([parse([b"* ESEARCH UID ALL " + ranges])])) == MAX_FOUND
    assert time.process_time() - begun < 5


def test_status_items_are_numbers_by_name() -> None:
    assert status_items(parse([b'* STATUS "My Box" (messages 3 UIDNEXT 17 UIDVALIDITY NIL X)'])) == {
        "MESSAGES": 3,
        "UIDNEXT": 17,
    }
    assert status_items(parse([b"* STATUS INBOX"])) == {}
