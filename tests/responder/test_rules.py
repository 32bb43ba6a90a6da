"""Who may be answered by a machine: every rule of R-81 by its name, and nobody else silenced."""

from pathlib import Path

import pytest

from listener.message import parse
from listener.message.model import Address, Authentication, Trust, Verdict
from listener.responder.policy import Purpose, ReplyPolicy
from listener.responder.recipients import in_ascii, is_plain, recipient_of
from listener.responder.rules import RULES, asked, forbidden

DOCS = Path(__file__).parents[2] / "docs" / "replies.md"
TRUSTED = "Authentication-Results: mx.example.com; dmarc=pass header.from=customer.example\r\n"
PLAIN = {
    "Return-Path": "<alice@customer.example>",
    "From": "Alice <alice@customer.example>",
    "To": "support@example.com",
    "Subject": "A question",
    "Message-ID": "<1@customer.example>",
}
POLICY = ReplyPolicy(
    "support",
    on="new_case",
    can_send=True,
    own_addresses=frozenset({"support@example.com", "help@example.com"}),
    own_domains=frozenset({"tickets.example.com"}),
)
ANYONE = ReplyPolicy("support", on="new_case", can_send=True, anyone=True)


def mail(trusted=TRUSTED, body="Hello", more="", **fields):
    given = PLAIN | {name.replace("_", "-"): value for name, value in fields.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value is not None)
    return parse((trusted + head + more + "\r\n" + body + "\r\n").encode(), Trust("mx.example.com"))


def verdict(message=None, policy=POLICY, purpose=Purpose.AUTOMATIC, **more):
    return forbidden(asked(policy, purpose, message or mail(), **more))


def test_a_verified_persons_mail_may_be_answered():
    assert verdict() is None


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"Return_Path": "<>"}, "null_sender"),
        ({"Auto_Submitted": "auto-replied"}, "auto_replied"),
        ({"Auto_Submitted": "auto-generated"}, "auto_generated"),
        ({"List_Id": "<a.example.com>"}, "list_field"),
        ({"List_Unsubscribe": "<mailto:u@example.net>"}, "list_unsubscribe"),
        ({"Precedence": "bulk"}, "precedence_bulk"),
        ({"Precedence": "list"}, "list_field"),
        ({"Precedence": "junk"}, "precedence_bulk"),
        ({"Precedence": "auto_reply"}, "precedence_auto_reply"),
        ({"X_Auto_Response_Suppress": "DR, OOF"}, "response_suppress"),
        ({"X_Auto_Response_Suppress": "All"}, "response_suppress"),
        ({"X_Loop": "x"}, "loop_field"),
        ({"From": "mailer-daemon@customer.example"}, "sender_daemon"),
        ({"From": "postmaster@customer.example"}, "sender_service"),
        ({"From": "no-reply@customer.example"}, "sender_unanswered"),
        ({"From": "noreply@customer.example"}, "sender_unanswered"),
        ({"From": "bounce-17@customer.example"}, "sender_returns"),
        ({"From": "a@customer.example, b@customer.example"}, "sender_several"),
        ({"From": None}, "sender_missing"),
        ({"From": "help@example.com", "Return_Path": "<help@example.com>"}, "own_address"),
        ({"From": "a@tickets.example.com", "Return_Path": "<a@tickets.example.com>"}, "own_address"),
        ({"Message_ID": f"<{'a' * 13}{'b' * 18}.0@example.com>"}, "own_message"),
    ],
    ids=str,
)
def test_what_a_message_says_of_itself_forbids_it(fields, rule):
    assert verdict(mail(**fields)) == rule


def test_auto_submitted_no_is_a_persons():
    assert verdict(mail(Auto_Submitted="no")) is None


def test_a_colleague_with_our_own_domain_in_its_message_id_is_answered():
    assert verdict(mail(Message_ID="<CAF0x@example.com>")) is None


@pytest.mark.parametrize(("hops", "rule"), [(50, None), (51, "hop_count")])
def test_more_than_fifty_hops_are_a_loop(hops, rule):
    assert verdict(mail(more="Received: from a by b; Mon, 2 Nov 2026 10:00:00 +0000\r\n" * hops)) == rule


def test_a_report_is_never_answered():
    more = 'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n'
    body = "--b\r\n\r\nFailed.\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n--b--"
    assert verdict(mail(more=more, body=body)) is not None


@pytest.mark.parametrize(
    ("circumstance", "rule"),
    [
        ("before_start", "before_start"),
        ("held_flood", "held_flood"),
        ("unverified_comment", "unverified_comment"),
        ("own_message", "own_message"),
    ],
)
def test_what_does_not_stand_in_the_message_forbids_it_too(circumstance, rule):
    assert verdict(**{circumstance: True}) == rule


def test_a_muted_address_gets_no_acknowledgement_but_still_what_a_hook_says():
    assert verdict(muted=lambda address: address == "alice@customer.example") == "muted"
    assert verdict(purpose=Purpose.HOOK, muted=lambda address: True) is None


def test_who_has_no_sender_answers_nobody():
    assert verdict(policy=ReplyPolicy("support", on="new_case")) == "no_sender"


def test_only_verified_senders_unless_anyone_was_asked_for():
    assert verdict(mail(trusted="")) == "sender_unverified"
    assert verdict(mail(trusted=""), ANYONE) is None


def test_an_unverified_sender_is_written_to_at_the_return_path_alone():
    elsewhere = mail(trusted="", Return_Path="<bulk@sender.example>")
    assert verdict(elsewhere, ANYONE) == "recipient_unproven"
    assert verdict(mail(trusted="", Return_Path=None), ANYONE) == "recipient_unproven"


@pytest.mark.parametrize(
    ("fields", "trusted", "recipient"),
    [
        ({}, TRUSTED, "alice@customer.example"),
        ({"Return_Path": "<bounces@customer.example>"}, TRUSTED, "bounces@customer.example"),
        ({"Return_Path": "<bounces@mailer.example>"}, TRUSTED, "alice@customer.example"),
        ({"Return_Path": "<Bounces@CUSTOMER.example>"}, "", "Bounces@CUSTOMER.example"),
        ({"Return_Path": "<bounces@mailer.example>"}, "", None),
        ({"Reply_To": "mallory@evil.example"}, TRUSTED, "alice@customer.example"),
    ],
)
def test_the_recipient_is_the_return_path_of_the_same_domain_else_a_verified_from(fields, trusted, recipient):
    assert recipient_of(mail(trusted, **fields)) == recipient


@pytest.mark.parametrize(
    "address",
    [
        "a b@x.example",
        '"a"@x.example',
        "a@[127.0.0.1]",
        "a@x..example",
        "ä@x.example",
        "a@-x.example",
        "a" * 65 + "@x.example",
        "a@",
    ],
)
def test_what_is_not_plainly_an_address_is_not_written_to(address):
    message = mail()
    object.__setattr__(message, "from_", (Address("", address),))
    object.__setattr__(message, "return_path", None)
    object.__setattr__(message, "authentication", Authentication(Verdict.PASS, "mx"))
    assert not is_plain(address)
    assert verdict(message) in ("recipient_invalid", "recipient_unproven")


def test_a_domain_of_other_letters_is_written_as_dns_has_it():
    assert in_ascii("a@müller.example") == "a@xn--mller-kva.example"


def test_every_rule_is_documented_and_every_documented_one_is_a_rule():
    table = DOCS.read_text().split("<!-- rules -->")[1].split("<!-- end -->")[0]
    documented = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert documented == [rule.name for rule in RULES]
