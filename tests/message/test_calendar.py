"""Calendar invitations and business cards made readable."""

from listener.message import calendar, vcard

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


def test_the_first_event_is_read() -> None:
    assert calendar.read(INVITATION) == calendar.Invitation(
        method="REQUEST",
        summary="Review, part two",
        start="2026-11-22 10:00 Europe/Berlin",
        end="2026-11-22 09:30 UTC",
        location="Room 1",
        organizer="Anna; Example <anna@example.net>",
        description="One\nTwo",
        uid="1@example.net",
    )


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
    assert calendar.read("SUMMARY:x") is None
    assert calendar.describe("BEGIN:VEVENT\nSUMMARY:x") == ""


def test_an_event_that_never_ends_is_still_read() -> None:
    invitation = calendar.read("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:x")
    assert invitation is not None
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
