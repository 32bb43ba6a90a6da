"""Calendar invitations and business cards made readable."""

import base64
from email.message import EmailMessage

import pytest

from listener.message import calendar, content_lines, enclosures, parse, vcard
from listener.message.model import Card, InboundMessage, Invitation

INVITATION = """BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:16010101T030000
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
SUMMARY;LANGUAGE=de:Review\\, part
  two
DTSTART;TZID="Europe/Berlin":20261122T100000
DTEND:20261122T093000Z
LOCATION:Room 1
ORGANIZER;CN="Anna; Example":mailto:anna@example.net
DESCRIPTION:One\\nTwo
UID:1@example.net
BEGIN:VALARM
DESCRIPTION:Not this
END:VALARM
END:VEVENT
BEGIN:VEVENT
SUMMARY:Another
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


def test_every_event_is_read() -> None:
    review = Invitation(
        method="REQUEST",
        summary="Review, part two",
        start="2026-11-22 10:00 Europe/Berlin",
        end="2026-11-22 09:30 UTC",
        location="Room 1",
        organizer="Anna; Example <anna@example.net>",
        description="One\nTwo",
        uid="1@example.net",
    )
    assert calendar.read(INVITATION) == [review, Invitation(method="REQUEST", summary="Another")]


def test_the_number_of_events_and_their_words_are_bounded() -> None:
    one = f"BEGIN:VEVENT\nSUMMARY:{'x' * 5000}\nDESCRIPTION:{'y' * 5000}\nDTSTART:{'z' * 5000}\nEND:VEVENT\n"
    found = calendar.read("BEGIN:VCALENDAR\n" + one * (calendar.MAX_EVENTS + 1))
    assert len(found) == calendar.MAX_EVENTS
    assert {(len(event.summary), len(event.start)) for event in found} == {(calendar.MAX_VALUE, calendar.MAX_VALUE)}
    assert len(found[0].description) == calendar.MAX_DESCRIPTION


def test_an_invitation_is_described_for_people() -> None:
    assert calendar.describe(INVITATION).splitlines()[:3] == [
        "Invitation: Review, part two",
        "Start: 2026-11-22 10:00 Europe/Berlin",
        "End: 2026-11-22 09:30 UTC",
    ]


def test_a_whole_day_has_no_time() -> None:
    event = "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20261122\nEND:VEVENT\nEND:VCALENDAR"
    assert calendar.describe(event) == "Calendar entry: \nStart: 2026-11-22"


def test_what_is_no_calendar_is_none() -> None:
    assert calendar.read("SUMMARY:x") == []
    assert calendar.describe("BEGIN:VEVENT\nSUMMARY:x") == ""


def test_an_event_that_never_ends_is_still_read() -> None:
    (invitation,) = calendar.read("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x")
    assert invitation.summary == "x"


CARD = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Anna Example\r\nORG:Example Ltd;Sales\r\nitem1.EMAIL;TYPE=work:anna@example.net\r\n"
CARD += "TEL:+49 30 1\r\nTITLE:Buyer\r\nEND:VCARD\r\n"


def test_a_card_is_described_for_people() -> None:
    described = "Card: Anna Example\nBuyer\nExample Ltd, Sales\nE-mail: anna@example.net\nTelephone: +49 30 1"
    assert vcard.describe(CARD) == described


def test_an_old_card_is_quoted_printable() -> None:
    (card,) = vcard.read("BEGIN:VCARD\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:M=C3=BCller;Anna;;;\nEND:VCARD")
    assert card.name == "Anna Müller"


def test_the_number_of_cards_is_bounded() -> None:
    assert len(vcard.read("BEGIN:VCARD\nFN:x\nEND:VCARD\n" * (vcard.MAX_CARDS + 1))) == vcard.MAX_CARDS


LUNCH = "BEGIN:VCALENDAR\nMETHOD:REQUEST\nBEGIN:VEVENT\nSUMMARY:Mittagessen für zwei\nDTSTART:20261122T110000Z\nEND:VEVENT\n"
LUNCH += "END:VCALENDAR\n"


def as_outlook_and_google_write_it() -> bytes:
    """Text, HTML and the invitation as alternatives, and the same invitation as a file."""
    message = EmailMessage()
    message["From"], message["Message-ID"] = "anna@example.net", "<1@example.net>"
    message.set_content("Shall we?\n")
    message.add_alternative("<p>Shall we?</p>", subtype="html")
    message.add_alternative(LUNCH, subtype="calendar", params={"method": "REQUEST"})
    message.add_attachment(LUNCH.encode(), maintype="application", subtype="ics", filename="invite.ics")
    return message.as_bytes()


def test_an_invitation_beside_a_text_is_read_once() -> None:
    parsed = parse(as_outlook_and_google_write_it())
    assert parsed.text == "Shall we?\n"
    assert parsed.invitations == (Invitation("REQUEST", "Mittagessen für zwei", "2026-11-22 11:00 UTC"),)
    assert parsed.invitations[0].title == "Invitation"
    assert len(parsed.attachments) == 2


def test_invitations_and_cards_survive_being_stored() -> None:
    card = Card("Anna", "Example Ltd", "Buyer", ("a@example.net", "b@example.net"), ("+49 30 1",), "note")
    message = InboundMessage("1@example.net", invitations=(Invitation("CANCEL", "Lunch"),), cards=(card,))
    assert InboundMessage.from_json(message.as_json()) == message
    older = {key: value for key, value in message.as_json().items() if key not in ("invitations", "cards")}
    assert InboundMessage.from_json(older).cards == ()


def with_file(content: bytes, content_type: str, name: str) -> bytes:
    head = "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nSee below.\n--x\n"
    head += f'Content-Type: {content_type}\nContent-Disposition: attachment; filename="{name}"\n'
    return f"{head}Content-Transfer-Encoding: base64\n\n{base64.encodebytes(content).decode()}\n--x--\n".encode()


@pytest.mark.parametrize(("content_type", "name"), [("text/vcard", "card"), ("application/octet-stream", "Anna.VCF")])
def test_an_attached_card_is_read_by_its_type_or_its_name(content_type: str, name: str) -> None:
    parsed = parse(with_file(CARD.encode(), content_type, name))
    assert [(card.name, card.emails) for card in parsed.cards] == [("Anna Example", ("anna@example.net",))]


@pytest.mark.parametrize(("content_type", "name"), [("text/calendar", "x"), ("application/octet-stream", "meeting.ics")])
def test_an_attached_calendar_is_read_by_its_type_or_its_name(content_type: str, name: str) -> None:
    assert [one.summary for one in parse(with_file(LUNCH.encode(), content_type, name)).invitations] == ["Mittagessen für zwei"]


def test_a_calendar_in_another_charset_is_read_in_it() -> None:
    parsed = parse(with_file(LUNCH.encode("latin-1"), "text/calendar; charset=iso-8859-1", "x.ics"))
    assert parsed.invitations[0].summary == "Mittagessen für zwei"


def test_other_files_are_not_looked_into() -> None:
    parsed = parse(with_file(LUNCH.encode(), "application/octet-stream", "meeting.txt"))
    assert (parsed.invitations, parsed.cards) == ((), ())


def test_of_all_calendars_together_only_so_much_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    monkeypatch.setattr(content_lines, "read", lambda text: iter(read.append(len(text)) or ()))
    head = "Content-Type: multipart/mixed; boundary=x\n\n--x\n\nSee below.\n"
    part = "--x\nContent-Type: text/calendar\n\n" + "X" * 400_000 + "\n"
    parse((head + part * 5 + "--x--\n").encode())
    assert sum(read) == enclosures.MAX_OCTETS
