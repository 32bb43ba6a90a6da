"""What about a sender deserves a second look: imitated scripts, a name with another address, replies that go elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.message import flags
from listener.message.model import Address

ANN = Address("Ann", "ann@customer.example")


def flagged(*senders: Address, reply_to: tuple[Address, ...] = ()) -> str:
    return "\n".join(flags.flags(senders, reply_to))


def test_an_ordinary_sender_has_no_flags():
    assert flags.flags([ANN], [Address("", "desk@customer.example")]) == ()


def test_every_flag_has_the_stable_prefix():
    found = flags.flags([Address("boss@bank.example", "x@pаypal.example")], [Address("", "a@evil.example")])
    assert len(found) == 3
    assert all(flag.startswith("flag: ") for flag in found)


def test_a_latin_name_with_one_cyrillic_letter_is_shown_as_punycode_beside_the_letters():
    found = flagged(Address("", "service@pаypal.example"))
    assert "mixes or imitates scripts" in found


def test_punycode_is_read_before_it_is_judged():
    assert "mixes or imitates scripts" in flagged(Address("", "service@xn--pypal-4ve.example"))


def test_a_label_all_of_lookalike_letters_is_an_imitation():
    assert "imitates" in flagged(Address("", "a@аррӏе.example"))


@pytest.mark.parametrize(
    "domain", ["bücher.example", "пример.example", "例え.example", "παράδειγμα.example", "한국カード.example"]
)
def test_a_domain_in_one_script_is_no_imitation(domain: str):
    assert flagged(Address("", f"a@{domain}")) == ""


def test_a_name_that_shows_another_address_is_flagged():
    assert "shows another address, ceo@bank.example" in flagged(Address("ceo@bank.example", "x@mail.example"))


def test_a_name_that_shows_the_senders_own_address_is_not():
    assert flagged(Address("ANN@customer.example", "ann@Customer.example")) == ""


def test_replies_to_another_domain_are_flagged():
    assert "another domain, evil.example" in flagged(ANN, reply_to=(Address("", "ann@evil.example"),))


def test_a_flag_cannot_turn_the_line_around():
    assert "\u202e" not in flagged(ANN, reply_to=(Address("", "a@\u202eevil.example"),))


def test_flags_are_few_however_many_addresses_there_are():
    crowd = tuple(Address("", f"a@evil{number}.example") for number in range(500))
    assert len(flags.flags([ANN], crowd)) == flags.MAX_FLAGS


@given(
    st.lists(st.builds(Address, st.text(), st.text()), max_size=5),
    st.lists(st.builds(Address, st.text(), st.text()), max_size=5),
)
def test_nothing_is_raised_whatever_the_addresses(senders: list[Address], replies: list[Address]):
    assert len(flags.flags(senders, replies)) <= flags.MAX_FLAGS
