"""Signed thread tokens: who can make one, where they are found, and what happens when keys change."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener import tokens
from listener.message.model import Address, Bounce, InboundMessage
from listener.tokens import Form, Key, Keyring, Token

CASE, OTHER = "K7QZ2ABCDEFGH", "M3XW5ABCDEFGI"
OLD, NEW = Key(b"o" * 32), Key(b"n" * 32)
RING = Keyring((OLD,))
BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def message(**fields) -> InboundMessage:
    return InboundMessage(message_id="m@example.net", **fields)


def to(*addresses: str) -> InboundMessage:
    return message(to=tuple(Address("", address) for address in addresses))


def forms(ring: Keyring, case: str = CASE, account: str = "support") -> dict[Form, InboundMessage]:
    """One message for each way in which a token comes back."""
    return {
        Form.MESSAGE_ID: message(references=(ring.message_id(case, account, "n1", "example.com"),)),
        Form.ADDRESS: to(ring.address("support@example.com", case, account)),
        Form.SUBJECT: message(subject=f"Re: printer {ring.subject(case, account)}"),
    }


def verified(message: InboundMessage, ring: Keyring = RING, account: str = "support") -> set[str]:
    return {case for token in tokens.find(message) if (case := ring.verify(token, account))}


@pytest.mark.parametrize("form", Form)
def test_what_we_sign_comes_back_and_names_its_case(form):
    assert verified(forms(RING)[form]) == {CASE}


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("fold", [str.upper, str.lower, str.swapcase])
def test_servers_may_fold_the_letters(form, fold):
    said = forms(RING)[form]
    folded = replace(
        said,
        subject=fold(said.subject),
        references=tuple(map(fold, said.references)),
        to=tuple(Address("", fold(one.address)) for one in said.to),
    )
    assert verified(folded) == {CASE}


@pytest.mark.parametrize("form", Form)
def test_a_token_of_one_account_is_refused_in_another(form):
    assert verified(forms(RING)[form], account="sales") == set()


@pytest.mark.parametrize("form", Form)
def test_a_token_of_one_case_is_refused_for_another(form):
    (token,) = tokens.find(forms(RING)[form])
    assert RING.verify(replace(token, case=OTHER), "support") is None


def test_no_form_can_be_turned_into_another():
    (long,) = tokens.find(forms(RING)[Form.ADDRESS])
    (short,) = tokens.find(forms(RING)[Form.SUBJECT])
    for form in Form:
        for token in (long, short):
            accepted = RING.verify(Token(form, token.case, token.tag), "support")
            assert (accepted == CASE) == (form is token.form)


def test_another_nonce_is_another_signature():
    (token,) = tokens.find(forms(RING)[Form.MESSAGE_ID])
    assert RING.verify(replace(token, nonce="n2"), "support") is None


@pytest.mark.parametrize("form", Form)
def test_after_a_rotation_the_old_key_still_verifies_and_the_new_one_signs(form):
    rotated = Keyring((NEW, OLD))
    assert verified(forms(RING)[form], rotated) == {CASE}
    assert verified(forms(rotated)[form], Keyring((NEW,))) == {CASE}
    assert verified(forms(rotated)[form], RING) == set()


@pytest.mark.parametrize("form", Form)
def test_a_key_that_was_taken_out_verifies_nothing(form):
    assert verified(forms(RING)[form], Keyring((NEW,))) == set()


@pytest.mark.parametrize("form", Form)
def test_without_a_key_nothing_is_accepted(form):
    assert verified(forms(RING)[form], Keyring()) == set()


def test_without_a_key_nothing_is_signed():
    for sign in (Keyring().subject, lambda case, account: Keyring().message_id(case, account, "n", "example.com")):
        with pytest.raises(LookupError):
            sign(CASE, "support")


def test_keys_with_the_same_kid_are_both_tried():
    first = Key((0).to_bytes(32))
    second = next(key for n in range(1, 10_000) if (key := Key(n.to_bytes(32))).kid == first.kid)
    assert verified(forms(Keyring((second,)))[Form.SUBJECT], Keyring((first, second))) == {CASE}


def random_tokens(count: int, seed: int) -> int:
    """How many of so many tokens made without the key are accepted. The kid is right, the case always exists."""
    chance = random.Random(seed)
    kid = OLD.tag(Form.ADDRESS, CASE, "support", "")[0]
    accepted = 0
    for _ in range(count):
        form = chance.choice((Form.ADDRESS, Form.SUBJECT, Form.MESSAGE_ID))
        length = 10 if form is Form.SUBJECT else 18
        second = OLD.tag(form, CASE, "support", "")[1]
        tag = kid + second + "".join(chance.choices(BASE32, k=length - 2))
        accepted += RING.verify(Token(form, CASE, tag, "n1" if form is Form.MESSAGE_ID else ""), "support") is not None
    return accepted


def test_of_random_tokens_none_is_accepted():
    assert random_tokens(30_000, seed=78) == 0


@pytest.mark.long
def test_of_a_million_random_tokens_none_is_accepted():
    assert random_tokens(1_000_000, seed=79) == 0


@pytest.mark.parametrize("form", Form)
def test_one_wrong_letter_anywhere_is_refused(form):
    (token,) = tokens.find(forms(RING)[form])
    for place in range(len(token.tag)):
        for letter in BASE32:
            if letter != token.tag[place]:
                tag = token.tag[:place] + letter + token.tag[place + 1 :]
                assert RING.verify(replace(token, tag=tag), "support") is None


@pytest.mark.parametrize("subject", ["[#1234]", "Re: Ticket 4711", f"#{CASE}", f"[#{CASE}]", f"[{CASE}]", "[#]"])
def test_a_number_in_a_subject_is_no_token(subject):
    assert tokens.find(message(subject=subject)) == ()


@given(st.text(max_size=300))
def test_any_text_can_be_looked_at(text):
    said = message(subject=text, references=(text,), delivered_to=(text,), to=(Address("", text),))
    assert verified(said) == set()


@given(st.builds(Token, st.sampled_from(Form), st.text(max_size=20), st.text(max_size=20), st.text(max_size=20)))
def test_any_token_can_be_asked_about(token):
    assert RING.verify(token, "support") is None


def test_the_address_it_was_delivered_to_counts_where_to_names_another():
    address = RING.address("support@example.com", CASE, "support")
    assert verified(message(to=(Address("", "all@example.com"),), delivered_to=(address,))) == {CASE}


def test_the_most_deliberate_token_comes_first():
    said = replace(
        to(RING.address("support@example.com", CASE, "support")),
        references=(RING.message_id(OTHER, "support", "a", "example.com"),),
        subject=RING.subject(OTHER, "support"),
    )
    assert [token.form for token in tokens.find(said)] == [Form.ADDRESS, Form.MESSAGE_ID, Form.SUBJECT]


def test_the_newest_reference_comes_first():
    ids = tuple(RING.message_id(case, "support", "a", "example.com") for case in (OTHER, CASE))
    assert [token.case for token in tokens.find(message(references=ids))] == [CASE, OTHER]


def test_a_message_full_of_tokens_is_looked_at_within_bounds():
    ids = tuple(RING.message_id(CASE, "support", f"a{n}", "example.com") for n in range(200))
    assert len(tokens.find(message(references=ids, subject=RING.subject(CASE, "support") * 500))) == tokens.MAX_TOKENS


def test_a_plus_address_keeps_the_plus_it_has():
    address = RING.address("support+eu@example.com", CASE, "support")
    assert address.startswith("support+eu+")
    assert verified(to(address)) == {CASE}


@pytest.mark.parametrize("address", ["a" * 33 + "@example.com", "nowhere"])
def test_an_address_without_room_for_a_token_is_refused(address):
    with pytest.raises(ValueError, match="room"):
        RING.address(address, CASE, "support")


@pytest.mark.parametrize("nonce", ["", "A", "a b", "a\r\nX: y", "a" * 33, "é", "a\n"])
def test_what_could_break_a_field_is_no_nonce(nonce):
    with pytest.raises(ValueError, match="nonce"):
        RING.message_id(CASE, "support", nonce, "example.com")


@pytest.mark.parametrize("case", ["", "K7QZ", "k7qz2abcdefgh", "K7QZ2ABCDEFG1", CASE + "\n"])
def test_only_the_id_of_a_case_is_signed(case):
    with pytest.raises(ValueError, match="case"):
        RING.subject(case, "support")


def test_a_key_never_shows_itself():
    assert "oooo" not in repr(RING)


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="32"):
        Key(b"short")


def test_a_bounce_brings_the_token_of_what_came_back():
    sent = RING.message_id(CASE, "support", "n1", "example.com")
    assert verified(message(bounce=Bounce((), original_message_id=sent))) == {CASE}


def test_a_message_is_known_by_any_valid_token():
    for said in forms(RING).values():
        assert RING.knows(said, "support")
        assert not RING.knows(said, "sales")
        assert not Keyring().knows(said, "support")
