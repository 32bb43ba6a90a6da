"""Bounces and delay notices: the report's fields first, then the words of many systems, and never a person's mail."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from work import work

from listener.message import bounce, tree
from listener.message.bounce.notice import MAX_RECIPIENTS
from listener.message.bounce.words import REASONS
from listener.message.model import Bounce, BounceRecipient

DAEMON = "From: Mail Delivery Subsystem <MAILER-DAEMON@mx.example.com>\nSubject: Delivery failed\n"
RETURNED = (
    "Return-Path: <desk@example.com>\nReceived: from a by b\nMessage-ID: <case-17@example.com>\n"
    "To: ann@example.net\nSubject: Parcel\n\nHello"
)


def read(message: str) -> Bounce | None:
    return bounce.read(tree.read(message.encode()).root)


def only(message: str) -> BounceRecipient:
    found = read(message)
    assert found is not None
    assert len(found.recipients) == 1
    return found.recipients[0]


def report(*groups: str, notice: str = "Sorry.", subject: str = "Delivery failed") -> str:
    status = "\n\n".join(["Reporting-MTA: dns; mx.example.com", *groups])
    return (
        f"From: MAILER-DAEMON@mx.example.com\nSubject: {subject}\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
        f"--b\nContent-Type: text/plain\n\n{notice}\n"
        f"--b\nContent-Type: message/delivery-status\n\n{status}\n\n"
        f"--b\nContent-Type: message/rfc822\n\n{RETURNED}\n--b--\n"
    )


FAILED = (
    "Final-Recipient: rfc822; ann@example.net\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 5.1.1 No such user"
)


def test_a_delivery_report_gives_every_field_of_its_recipient():
    expected = BounceRecipient("ann@example.net", "failed", "5.1.1", True, "user_unknown", "550 5.1.1 No such user")
    assert read(report(FAILED)) == Bounce((expected,), "case-17@example.com")


def test_every_recipient_of_a_report_is_told_in_order():
    found = read(report(FAILED, FAILED.replace("ann", "bob")))
    assert [recipient.address for recipient in found.recipients] == ["ann@example.net", "bob@example.net"]


def test_groups_without_a_blank_line_between_them_are_told_apart():
    found = read(report(FAILED + "\n" + FAILED.replace("ann", "bob")))
    assert [recipient.address for recipient in found.recipients] == ["ann@example.net", "bob@example.net"]


def test_the_address_that_we_wrote_to_is_preferred_to_where_it_led():
    assert only(report(f"Original-Recipient: rfc822; sales@example.net\n{FAILED}")).address == "sales@example.net"


def test_a_folded_diagnostic_is_put_together():
    assert only(report(FAILED.replace("No such", "No\n   such"))).diagnostic == "550 5.1.1 No such user"


def test_a_more_exact_status_in_the_diagnostic_replaces_a_vague_one():
    assert only(report(FAILED.replace("Status: 5.1.1", "Status: 5.0.0"))).status == "5.1.1"


def test_a_bare_report_takes_its_diagnostic_from_the_notice():
    bare = "Final-Recipient: rfc822; ann@example.net\nAction: failed\nStatus: 5.0.0"
    assert only(report(bare, notice="<ann@example.net>: host mx said: 552 5.2.2 Mailbox full")).reason == "mailbox_full"


def test_a_report_of_success_is_no_bounce():
    assert read(report(FAILED.replace("failed", "delivered").replace("5.1.1", "2.1.5"))) is None


def test_a_late_recipient_makes_a_delay_notice_that_is_not_permanent():
    found = read(report(FAILED.replace("failed", "delayed").replace("5.1.1", "4.4.1")))
    assert bounce.is_delayed(found)
    assert not found.recipients[0].permanent


def test_one_failure_among_delays_is_a_bounce():
    found = read(report(FAILED, FAILED.replace("failed", "delayed")))
    assert not bounce.is_delayed(found)


def test_an_x400_name_stands_in_place_of_an_address():
    assert only(report("Final-Recipient: x400; /g=Ann/s=Lee/\nAction: failed\nStatus: 5.1.1")).address == "/g=Ann/s=Lee/"


def test_fields_of_a_report_in_plain_text_are_read_too():
    assert only(f"{DAEMON}\nTechnical report:\n\n{FAILED}\n").status == "5.1.1"


def test_the_message_id_is_read_from_headers_alone():
    message = report(FAILED).replace("message/rfc822", "text/rfc822-headers")
    assert read(message).original_message_id == "case-17@example.com"


def test_what_the_notice_answers_to_is_the_last_source_of_the_message_id():
    found = read(f"{DAEMON}In-Reply-To: <case-18@example.com>\n\nYour message was not delivered to:\n  ann@example.net\n")
    assert found.original_message_id == "case-18@example.com"


NOTICES = {
    "address and colon": (
        "I could not deliver your message to the following addresses.\n\n<ann@example.net>:\n550 User unknown\n"
    ),
    "indented": (
        "Your message could not be delivered to one or more of its recipients:\n\n  ann@example.net\n    550 Unknown user\n"
    ),
    "one line each": "The following addresses failed:\n\n<ann@example.net>: 550 5.1.1 no such user\n",
    "quoted": 'This is a permanent error. The following address failed:\n\n"ann@example.net":\nreason: 550 5.1.1 gone\n',
    "bullets": "Delivery to the following recipients failed permanently:\n\n   * ann@example.net\n\nno such user here\n",
    "label": "We could not deliver your mail.\n\nFailed Recipient: ann@example.net\nReason: unknown user\n",
    "dots": "----- Failed addresses follow: -----\n ann@example.net ... no such user\n",
    "reason after": "The message was undeliverable to the following:\n\tann@example.net (user not found)\n",
    "with a date": (
        "Your message\n\n  To: list@example.org\n\ndid not reach the following recipient(s):\n\n"
        "ann@example.net on Mon, 1 Jun\n    unknown user\n"
    ),
    "in the sentence": "There was an error delivering your mail to <ann@example.net>.\n\n550 5.1.1 no such user\n",
    "in error text": "Transcript of session follows\n550 <ann@example.net>... User unknown\n",
    "in the dialogue": "Transcript of session follows\n>>> RCPT To:<ann@example.net>\n<<< 550 User unknown\n",
    "x.400": (
        "did not reach the following recipient(s):\n\nc=US;o=Acme;dda:SMTP=ann@example.net; on Mon, 1 Jun\n  unknown user\n"
    ),
    "german": "Ihre Nachricht konnte nicht zugestellt werden an:\n\nann@example.net\nEmpfänger unbekannt\n",
    "french": "Votre message n'a pas pu être remis à\nann@example.net\nutilisateur inconnu\n",
    "spanish": "No se pudo entregar el mensaje:\n\nann@example.net\nno existe\n",
    "russian": "Ваше сообщение не было доставлено:\n\nann@example.net\nпользователь не существует\n",
    "japanese": "メールを配信できませんでした。\n\n<ann@example.net>\nUser unknown\n",
}


@pytest.mark.parametrize("notice", NOTICES.values(), ids=NOTICES)
def test_the_recipient_and_reason_are_found_in_the_words_of_many_systems(notice: str):
    found = only(f"{DAEMON}Content-Type: text/plain; charset=utf-8\n\n{notice}\n--- Original message follows ---\n\n{RETURNED}")
    assert (found.address, found.action, found.permanent, found.reason) == ("ann@example.net", "failed", True, "user_unknown")


def test_failures_of_several_recipients_keep_their_own_reasons():
    notice = "The following addresses failed:\n\n<ann@example.net>:\n552 Mailbox full\n\n<bob@example.net>:\n550 User unknown\n"
    found = read(f"{DAEMON}\n{notice}")
    assert [(r.address, r.reason) for r in found.recipients] == [
        ("ann@example.net", "mailbox_full"),
        ("bob@example.net", "user_unknown"),
    ]


def test_the_returned_message_names_the_recipient_where_the_notice_names_none():
    found = only(
        f"{DAEMON}\nYour mail could not be delivered to its recipient.\n--- Original message follows ---\n\n{RETURNED}"
    )
    assert found.address == "ann@example.net"


def test_x_failed_recipients_are_believed():
    message = f"{DAEMON}X-Failed-Recipients: ann@example.net, bob@example.net\n\nSorry.\n"
    assert [recipient.address for recipient in read(message).recipients] == ["ann@example.net", "bob@example.net"]


@pytest.mark.parametrize(
    "aside",
    ["For help write to postmaster@mx.example.com", "Please contact help@mx.example.com", "See http://x@mx.example.com/"],
)
def test_an_address_named_for_help_did_not_fail(aside: str):
    assert (
        only(f"{DAEMON}\nThe following addresses failed:\n\n<ann@example.net>:\n550 User unknown\n\n{aside}\n").address
        == "ann@example.net"
    )


def test_a_warning_in_words_is_a_delay():
    notice = "THIS IS A WARNING MESSAGE ONLY.\n\nYour mail has not yet been delivered to:\n\n  ann@example.net\n"
    assert bounce.is_delayed(read(f"{DAEMON}\n{notice}"))


def test_an_html_notice_is_read():
    notice = "<p>Delivery has failed to these recipients:</p><p>ann@example.net</p><p>550 5.1.1 unknown user</p>"
    assert only(f"{DAEMON}Content-Type: text/html\n\n{notice}\n").reason == "user_unknown"


SES = '{"notificationType":"Bounce","bounce":{"bouncedRecipients":[%s]},"mail":{"messageId":"m1"}}'
SNS = "From: no-reply@sns.example\nSubject: AWS Notification Message\nx-amz-sns-message-id: 1\nContent-Type: text/plain\n\n"


def test_a_notification_of_amazon_ses_is_a_bounce():
    row = '{"emailAddress":"ann@example.net","action":"failed","status":"5.2.2","diagnosticCode":"smtp; 552 full"}'
    assert read(SNS + SES % row) == Bounce(
        (BounceRecipient("ann@example.net", "failed", "5.2.2", True, "mailbox_full", "552 full"),), "m1"
    )


@pytest.mark.parametrize(
    "json", ["[" * 50_000, "{", '{"notificationType":"Bounce","bounce":[]}', SES % "1", SES % '{"emailAddress":1}', "null"]
)
def test_a_broken_notification_is_no_bounce(json: str):
    assert read(SNS + json) is None


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("550 User unknown", "user_unknown"),
        ("552 Mailbox is full", "mailbox_full"),
        ("550 Host not found", "host_unknown"),
        ("554 Message refused as spam", "spam"),
        ("552 Message too large", "message_too_big"),
        ("550 This account has been suspended", "user_disabled"),
        ("550 Rejected by DMARC policy", "authentication"),
        ("554 Your address is on a blocklist", "blocked"),
        ("550 Relaying to that place refused", "relaying_denied"),
        ("421 Too many connections", "rate_limited"),
        ("451 Connection timed out", "expired"),
        ("554 Too many hops", "loop"),
        ("554 A virus was found", "virus"),
        ("550 Against our policy", "policy"),
        ("550 Hm", "undefined"),
    ],
)
def test_the_reason_is_read_from_the_words(words: str, reason: str):
    assert only(f"{DAEMON}\nThe following addresses failed:\n\n<ann@example.net>:\n{words}\n").reason == reason
    assert reason in REASONS


@pytest.mark.parametrize(
    ("words", "status"),
    [("550 5.7.1 no", "5.7.1"), ("450 later", "4.0.0"), ("550 no", "5.0.0"), ("no such user", "5.1.1"), ("oh", "")],
)
def test_the_status_is_as_exact_as_the_words(words: str, status: str):
    assert only(f"{DAEMON}\nThe following addresses failed:\n\n<ann@example.net>:\n{words}\n").status == status


PEOPLE = {
    "asks about a bounce": (
        "From: ann@example.net\nSubject: Re: Undelivered Mail Returned to Sender\n\nI got this:\n\n"
        "> The following addresses failed:\n> <bob@example.net>: 550 User unknown\n\nWhat now?"
    ),
    "pastes a bounce": (
        "From: ann@example.net\nSubject: Help\n\n"
        "Your message could not be delivered to the following recipients:\n"
        "<bob@example.net>: 550 User unknown\n\nWhat does that mean?"
    ),
    "attaches a bounce": (
        "From: ann@example.net\nSubject: Help\nContent-Type: multipart/mixed; boundary=m\n\n--m\n\n"
        "See.\n--m\nContent-Type: message/rfc822\n\n"
    )
    + report(FAILED)
    + "\n--m--\n",
    "is a postmaster": "From: postmaster@example.net\nSubject: Your question\n\nDear desk, our relay is down until noon.",
    "is away": (
        "From: ann@example.net\nReturn-Path: <>\nAuto-Submitted: auto-replied\nSubject: Away\n\n"
        "I am away. Your message was not delivered to my colleagues."
    ),
    "is late": "From: ann@example.net\nSubject: Delivery problem with my parcel\n\nMy parcel was not delivered to me.",
}


@pytest.mark.parametrize("message", PEOPLE.values(), ids=PEOPLE)
def test_a_person_is_no_bounce(message: str):
    assert read(message) is None


def test_a_read_receipt_is_no_bounce():
    message = report(FAILED).replace("message/delivery-status", "message/disposition-notification")
    assert read(message) is None


def test_a_refusal_that_asks_for_a_confirmation_is_no_bounce():
    assert read(report(FAILED.replace("No such user", "Your server requires confirmation"))) is None


HOSTILE = {
    "addresses": "a@example.net b@example.net\n",
    "at signs": "@" * 50,
    "codes": "550 ",
    "recipients": "Final-Recipient: rfc822; a@example.net\nAction: failed\n\n",
    "intros": "The following addresses failed:\n",
    "folds": "Status: 5.1.1\n x\n",
    "headers": "Received: from a by b\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_four_times_the_notice_takes_about_four_times_the_work(name: str):
    small, large = (work(lambda n=n: read(f"{DAEMON}\n{HOSTILE[name] * n}")) for n in (100, 400))
    assert large < 6 * small + 2_000


def test_a_report_names_no_more_recipients_than_it_may():
    assert len(read(report(*([FAILED] * 600))).recipients) == MAX_RECIPIENTS


def test_only_the_first_reports_of_a_message_are_read():
    part = f"--b\nContent-Type: message/delivery-status\n\n{FAILED}\n\n"
    message = f"{DAEMON}Content-Type: multipart/report; boundary=b\n\n{part * 50}--b--\n"
    assert len(read(message).recipients) == bounce.MAX_REPORTS


PIECES = st.lists(
    st.sampled_from(
        [
            DAEMON,
            FAILED,
            *NOTICES.values(),
            "\n",
            "Final-Recipient:",
            "Action: failed",
            "a@b",
            "@",
            "550 ",
            "<" * 9,
            RETURNED,
            SES,
        ]
    )
    | st.text(max_size=9),
    max_size=12,
)


@given(PIECES)
def test_nothing_is_raised_whatever_the_message(pieces: list[str]):
    found = bounce.read(tree.read("".join(pieces).encode("utf-8", "replace")).root)
    assert found is None or len(found.recipients) <= 1000


@given(PIECES)
def test_a_report_stays_readable_whatever_its_notice_says(pieces: list[str]):
    found = bounce.read(tree.read(report(FAILED, notice=" ".join("".join(pieces).split())).encode("utf-8", "replace")).root)
    assert found is not None
    assert found.recipients[0].address == "ann@example.net"
