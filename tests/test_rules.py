"""Rules before cases: every condition alone, order, what rules never touch, and that judging is total and linear."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.config import Conditions, Rule
from listener.config.rules import FLAGS, KINDS, VERDICTS
from listener.message import parse
from listener.message.model import Address, Attachment, Authentication, Bounce, InboundMessage, Kind, Verdict
from listener.message.tree import header
from listener.rules import (
    OWN_BOUNCE,
    Accept,
    FloodLimit,
    Ignore,
    Pace,
    Quarantine,
    Subject,
    addresses,
    compiled,
    judge,
    sender_of,
)

PROGRAM = Attachment("Invoice.PDF.exe", "application/x-msdownload", 3, "ab" * 32, None, "attachment")
FILM = Attachment("film.mp4", "video/mp4", 3, "cd" * 32, None, "attachment")
LETTER = InboundMessage(
    "1@example.net",
    "Re: [Test] Printer  on fire",
    from_=(Address("Ann", "Ann@Mail.Example.net"),),
    to=(Address("", "support@example.com"),),
    cc=(Address("", "sales@example.com"),),
    delivered_to=("old@example.com",),
)
FIELDS = (("subject", "Re: [Test] Printer  on fire"), ("x-spam-flag", "Yes,  surely"), ("list-id", "<a.example.net>"))


def rule(then="quarantine", name="one", reason="because", **when):
    return Rule(name=name, when=when, then=then, reason=reason)


def judged(message, *rules, size=1000, answers=False):
    return judge(Subject(message, size, lambda: FIELDS, answers), compiled(rules))


def fires(message, size=1000, **when):
    return judged(message, rule(**when), size=size) == Quarantine("one", "because")


@pytest.mark.parametrize(
    ("condition", "message", "other"),
    [
        ({"attachments_over": 1}, {"attachments": (FILM, PROGRAM)}, {"attachments": (FILM,)}),
        ({"attachments_over": 0}, {"attachments": (FILM,)}, {}),
        ({"attachment_extensions": ["scr", ".EXE"]}, {"attachments": (FILM, PROGRAM)}, {"attachments": (FILM,)}),
        ({"attachment_extensions": ["pdf.exe"]}, {"attachments": (PROGRAM,)}, {"attachments": (FILM,)}),
        ({"attachment_types": ["video/*"]}, {"attachments": (FILM,)}, {"attachments": (PROGRAM,)}),
        ({"attachment_types": ["Application/X-MSDownload"]}, {"attachments": (PROGRAM,)}, {"attachments": (FILM,)}),
        ({"sender": ["ann@mail.example.NET"]}, {}, {"from_": (Address("", "bob@mail.example.net"),)}),
        ({"sender": ["mail.example.net"]}, {}, {"from_": (Address("", "ann@example.net"),)}),
        ({"sender": ["*@*.example.net"]}, {}, {"from_": (Address("", "ann@example.net"),)}),
        ({"sender": ["*.example.net"]}, {}, {"from_": (Address("", "ann@example.net.example"),)}),
        ({"sender": ["a*@example.org", "a*n@*"]}, {}, {"from_": (Address("", "bob@mail.example.net"),)}),
        ({"recipient": ["sales@example.com"]}, {}, {"cc": ()}),
        ({"recipient": ["old@*"]}, {}, {"delivered_to": ()}),
        ({"subject_contains": ["nothing", "PRINTER on"]}, {}, {"subject": "A scanner"}),
        ({"kind": ["list", "bulk"]}, {"kind": Kind.BULK}, {"kind": Kind.MESSAGE}),
        ({"authentication": ["fail"]}, {"authentication": Authentication(Verdict.FAIL)}, {}),
        ({"authentication": ["unknown", "fail"]}, {}, {"authentication": Authentication(Verdict.PASS)}),
        ({"flags": ["name_shows_address"]}, {"defects": ("flag: the name shows another address, a@b.example",)}, {}),
        ({"flags": ["replies_elsewhere"]}, {"defects": ("flag: replies go to another domain, b.example",)}, {}),
        ({"flags": ["imitation"]}, {"defects": ("flag: xn--x (ехample) mixes or imitates scripts",)}, {}),
        ({}, {}, None),
    ],
)
def test_each_condition_holds_for_what_it_says_and_for_nothing_else(condition, message, other):
    assert fires(replace(LETTER, **message), **condition)
    assert other is None or not fires(replace(LETTER, **other), **condition)


def test_the_flags_are_those_that_messages_bear():
    head = 'From: "boss@bank.example" <x@\u0435xample.com>\r\nReply-To: y@elsewhere.example\r\n'
    odd = f"{head}Subject: Pay\r\n\r\nNow.\r\n".encode()
    assert [flag for flag in FLAGS if fires(parse(odd), flags=[flag])] == list(FLAGS)
    plain = b"From: x@example.com\r\nSubject: Pay\r\n\r\nNow.\r\n"
    assert [flag for flag in FLAGS if fires(parse(plain), flags=[flag])] == []


def test_size_is_that_of_the_whole_message():
    assert fires(LETTER, size=1_000_001, size_over="1MB")
    assert not fires(LETTER, size=1_000_000, size_over="1MB")


@pytest.mark.parametrize(
    ("wanted", "holds"),
    [
        ("List-Id", True),
        ("list-id: <a.example.net>", True),
        ("X-Spam-Flag: yes, surely", True),
        ("X-Spam-Flag: YES*", True),
        ("X-Spam-Flag: no", False),
        ("X-Spam", False),
        ("X-Spam-Flag:", False),
    ],
)
def test_a_header_field_is_there_or_says_just_that(wanted, holds):
    assert fires(LETTER, header=[wanted]) is holds


def test_the_real_header_is_read_and_its_body_is_not():
    octets = b"From: a@example.com\r\nX-Loop: one\r\n two\r\n\r\nX-Body: no\r\n"
    assert header(octets) == [("from", "a@example.com"), ("x-loop", "one two")]
    assert header(b"\x00" * 50_000_000) == []


def test_every_condition_of_a_rule_must_hold():
    both = {"sender": ["mail.example.net"], "kind": ["bulk"]}
    assert not fires(LETTER, **both)
    assert fires(replace(LETTER, kind=Kind.BULK), **both)


def test_the_first_rule_that_holds_decides_and_without_one_mail_is_accepted():
    rules = [
        rule("accept", "friends", sender=["*@*.example.net"]),
        rule("ignore", "lists", "we read them elsewhere", kind=["list"]),
        rule("quarantine", "rest"),
    ]
    assert judged(LETTER, *rules) == Accept("friends")
    stranger = replace(LETTER, from_=(Address("", "x@example.org"),), kind=Kind.LIST)
    assert judged(stranger, *rules) == Ignore("lists", "we read them elsewhere")
    assert judged(replace(stranger, kind=Kind.MESSAGE), *rules) == Quarantine("rest", "because")
    assert judged(LETTER) == Accept()


def test_an_accounts_rules_are_asked_before_the_general_ones():
    own, general = [rule("accept", "own")], [rule("quarantine", "general")]
    assert [one.name for one in compiled(own, general)] == ["own", "general"]


def test_a_rule_without_a_reason_says_its_name():
    assert judged(LETTER, Rule(name="no-mail", then="ignore")) == Ignore("no-mail", "no-mail")


def test_an_answer_to_our_mail_is_not_judged_by_its_kind_but_by_all_else():
    automatic = replace(LETTER, kind=Kind.AUTO_REPLY)
    by_kind, by_size = rule("ignore", "robots", kind=["auto_reply"]), rule("quarantine", "large", size_over="500B")
    assert judged(automatic, by_kind).rule == "robots"
    assert judged(automatic, by_kind, answers=True) == Accept()
    assert judged(automatic, by_kind, by_size, answers=True).rule == "large"


def test_a_bounce_of_our_own_mail_is_touched_by_no_rule():
    bounce = replace(LETTER, kind=Kind.BOUNCE, bounce=Bounce((), "ours@example.com"))
    assert judged(bounce, rule(), answers=True) == Accept(OWN_BOUNCE)
    assert judged(bounce, rule()) == Quarantine("one", "because")


def test_the_sender_is_whom_lists_show():
    assert sender_of(LETTER) == "Ann@Mail.Example.net"
    unnamed = replace(LETTER, from_=(Address("MAILER-DAEMON", ""),), sender=(Address("", "d@example.com"),))
    assert sender_of(unnamed) == "d@example.com"
    assert sender_of(InboundMessage("1@x", return_path="r@example.com")) == "r@example.com"
    assert sender_of(InboundMessage("1@x")) == ""
    assert not addresses(["*"])("")


@pytest.mark.parametrize("spelling", ["x@xn--bcher-kva.example", "X@BÜCHER.example", "x@bücher.example."])
def test_a_domain_is_known_in_every_spelling(spelling):
    assert addresses(["bücher.example"])(spelling)


def test_the_words_of_the_settings_are_those_of_messages():
    assert set(KINDS) == set(Kind)
    assert set(VERDICTS) == set(Verdict)


@pytest.mark.parametrize("hostile", ["a" * 100_000, "aaab" * 20_000, "\udcff" * 5000, "*" * 50_000, "@" * 50_000])
def test_no_pattern_takes_long(hostile):
    message = replace(LETTER, subject=hostile, from_=(Address("", hostile),), to=tuple([Address("", hostile)] * 500))
    starred = ["*a*a*a*a*a*a*b"] * 1000
    began = time.process_time()
    for condition in ("sender", "recipient", "attachment_types"):
        values = [f"{one}/x" for one in starred] if condition == "attachment_types" else starred
        judged(message, rule(**{condition: values}), rule(subject_contains=starred))
    assert time.process_time() - began < 5.0


TEXT = st.text(max_size=30)
ADDRESS = st.builds(Address, TEXT, TEXT | st.just("ann@example.com"))
MESSAGES = st.builds(
    InboundMessage,
    message_id=TEXT,
    subject=TEXT,
    from_=st.lists(ADDRESS, max_size=2).map(tuple),
    to=st.lists(ADDRESS, max_size=2).map(tuple),
    return_path=st.none() | TEXT,
    kind=st.sampled_from(Kind),
    authentication=st.builds(Authentication, st.sampled_from(Verdict)),
    defects=st.lists(TEXT, max_size=2).map(tuple),
)
PATTERN = st.from_regex(r"\A[a-z*]{1,5}(@[a-z*.]{1,8}[a-z])?\Z")
CONDITIONS = st.fixed_dictionaries(
    {},
    optional={
        "size_over": st.sampled_from(["1B", "1KB", "1MB"]),
        "attachments_over": st.integers(0, 5),
        "sender": st.lists(PATTERN, min_size=1, max_size=3),
        "recipient": st.lists(PATTERN, min_size=1, max_size=3),
        "subject_contains": st.lists(st.sampled_from(["a", "Re:", "ß"]), min_size=1),
        "kind": st.lists(st.sampled_from(KINDS), min_size=1),
        "authentication": st.lists(st.sampled_from(VERDICTS), min_size=1),
        "header": st.lists(st.sampled_from(["Subject", "X-Spam-Flag: *"]), min_size=1),
        "flags": st.lists(st.sampled_from(FLAGS), min_size=1),
    },
)


@settings(max_examples=150, deadline=None)
@given(
    MESSAGES, st.lists(st.tuples(CONDITIONS, st.sampled_from(["accept", "ignore", "quarantine"])), max_size=4), st.booleans()
)
def test_judging_is_total_and_the_rule_that_is_named_is_the_first_that_holds(message, conditions, answers):
    rules = [rule(then, f"r{number}", **when) for number, (when, then) in enumerate(conditions)]
    found = judged(message, *rules, answers=answers)
    alone = [one.name for one in rules if judged(message, one, answers=answers).rule]
    assert found.rule == (alone[0] if alone else "")


def test_the_conditions_that_rules_know_are_those_of_the_settings():
    from listener.rules import _CONDITIONS

    assert set(_CONDITIONS) == set(Conditions.model_fields)


def test_every_condition_is_explained():
    page = (Path(__file__).parent.parent / "docs" / "rules.md").read_text()
    assert [name for name in Conditions.model_fields if f"| `{name} = " not in page] == []


# --- floods -------------------------------------------------------------------------------------------------------------

LIMIT = FloodLimit(messages=3, within=60.0)


def passed(moments, limit=LIMIT):
    pace = Pace()
    return [pace.passes(at, limit) for at in moments]


def test_so_many_messages_pass_within_the_time_and_the_next_is_too_much():
    assert passed([0, 1, 2, 3, 59.9, 60.0, 60.5, 61.0]) == [True, True, True, False, False, True, False, True]


def test_at_one_moment_they_are_counted_all_the_same():
    assert passed([5.0] * 5) == [True, True, True, False, False]


@settings(deadline=None)
@given(st.lists(st.floats(0, 500, allow_nan=False), max_size=60))
def test_in_whatever_order_they_come_no_stretch_of_time_has_more_than_the_limit(moments):
    pace = Pace()
    for at in moments:
        pace.passes(at, LIMIT)
    kept = pace.moments
    assert all(kept[n + 3] - kept[n] >= 60.0 for n in range(len(kept) - 3))
    assert kept == sorted(kept)
