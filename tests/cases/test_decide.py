"""Which case a message belongs to: every rule by itself, over a book that stands in memory."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.cases import (
    MAX_LINKS,
    RELATED_WITHIN,
    CaseRules,
    Closed,
    Decision,
    Link,
    LinkKind,
    Rule,
    Standing,
    decide,
)
from listener.cases.pending import Pending, participants
from listener.message.model import Address, Authentication, Automatic, Bounce, InboundMessage, Kind, Verdict
from listener.tokens import Key, Keyring

NOW = 1_700_000_000.0
DAY = 86_400.0
CASE, OTHER, THIRD = "K7QZ2ABCDEFGA", "M3XW5ABCDEFGA", "NNNNNABCDEFGA"
RING = Keyring((Key(b"k" * 32),))
RULES = CaseRules(RING, "support@example.com")
PASS, FAIL = Authentication(Verdict.PASS, "mx"), Authentication(Verdict.FAIL, "mx")


class Book:
    """Cases by id, the Message-IDs in them, and who takes part."""

    def __init__(self, *standings: Standing, filed=(), sent=(), people=(), similar=()):
        self.cases = {one.case: one for one in standings}
        self.ids, self.ours, self.people, self.alike = dict(filed), dict(sent), set(people), list(similar)
        self.asked_since = None

    def filed(self, message_ids):
        return {one: case for one, case in (self.ids | self.ours).items() if one in message_ids}

    def sent(self, message_ids):
        return {one: case for one, case in self.ours.items() if one in message_ids}

    def standing(self, case, address):
        found = self.cases.get(case)
        return found and replace(found, participant=found.participant or address in self.people)

    def similar(self, sender, about, since):
        self.asked_since = since
        return self.alike


OPEN = Book(
    Standing(CASE, False),
    Standing(OTHER, False),
    filed={"question@example.net": CASE, "else@example.net": OTHER},
    sent={"answer@example.com": CASE},
    people={"anna@example.net"},
)


def letter(sender="anna@example.net", **fields) -> InboundMessage:
    fields.setdefault("subject", "Re: Printer")
    return InboundMessage("new@example.net", from_=(Address("", sender),), **fields)


def decided(message, book=OPEN, rules=RULES, account="support") -> Decision:
    return decide(message, account, rules, book, NOW)


def signed(case=CASE, ring=RING, account="support") -> str:
    return f"Re: Printer {ring.subject(case, account)}"


# --- tokens ---------------------------------------------------------------------------------------------------------------


def test_a_token_wins_over_references():
    found = decided(letter(subject=signed(OTHER), references=("question@example.net",)))
    assert (found.case, found.rule, found.matched) == (OTHER, Rule.TOKEN, "subject")


@pytest.mark.parametrize(
    ("sender", "authentication", "unverified"),
    [
        ("anna@example.net", Authentication(), False),
        ("anna@example.net", PASS, False),
        ("anna@example.net", FAIL, True),
        ("mallory@evil.example", Authentication(), True),
        ("mallory@evil.example", FAIL, True),
        ("bob@example.net", PASS, False),
    ],
)
def test_with_a_token_a_stranger_whom_nobody_vouches_for_comments_unverified(sender, authentication, unverified):
    found = decided(letter(sender, subject=signed(), authentication=authentication))
    assert (found.case, found.unverified) == (CASE, unverified)


def test_an_unverified_commenter_takes_no_part_in_the_case():
    comment = letter("mallory@evil.example", subject=signed())
    assert participants(decided(comment), comment) == []


def test_a_token_without_any_sender_is_an_unverified_comment():
    assert decided(replace(letter(subject=signed()), from_=())).unverified


def test_two_addresses_in_from_are_nobody_whom_we_know():
    two = (Address("", "anna@example.net"), Address("", "mallory@evil.example"))
    assert decided(replace(letter(subject=signed()), from_=two)).unverified
    assert decided(replace(letter(references=("question@example.net",)), from_=two)).case is None


def test_a_token_of_a_lost_case_restores_it():
    found = decided(letter(subject=signed(THIRD), authentication=PASS))
    assert (found.case, found.restored, found.unverified) == (THIRD, True, False)


def test_a_token_of_another_account_is_no_token():
    assert decided(letter(subject=signed(account="sales"))).rule is Rule.NEW


@pytest.mark.parametrize("subject", ["Re: [#4711] Printer", f"Re: {CASE}", f"Re: [#{CASE}]", f"[#{CASE}-AAAAAAAAAA]"])
def test_a_number_in_a_subject_attaches_nothing(subject):
    assert decided(letter(subject=subject)).case is None


# --- references -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("known", ["question@example.net", "answer@example.com"])
@pytest.mark.parametrize(("field", "rule"), [("references", Rule.REFERENCES), ("in_reply_to", Rule.IN_REPLY_TO)])
def test_a_participant_who_refers_to_mail_of_a_case_joins_it(known, field, rule):
    found = decided(letter(**{field: (known,)}))
    assert (found.case, found.rule, found.matched) == (CASE, rule, known)


def test_the_newest_reference_decides():
    book = replace_people(OPEN, "anna@example.net")
    assert decided(letter(references=("question@example.net", "else@example.net")), book).case == OTHER
    assert decided(letter(references=("else@example.net", "question@example.net")), book).case == CASE


def replace_people(book, *people):
    return Book(*book.cases.values(), filed=book.ids, sent=book.ours, people=people)


def test_an_older_reference_counts_where_the_newest_is_unknown():
    assert decided(letter(references=("question@example.net", "lost@example.org"))).case == CASE


def test_a_stranger_who_refers_to_a_case_makes_a_new_one_that_may_be_related():
    found = decided(letter("mallory@evil.example", references=("question@example.net",), authentication=PASS))
    assert found == Decision(None, Rule.NEW, links=(Link(CASE, LinkKind.RELATED, "references"),), about="printer")


def test_a_participants_address_whose_domain_denies_the_message_is_a_strangers():
    found = decided(letter(references=("question@example.net",), authentication=FAIL))
    assert (found.case, found.links[0].case) == (None, CASE)


def test_whoever_stood_in_cc_is_a_stranger():
    opening = letter(cc=(Address("", "colleague@example.net"),))
    pending = Pending()
    pending.add(CASE, Decision(None, Rule.NEW), opening)
    colleague = letter("colleague@example.net", references=("new@example.net",))
    assert decided(colleague, pending.over(None)).case is None


def test_the_address_that_the_requester_wants_answers_at_takes_part():
    opening = letter(reply_to=(Address("", "team@example.net"),))
    pending = Pending()
    pending.add(CASE, Decision(None, Rule.NEW), opening)
    assert decided(letter("TEAM@example.net", references=("new@example.net",)), pending.over(None)).case == CASE


def test_our_own_address_takes_part_when_it_is_proven():
    ours = letter("Support@Example.com", references=("question@example.net",))
    assert decided(replace(ours, authentication=PASS)).case == CASE
    assert decided(ours).case is None


# --- new ---------------------------------------------------------------------------------------------------------------


def test_a_new_case_names_those_of_the_same_sender_and_topic_of_late():
    book = Book(similar=[CASE, OTHER])
    found = decided(letter(), book)
    assert [(link.case, link.kind, link.why) for link in found.links] == [
        (CASE, LinkKind.RELATED, "subject"),
        (OTHER, LinkKind.RELATED, "subject"),
    ]
    assert book.asked_since == NOW - RELATED_WITHIN


def test_links_are_few():
    book = Book(
        *(Standing(f"{n:013}", False) for n in range(20)), filed={f"{n}@x": f"{n:013}" for n in range(20)}, similar=[CASE] * 9
    )
    assert len(decided(letter(references=tuple(book.ids)), book).links) == MAX_LINKS


FORWARDS = ["Fwd: Printer", "FW: Re: Printer", "WG: Printer", "TR : Imprimante", "[list] Fwd: Printer", "转发：打印机"]


@pytest.mark.parametrize("subject", FORWARDS)
def test_a_forward_is_new_whatever_it_quotes(subject):
    found = decided(letter(subject=f"{subject} {RING.subject(OTHER, 'support')}", references=("question@example.net",)))
    assert (found.case, found.rule) == (None, Rule.FORWARD)
    assert {link.case: link.why for link in found.links} == {OTHER: "forward", CASE: "forward"}


def test_a_forward_to_the_address_of_a_case_joins_it():
    address = RING.address("support@example.com", CASE, "support")
    assert decided(letter(subject="Fwd: Printer", to=(Address("", address),))).case == CASE


@pytest.mark.parametrize("subject", ["Re: Fwd: Printer", "AW: WG: Drucker", "Printer fwd: not", "VS: Printer"])
def test_an_answer_to_a_forward_is_an_answer(subject):
    assert decided(letter(subject=subject, references=("question@example.net",))).case == CASE


# --- closed cases -----------------------------------------------------------------------------------------------------

CLOSED = Standing(CASE, True, closed_at=NOW - 10 * DAY)
REOPEN_FOR_A_WEEK = replace(RULES, reopen_within=7 * DAY)
FOLLOW_UP = replace(RULES, closed=Closed.FOLLOW_UP)


def answer(**fields):
    return letter(references=("question@example.net",), **fields)


def closed(*more, standing=CLOSED):
    return Book(standing, *more, filed={"question@example.net": CASE})


def test_mail_for_a_closed_case_opens_it_again():
    found = decided(answer(), closed())
    assert (found.case, found.reopen, found.links) == (CASE, True, ())


@pytest.mark.parametrize("rules", [FOLLOW_UP, REOPEN_FOR_A_WEEK])
def test_or_makes_a_follow_up(rules):
    found = decided(answer(), closed(), rules)
    assert found.case is None
    assert found.rule is Rule.FOLLOW_UP
    assert found.matched == "question@example.net"
    assert found.links == (Link(CASE, LinkKind.FOLLOW_UP, "closed"),)


def test_within_the_time_it_is_opened_again():
    assert decided(answer(), closed(standing=replace(CLOSED, closed_at=NOW - 6 * DAY)), REOPEN_FOR_A_WEEK).case == CASE


def test_later_mail_goes_where_the_case_goes_on():
    assert decided(answer(), closed(Standing(OTHER, False), standing=replace(CLOSED, follow_up=OTHER)), FOLLOW_UP).case == OTHER


def test_a_circle_of_follow_ups_ends():
    book = closed(Standing(OTHER, True, NOW - DAY, CASE), standing=replace(CLOSED, follow_up=OTHER))
    assert decided(answer(), book, FOLLOW_UP).rule is Rule.FOLLOW_UP


def test_a_machine_neither_opens_a_closed_case_nor_makes_a_follow_up():
    away = answer(kind=Kind.AUTO_REPLY, automatic=Automatic(is_machine=True))
    for rules in (RULES, FOLLOW_UP):
        found = decided(away, closed(), rules)
        assert (found.case, found.reopen) == (CASE, False)


def test_what_a_stranger_follows_up_is_only_related():
    found = decided(
        letter("mallory@evil.example", subject=signed()), closed(standing=replace(CLOSED, participant=False)), FOLLOW_UP
    )
    assert (found.case, found.links[0].kind) == (None, LinkKind.RELATED)


# --- notices ----------------------------------------------------------------------------------------------------------


def notice(kind=Kind.BOUNCE, original=None, **fields):
    bounce = Bounce((), original_message_id=original)
    return letter("mailer-daemon@mx.example", kind=kind, bounce=bounce, automatic=Automatic(is_machine=True), **fields)


@pytest.mark.parametrize("kind", [Kind.BOUNCE, Kind.DELAYED, Kind.COMPLAINT, Kind.RECEIPT])
def test_a_notice_about_our_own_mail_is_a_note_in_its_case(kind):
    for one in (notice(kind, "answer@example.com"), notice(kind, references=("answer@example.com",))):
        found = decided(one)
        assert (found.case, found.rule, found.note, found.unverified, found.reopen) == (CASE, Rule.BOUNCE, True, False, False)


def test_a_notice_is_known_by_the_token_that_it_brings_back():
    sent = RING.message_id(CASE, "support", "n", "example.com")
    assert decided(notice(original=sent)).case == CASE
    assert decided(notice(original=sent), Book()).restored


def test_a_notice_about_mail_that_we_did_not_send_is_new():
    assert decided(notice(original="question@example.net")).case is None


def test_who_brings_a_notice_takes_no_part():
    found = decided(notice(original="answer@example.com"))
    assert participants(found, notice()) == []


# --- all of them ------------------------------------------------------------------------------------------------------

ids = st.sampled_from(["question@example.net", "answer@example.com", "else@example.net", "x@y", ""])
messages = st.builds(
    letter,
    st.sampled_from(["anna@example.net", "mallory@evil.example", ""]),
    subject=st.one_of(st.text(max_size=40), st.just(signed()), st.just(signed(THIRD)), st.just(signed(account="sales"))),
    references=st.lists(ids, max_size=6).map(tuple),
    in_reply_to=st.lists(ids, max_size=2).map(tuple),
    kind=st.sampled_from(Kind),
    authentication=st.sampled_from([PASS, FAIL, Authentication()]),
)


@given(messages)
def test_every_message_gets_one_decision_that_explains_itself(message):
    found = decided(message)
    assert (found.case is None) == (found.rule in (Rule.NEW, Rule.FORWARD, Rule.FOLLOW_UP))
    assert not (found.unverified and found.rule in (Rule.REFERENCES, Rule.IN_REPLY_TO))
    assert found.case not in {link.case for link in found.links}
    assert found.case in (None, CASE, OTHER, THIRD)
