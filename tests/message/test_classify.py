"""What kind of mail it is: every named rule fires, the two verdicts stay apart, and people's mail is people's mail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listener.message import addresses, bounce, classify, tree
from listener.message.bounce.words import REASONS
from listener.message.classify_rules import MAX_HOPS, OF_REPORTS, RULES, Rule, gather, is_letter
from listener.message.model import Address, Automatic, Kind
from listener.message.structure import Part

PAGE = Path(__file__).parents[2] / "docs" / "classification.md"
PERSON = "From: Ann <ann@example.net>\nReturn-Path: <ann@example.net>\nSubject: My parcel\n"
REPORT = "Content-Type: multipart/report; report-type={}; boundary=b\n\n--b\n\nText\n--b\nContent-Type: {}\n\n{}\n\n--b--\n"
FAILED = "Reporting-MTA: dns; x\n\nFinal-Recipient: rfc822; bob@example.net\nAction: failed\nStatus: 5.1.1"


def classified(fields: str = "", body: str = "\nHello", person: str = PERSON) -> tuple[Kind, Automatic]:
    root = tree.read((person + fields + body).encode()).root
    return classify.classify(root, bounce.read(root), senders(root))


def senders(root: Part) -> Sequence[Address]:
    return addresses.read(root.get_all("from"), [])


def dsn(action: str) -> str:
    return REPORT.format("delivery-status", "message/delivery-status", FAILED.replace("failed", action))


# One message for each rule: the fields that make it hold, and the kind that follows where it is the rule's to say.
EXAMPLES: dict[str, tuple[str, Kind | None]] = {
    "delivery_failed": (dsn("failed"), Kind.BOUNCE),
    "delivery_delayed": (dsn("delayed"), Kind.DELAYED),
    "delivery_succeeded": (dsn("delivered"), Kind.RECEIPT),
    "feedback_report": (REPORT.format("feedback-report", "message/feedback-report", "Feedback-Type: abuse"), Kind.COMPLAINT),
    "feedback_notification": ('X-Amz-SNS-Message-Id: 1\n\n{"notificationType":"Complaint"}', Kind.COMPLAINT),
    "complaint_subject": ("Subject: complaint about message from 192.0.2.1\n", Kind.COMPLAINT),
    "unsubscribe_request": ("X-Apple-Unsubscribe: true\n", Kind.COMPLAINT),
    "disposition_notification": (
        REPORT.format("disposition-notification", "message/disposition-notification", "Disposition: manual-action; displayed"),
        Kind.RECEIPT,
    ),
    "challenge_field": ("X-SpamArrest-Probe: 1\n", Kind.AUTO_REPLY),
    "challenge_subject": ("Subject: Please confirm your message\n", Kind.AUTO_REPLY),
    "auto_replied": ("Auto-Submitted: auto-replied (vacation); owner-email=a\n", Kind.AUTO_REPLY),
    "auto_reply_field": ("X-Autoreply: yes\n", Kind.AUTO_REPLY),
    "precedence_auto_reply": ("Precedence: auto-reply\n", Kind.AUTO_REPLY),
    "exchange_away": ("X-MS-Exchange-Inbox-Rules-Loop: ann@x\nX-Auto-Response-Suppress: All\n", Kind.AUTO_REPLY),
    "delivered_to_autoresponder": ("Delivered-To: Autoresponder\n", Kind.AUTO_REPLY),
    "auto_reply_subject": ("Subject: Automatic reply: Your case\n", Kind.AUTO_REPLY),
    "precedence_without_return": ("Return-Path: <>\nPrecedence: junk\n", Kind.AUTO_REPLY),
    "list_field": ("List-Id: <l.example.org>\nList-Post: <mailto:l@example.org>\n", Kind.LIST),
    "bulk_field": ("X-Campaign-Id: 7\n", Kind.BULK),
    "precedence_bulk": ("Precedence: Bulk\n", Kind.BULK),
    "auto_generated": ("Auto-Submitted: AUTO-GENERATED\n", None),
    "auto_submitted_other": ("Auto-Submitted: auto-forwarded\n", None),
    "generated_field": ("X-Auto-Generated: 1\n", None),
    "amazon_notification": ("X-AMAZON-MAIL-RELAY-TYPE: notification\n", None),
    "null_return_path": ("Return-Path: <>\n", None),
    "sender_daemon": ("From: MAILER-DAEMON@example.net\n", None),
    "sender_service": ("From: postmaster@example.net\n", None),
    "sender_unanswered": ("From: shop-no-reply@example.net\n", None),
    "sender_returns": ("From: bounces+17@example.net\n", None),
    "sender_missing": ("From: nobody in particular\n", None),
    "sender_several": ("From: ann@example.net, bob@example.net\n", None),
    "response_suppress": ("X-Auto-Response-Suppress: DR, OOF, AutoReply\n", None),
    "list_unsubscribe": ("List-Unsubscribe: <https://crm.example/u>\n", None),
    "loop_field": ("X-Loop: yes\n", None),
    "errors_to": ("Errors-To: list-errors@example.net\n", None),
    "failed_recipients": ("X-Failed-Recipients: bob@example.net\n", None),
    "report": ("Content-Type: multipart/report; report-type=something; boundary=b\n\n--b\n\nx\n--b--\n", None),
    "hop_count": ("Received: from a by b; date\n" * (MAX_HOPS + 1), None),
    "calendar_reply": ("Content-Type: text/calendar; method=REPLY\n", None),
    "marked_spam": ("X-Spam-Flag: YES\n", None),
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_each_rule_holds_for_its_example_and_says_what_it_promises(name: str):
    fields, kind = EXAMPLES[name]
    replaced = {line.partition(":")[0] for line in fields.splitlines()[:2]} & {"From", "Subject", "Return-Path"}
    person = "".join(line for line in PERSON.splitlines(keepends=True) if line.partition(":")[0] not in replaced)
    found, automatic = classified(fields, "" if "\n\n" in fields else "\nHello", person)
    rule = next(rule for rule in RULES if rule.name == name)
    assert name in automatic.rules
    assert found is (kind or Kind.MESSAGE)
    assert automatic.is_machine or not rule.machine
    assert automatic.suppress_reply or not rule.silent


def test_every_rule_has_an_example():
    assert set(EXAMPLES) == {rule.name for rule in RULES}


def test_the_page_about_classification_lists_exactly_the_rules():
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]*) \| ([^|]*) \| ([^|]*) \|", PAGE.read_text("utf-8"), re.M)
    told = [(name, kind.strip() or None, verdicts.strip()) for name, kind, verdicts, _ in rows]
    assert told == [(rule.name, rule.kind, "machine, silent" if rule.machine else "silent") for rule in RULES]


def test_the_page_gives_every_rules_source():
    page = PAGE.read_text("utf-8")
    assert [rule.name for rule in RULES if rule.source not in page] == []


def test_the_page_lists_exactly_the_reasons_of_bounces():
    told = re.findall(r"^\| `([a-z_]+)` \| [^|]+ \|$", PAGE.read_text("utf-8"), re.M)
    assert set(told) == set(REASONS)


def test_names_are_unique():
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_a_persons_mail_is_a_message_and_may_be_answered():
    assert classified() == (Kind.MESSAGE, Automatic())


@pytest.mark.parametrize(
    "fields",
    [
        "Auto-Submitted: no\n",
        "X-Autoreply: no\n",
        "X-Auto-Response-Suppress: DR, RN, NRN\n",
        "Precedence: first-class\n",
        "Feedback-ID: 1:campaign\nIn-Reply-To: <a@example.com>\n",
        "X-Spam-Flag: NO\n",
    ],
)
def test_fields_that_say_nothing_leave_a_person_a_person(fields: str):
    assert classified(fields) == (Kind.MESSAGE, Automatic())


def test_a_request_not_to_answer_does_not_make_a_machine():
    kind, automatic = classified("X-Auto-Response-Suppress: All\n")
    assert (kind, automatic.is_machine, automatic.suppress_reply) == (Kind.MESSAGE, False, True)


def test_a_list_member_is_a_person_whom_we_do_not_answer():
    kind, automatic = classified("List-Id: <l.example.org>\nPrecedence: bulk\n")
    assert (kind, automatic.is_machine, automatic.suppress_reply) == (Kind.LIST, False, True)


def test_a_customers_crm_that_adds_list_unsubscribe_stays_a_message():
    kind, automatic = classified("List-Unsubscribe: <https://crm.example/u>\n")
    assert (kind, automatic.is_machine, automatic.suppress_reply) == (Kind.MESSAGE, False, True)


def test_a_forwarded_mail_of_a_person_is_no_machines():
    kind, automatic = classified("Auto-Submitted: auto-forwarded\n")
    assert (kind, automatic.is_machine) == (Kind.MESSAGE, False)


def test_a_bounce_outranks_whatever_else_the_message_is():
    assert classified("List-Id: <l>\nAuto-Submitted: auto-replied\n" + dsn("failed"), "")[0] is Kind.BOUNCE


def test_an_away_message_outranks_the_list_that_carried_it():
    assert classified("List-Id: <l>\nAuto-Submitted: auto-replied\n")[0] is Kind.AUTO_REPLY


def test_a_second_auto_submitted_field_is_not_overlooked():
    assert classified("Auto-Submitted: no\nAuto-Submitted: auto-replied\n")[0] is Kind.AUTO_REPLY


@pytest.mark.parametrize(
    "subject",
    """Automatic reply: x|Auto-Reply: x|Re: x (Automatic Response)|Out of Office: x|Out of the office until Monday|OOO: x
    |Automated response: Re: x
    |Automatische Antwort: x|Abwesenheitsnotiz: x|Réponse automatique : x|Respuesta automática: x|Resposta automática: x
    |Risposta automatica: x|Automatisch antwoord: x|Autosvar: x|Automatisk svar: x|Frånvaro: x|Automaattinen vastaus: x
    |Automatyczna odpowiedź: x|Automatická odpověď: x|Automatická odpoveď: x|Automatikus válasz: x|Răspuns automat: x
    |Автоматический ответ: x|Автоматична відповідь: x|Автоматичен отговор: x|Automatski odgovor: x|Samodejni odgovor: x
    |Αυτόματη απάντηση: x|Otomatik yanıt: x|תשובה אוטומטית: x|رد تلقائي: x|自动答复: x|自動回覆: x|自動応答: x|자동 회신: x
    |=?utf-8?B?QXV0b21hdGlzY2hlIEFudHdvcnQ6IHg=?=""".replace("\n    ", "").split("|"),
)
def test_an_out_of_office_subject_is_known_in_every_language(subject: str):
    person = PERSON.replace("My parcel", subject)
    assert classified(person=person)[0] is Kind.AUTO_REPLY


@pytest.mark.parametrize(
    "subject", ["Re: Automatic reply: x", "Is this an automatic reply?", "The out of office printer is broken", "Automation: x"]
)
def test_a_person_may_write_about_automatic_replies(subject: str):
    assert classified(person=PERSON.replace("My parcel", subject))[0] is Kind.MESSAGE


def test_an_automatic_subject_on_a_list_is_a_topic():
    assert classified("List-Id: <l>\n", person=PERSON.replace("My parcel", "Auto-reply: which header?"))[0] is Kind.LIST


@given(
    st.lists(
        st.sampled_from(
            [*(fields for fields, _ in EXAMPLES.values()), "X: \x00\n", "Auto-Submitted:\n", "Precedence: ;\n", "From: <\n"]
        ),
        max_size=8,
    )
)
def test_nothing_is_raised_and_the_verdicts_follow_the_rules(fields: list[str]):
    kind, automatic = classified("".join(fields))
    held = [rule for rule in RULES if rule.name in automatic.rules]
    assert automatic.is_machine == any(rule.machine for rule in held)
    assert automatic.suppress_reply == any(rule.silent for rule in held)
    assert kind is next((rule.kind for rule in held if rule.kind), Kind.MESSAGE)


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES)
def test_no_rule_of_reports_holds_for_what_is_taken_for_a_letter(example: tuple[str, Kind | None]) -> None:
    root = tree.read((PERSON + example[0]).encode()).root
    notice = bounce.read(root)
    evidence = gather(root, notice, notice is not None and bounce.is_delayed(notice), senders(root))
    assert not (is_letter(evidence) and [rule.name for rule in RULES if rule.name in OF_REPORTS and rule.test(evidence)])


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.fields], ids=lambda rule: rule.name)
def test_a_rule_holds_only_where_one_of_the_fields_it_names_is_present(rule: Rule) -> None:
    fields = EXAMPLES[rule.name][0]
    header, blank, body = fields.partition("\n\n")
    others = [line for line in (PERSON + header).split("\n") if line.partition(":")[0].lower() not in rule.fields]
    without = tree.read("\n".join(others).encode() + (blank + body).encode()).root
    assert not rule.test(gather(without, None, False, senders(without)))
