"""The octets: every way out says that a machine wrote it, and no value becomes a header of its own (R-83, R-85)."""

import email
import email.policy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from listener.message import parse
from listener.message.model import Trust
from listener.responder import compose as module
from listener.responder.compose import ComposeFault, Letter, compose, message_ids, reply_subject
from listener.responder.policy import Purpose, ReplyPolicy
from listener.responder.rules import asked, forbidden


def letter(**more):
    given = {
        "sender_name": "Support",
        "sender": "support@example.com",
        "recipient": "alice@customer.example",
        "subject": "Re: hello [#X]",
        "text": "Grüße\n.\nFrom here\n",
        "message_id": "abc.1@example.com",
        "date": 1_767_225_600.0,
        "in_reply_to": "1@customer.example",
        "references": ("0@customer.example", "1@customer.example"),
    }
    return Letter(**given | more)


def read(octets):
    return email.message_from_bytes(octets, policy=email.policy.default)


def test_an_answer_has_every_field_that_says_what_it_is():
    octets = compose(letter())
    found = read(octets)
    assert found["Auto-Submitted"] == "auto-replied"
    assert found["X-Auto-Response-Suppress"] == "All"
    assert found["Precedence"] == "auto_reply"
    assert found["In-Reply-To"] == "<1@customer.example>"
    assert found["References"].split() == ["<0@customer.example>", "<1@customer.example>"]
    assert found["Date"] == "Thu, 01 Jan 2026 00:00:00 -0000"
    assert found.get_content().replace("\r\n", "\n") == "Grüße\n.\nFrom here\n"
    assert octets.isascii()
    assert b"\n" not in octets.replace(b"\r\n", b"")


def test_our_own_answer_is_answered_by_no_listener():
    back = parse(b"Return-Path: <support@example.com>\r\n" + compose(letter()), Trust())
    policy = ReplyPolicy("other", on="every_message", anyone=True, can_send=True)
    assert back.automatic.suppress_reply
    assert forbidden(asked(policy, Purpose.AUTOMATIC, back)) == "auto_replied"
    assert forbidden(asked(policy, Purpose.HOOK, back)) == "auto_replied"


def test_a_notification_is_generated_and_no_reply():
    found = read(compose(letter(automatic="auto-generated", in_reply_to="", references=())))
    assert found["Auto-Submitted"] == "auto-generated"
    assert {"Precedence", "In-Reply-To", "References"}.isdisjoint(found.keys())


def test_html_stands_beside_the_text():
    found = read(compose(letter(html="<p>Grüße</p>")))
    assert [part.get_content_type() for part in found.iter_parts()] == ["text/plain", "text/html"]
    assert [part.get_content().split() for part in found.iter_parts()] == [["Grüße", ".", "From", "here"], ["<p>Grüße</p>"]]


# CVE-2024-6923 and CVE-2026-1299: line ends in values that Python's own serialiser let through.
LINE_ENDS = ["\r\n", "\n", "\r", "\r\n\r\n", "\n ", "\0", "\x0b", "\x0c", "\x85", "\u2028", "\u2029", "\ud800", "\x1b"]


@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
@pytest.mark.parametrize("field", ["subject", "recipient", "sender", "message_id", "automatic", "reply_to"])
def test_no_line_end_gets_into_a_header(field, end):
    with pytest.raises(ComposeFault):
        compose(letter(**{field: f"a@example.com{end}Bcc: victim@example.com"}))


@pytest.mark.parametrize("end", LINE_ENDS, ids=ascii)
def test_a_hostile_name_is_left_out_and_a_hostile_id_too(end):
    octets = compose(
        letter(sender_name=f"Support{end}Bcc: v@x", in_reply_to=f"a@b{end}Bcc: v", references=(f"a@b{end}>\r\nBcc: v",))
    )
    found = read(octets)
    assert found["From"] == "support@example.com"
    assert {"Bcc", "In-Reply-To", "References"}.isdisjoint(found.keys())


@pytest.mark.parametrize("name", ["Support", 'Sup "port", Inc.', "Größe & Söhne", "日本語 " * 20, "=?utf-8?q?x?=", "a@b", ""])
def test_the_accounts_name_arrives_as_it_is(name):
    (address,) = read(compose(letter(sender_name=name)))["From"].addresses
    assert address.addr_spec == "support@example.com"
    assert " ".join(address.display_name.split()) == " ".join(name.split())


@pytest.mark.parametrize("subject", ["hi", "Grüße " * 40, "=?utf-8?q?x?=", "日本語" * 60, "x" * 950, "a" * 70 + " ü"])
def test_a_subject_of_any_letters_arrives_as_it_is(subject):
    assert read(compose(letter(subject=subject.strip())))["Subject"] == subject.strip()


@given(st.text(max_size=300), st.text(max_size=80))
@settings(max_examples=150, deadline=None)
def test_whatever_is_asked_for_is_written_as_meant_or_refused(text, subject):
    try:
        octets = compose(letter(text=text, subject=" ".join(subject.split())))
    except ComposeFault:
        return
    assert read(octets).keys() == [*module_fields(), "Content-Type", "Content-Transfer-Encoding"] or not subject.split()
    assert octets.isascii()


def module_fields():
    return [name for name, _ in module._fields(letter())]


def test_octets_that_read_otherwise_are_never_sent(monkeypatch):
    monkeypatch.setattr(module, "_encoded", lambda name, value: f"{value}\r\nBcc: victim@example.com")
    with pytest.raises(ComposeFault, match="does not read as it was written"):
        compose(letter())


@pytest.mark.parametrize(
    ("subject", "answer"),
    [
        ("Hello", "Re: Hello [#T]"),
        ("Re: AW: re:Hello [#T]", "Re: Hello [#T]"),
        ("  Re:  ", ""),
        ("", ""),
        ("Hello\x1b[2J", ""),
        ("x" * 1000, f"Re: {'x' * 200} [#T]"),
    ],
)
def test_the_subject_of_an_answer(subject, answer):
    assert reply_subject(subject, "[#T]") == answer


def test_references_are_bounded_and_keep_the_first():
    ids = [f"{number}@example.net" for number in range(100)]
    assert message_ids(ids) == (ids[0], *ids[-19:])
