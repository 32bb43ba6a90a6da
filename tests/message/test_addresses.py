"""Address fields: every form of RFC 5322 §3.4, what mailers make of it, and what must not be believed."""

import pytest

from listener.message import addresses
from listener.message.model import Address

FORMS = {
    "bare": ("a@example.com", [("", "a@example.com")]),
    "named": ("Anna Example <a@example.com>", [("Anna Example", "a@example.com")]),
    "quoted name": ('"Example, Anna \\"A\\"" <a@b.example>', [('Example, Anna "A"', "a@b.example")]),
    "encoded name": ("=?utf-8?Q?M=C3=BCller?= <a@b.example>", [("Müller", "a@b.example")]),
    "encoded name with a comma": ("=?iso-8859-1?Q?M=FCller,_A?= <a@b.example>", [("Müller, A", "a@b.example")]),
    "encoded name in quotes": ('"=?utf-8?Q?M=C3=BCller?=" <a@b.example>', [("Müller", "a@b.example")]),
    "comment as name": ("a@b.example (Anna (the one))", [("Anna (the one)", "a@b.example")]),
    "comments inside": ("Anna <a(x)@b.example(y)>", [("Anna", "a@b.example")]),
    "list": ("a@b.example, Anna <c@d.example>", [("", "a@b.example"), ("Anna", "c@d.example")]),
    "semicolons": ("a@b.example; c@d.example", [("", "a@b.example"), ("", "c@d.example")]),
    "group": ("Team: a@b.example, c@d.example;, e@f.example", [("", "a@b.example"), ("", "c@d.example"), ("", "e@f.example")]),
    "empty group": ("undisclosed-recipients:;", []),
    "route": ("<@r1.example,@r2.example:a@b.example>", [("", "a@b.example")]),
    "blanks around the at": ("a . b @ c . example", [("", "a.b@c.example")]),
    "quoted local part": ('"a b"@c.example', [("", '"a b"@c.example')]),
    "domain literal": ("a@[192.0.2.1]", [("", "a@[192.0.2.1]")]),
    "international": ("анна@пример.example", [("", "анна@пример.example")]),
    "forgotten brackets": ("Anna Example a@b.example", [("Anna Example", "a@b.example")]),
    "never closed": ("Anna <a@b.example", [("Anna", "a@b.example")]),
    "mailto": ("<mailto:a@b.example>", [("", "a@b.example")]),
    "apostrophes": ("'a@b.example' <a@b.example>", [("a@b.example", "a@b.example")]),
    "no separator": ("<a@b.example> <c@d.example>", [("", "a@b.example"), ("", "c@d.example")]),
    "system account in brackets": ("Mail Delivery System <MAILER-DAEMON>", [("Mail Delivery System", "MAILER-DAEMON")]),
    "system account": ("MAILER-DAEMON (Mail Delivery System)", []),
    "null path": ("<>", []),
    "nothing": ("", []),
}


def read(value: str) -> list[tuple[str, str]]:
    return [(address.name, address.address) for address in addresses.read([value], [])]


@pytest.mark.parametrize(("value", "expected"), FORMS.values(), ids=FORMS)
def test_forms_are_read(value: str, expected: list[tuple[str, str]]) -> None:
    assert read(value) == expected


FORGERIES = {
    "a name that is another address": ('"boss@victim.example" <eve@evil.example>', ["eve@evil.example"]),
    "an unquoted one": ("boss@victim.example <eve@evil.example>", ["eve@evil.example"]),
    "an encoded word that holds an address": ("=?utf-8?Q?boss=40victim.example?=", []),
    "an encoded local part": ("=?utf-8?Q?boss?=@victim.example", []),
    "an encoded bracket (CVE-2023-27043 and its kin)": (
        "=?utf-8?Q?=3Cboss=40victim.example=3E?= <eve@evil.example>",
        ["eve@evil.example"],
    ),
    "two at signs (CVE-2019-16056)": ("boss@victim.example@evil.example", []),
    "a comment between": ("boss(x)@evil.example(@victim.example)", ["boss@evil.example"]),
    "a bracket in quotes": ('"a <boss@victim.example>" <eve@evil.example>', ["eve@evil.example"]),
    "a quote never closed": ('"boss <boss@victim.example>', []),
}


@pytest.mark.parametrize(("value", "expected"), FORGERIES.values(), ids=FORGERIES)
def test_nothing_forges_an_address(value: str, expected: list[str]) -> None:
    assert [address for _, address in read(value)] == expected


def test_several_fields_are_one_list() -> None:
    assert addresses.read(["a@b.example", "c@d.example"], []) == (Address("", "a@b.example"), Address("", "c@d.example"))


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_number_of_addresses_is_bounded(over: int) -> None:
    defects: list[str] = []
    count = addresses.MAX_ADDRESSES + over
    assert len(addresses.read(["a@b.c,"] * count, defects)) == min(count, addresses.MAX_ADDRESSES)
    assert bool(defects) is (over > 0)


@pytest.mark.parametrize("over", [-1, 0, 1])
def test_the_length_of_a_field_is_bounded(over: int) -> None:
    defects: list[str] = []
    addresses.read(["a" * (addresses.MAX_FIELD + over)], defects)
    assert bool(defects) is (over > 0)


@pytest.mark.parametrize(
    ("value", "path"), [("<a@b.example>", "a@b.example"), ("a@b.example", "a@b.example"), ("<>", ""), ("", None), ("x", None)]
)
def test_the_null_reverse_path_is_not_a_missing_one(value: str, path: str | None) -> None:
    assert addresses.return_path(value) == path
