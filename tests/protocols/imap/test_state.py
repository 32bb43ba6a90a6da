"""The sync state of a folder: what is kept, and what a server may do to it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.protocols.imap.state import Point, begin, read_unique_id

NUMBERS = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("text", ["7:12", "7:1:12", "7:3:12:1", "7:12:0:2", "0:1"])
def test_the_text_comes_back_as_it_was(text: str) -> None:
    assert Point.parse(text).text == text


@given(NUMBERS, NUMBERS, NUMBERS, st.integers(0, 10**8))
def test_every_point_comes_back(validity: int, next_uid: int, horizon: int, epoch: int) -> None:
    point = Point(validity, next_uid, horizon, epoch)
    assert Point.parse(point.text) == point
    assert read_unique_id(point.unique_id(9)) == (validity, 9, epoch)


@pytest.mark.parametrize("text", [None, "", "7", "7:", "a:b", "7:1:2:3:4", "-1:2", "٣:٤", "7:12 "])
def test_what_is_none_of_ours_is_no_state(text: str | None) -> None:
    assert Point.parse(text) is None


@pytest.mark.parametrize("text", ["", "7", "uidl-1", "7:8:9:10", "7:x"])
def test_what_is_none_of_ours_names_no_message(text: str) -> None:
    assert read_unique_id(text) is None


def test_without_a_state_everything_is_new() -> None:
    assert begin(None, 7, 100) == Point(7, 1)


def test_the_same_numbering_goes_on() -> None:
    assert begin(Point(7, 50), 7, 100) == Point(7, 50)
    assert begin(Point(7, 50), 7, 50) == Point(7, 50)


@pytest.mark.parametrize("validity", [8, 6, 0])
def test_another_numbering_begins_a_reset(validity: int) -> None:
    point = begin(Point(7, 50), validity, 30)
    assert point == Point(validity, 1, 30)
    assert point.resetting
    assert point.unique_id(4) == f"{validity}:4"


def test_a_reset_of_an_empty_folder_is_over_at_once() -> None:
    assert not begin(Point(7, 50), 8, 1).resetting


def test_numbers_that_begin_again_get_names_of_their_own() -> None:
    point = begin(Point(7, 50), 7, 30)
    assert point == Point(7, 1, 50, 1)
    assert point.unique_id(4) != Point(7, 50).unique_id(4)
    again = begin(point.advanced(30), 7, 10)
    assert again.epoch == 2


def test_a_reset_that_was_interrupted_goes_on() -> None:
    half = begin(Point(7, 50), 8, 100).advanced(60)
    assert half == Point(8, 60, 100)
    resumed = begin(Point.parse(half.text), 8, 120)
    assert resumed.resetting
    assert resumed.advanced(100) == Point(8, 100)


def test_a_second_renumbering_begins_the_reset_anew() -> None:
    half = begin(Point(7, 50), 8, 100).advanced(60)
    assert begin(half, 9, 90) == Point(9, 1, 90)


def test_nothing_moves_backwards() -> None:
    assert Point(7, 50).advanced(20) == Point(7, 50)
