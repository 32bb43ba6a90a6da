"""Message-ids, and the substitute for a missing one."""

import pytest

from listener.message import identifiers


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a@b> <c@d>\t<e@f>", ("a@b", "c@d", "e@f")),
        ("<a@b><a@b>", ("a@b",)),
        ("a@b", ("a@b",)),
        ("Your message of Sunday <a@b>", ("a@b",)),
        ("=?utf-8?Q?=3Ca=40b=3E?=", ("a@b",)),
        ("<a b@c>", ("ab@c",)),
        ("nonsense", ()),
        ("", ()),
    ],
)
def test_ids_lose_their_brackets(value: str, expected: tuple[str, ...]) -> None:
    assert identifiers.read([value]) == expected


def test_of_very_many_the_first_and_the_latest_are_kept() -> None:
    ids = identifiers.read(["".join(f"<{n}@x>" for n in range(1000))])
    assert (len(ids), ids[0], ids[-1]) == (identifiers.MAX_IDENTIFIERS, "0@x", "999@x")


def test_a_missing_id_gets_the_same_substitute_every_time() -> None:
    first, own = identifiers.message_id([], b"one")
    assert (first, own) == (identifiers.message_id(["", "<>"], b"one")[0], False)
    assert first != identifiers.message_id([], b"two")[0]
    assert first.endswith(".invalid")


def test_of_two_ids_the_first_counts() -> None:
    assert identifiers.message_id(["<a@b>", "<c@d>"], b"") == ("a@b", True)
