"""UIDL and LIST joined, pages cut, and when the unique-ids were given anew."""

import pytest

from listener.protocols.pop3.listing import SKETCH, Drop, Sketch, cut, maildrop


def test_a_message_in_only_one_listing_waits():
    drops = maildrop([b"1 a", b"2 b"], [b"2 20", b"3 30"])
    assert drops == [Drop(2, 20, "b")]


def test_an_id_that_stands_twice_names_neither():
    assert [drop.uidl for drop in maildrop([b"1 a", b"2 b", b"3 a"], [b"1 1", b"2 2", b"3 3"])] == [None, "b", None]


def test_without_uidl_all_are_anonymous():
    assert maildrop(None, [b"1 10"]) == [Drop(1, 10, None)]


def test_nonsense_is_left_out():
    assert maildrop([b"0 a", b"x", b"1 ok"], [b"0 1", b"1 10", b"garbage"]) == [Drop(1, 10, "ok")]


def test_pages_by_count_and_octets():
    drops = [Drop(n, size, None) for n, size in enumerate((5, 5, 100, 5, 5, 5), 1)]
    assert [[drop.number for drop in page] for page in cut(drops, 2, 50)] == [[1, 2], [3], [4, 5], [6]]


def ids(first, count):
    return [f"id{n}" for n in range(first, first + count)]


@pytest.mark.parametrize("count", [1, 3, 5, 64, 65, 1000, 20_000])
def test_all_ids_given_anew_is_a_reset(count):
    before, now = Sketch.of(ids(0, count)), Sketch.of(ids(100_000, count))
    assert before.replaced_by(now, fewest=1)


@pytest.mark.parametrize("count", [5, 64, 1000, 20_000])
@pytest.mark.parametrize("kept", [0.3, 0.5, 0.9, 1.0])
def test_many_new_beside_many_kept_is_none(count, kept):
    before = Sketch.of(ids(0, count))
    now = Sketch.of(ids(count - max(2, int(count * kept)), count))
    assert not before.replaced_by(now, fewest=1)


@pytest.mark.parametrize("fresh", [1, 64, 1000, 50_000])
def test_a_flood_beside_what_was_there_is_none(fresh):
    assert not Sketch.of(ids(0, 1000)).replaced_by(Sketch.of(ids(0, 1000 + fresh)))


def test_an_emptied_or_a_first_maildrop_is_none():
    assert not Sketch.of(ids(0, 10)).replaced_by(Sketch.of([]), fewest=1)
    assert not Sketch.of([]).replaced_by(Sketch.of(ids(0, 10)), fewest=1)


def test_a_sketch_survives_being_stored_and_stays_small():
    sketch = Sketch.of(ids(0, 5000))
    assert Sketch.read(sketch.text()) == sketch
    assert len(sketch.text()) < SKETCH * 13 + 1


@pytest.mark.parametrize("text", [None, "", "xyz", "1:2:3", "ff,,0x"])
def test_what_is_no_sketch_is_an_empty_one(text):
    assert Sketch.read(text).hashes == ()
