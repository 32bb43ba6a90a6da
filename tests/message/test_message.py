"""The whole message: what `parse` makes of small letters, one idea each."""

import hashlib
import json

import pytest
from mails import HEAD, ID, container, file, message, multipart, nested, part, tnef, tnef_attribute, tnef_file, tnef_properties

from listener.message import InboundMessage, attachment_contents, attachment_octets, parse, parse_quickly, sealed

PLAIN, HTML = part("plain"), part("<p>markup</p>", "text/html; charset=utf-8")
PICTURE = part("", "image/png", "Content-ID: <p@x>\r\n")

BODIES = {
    "plain": (message("hello"), "hello", None),
    "HTML alone": (message("<p>one</p><p>two</p>", "text/html"), "one\n\ntwo", "<p>one</p><p>two</p>"),
    "alternatives": (multipart("alternative", PLAIN, HTML), "plain", "<p>markup</p>"),
    "alternatives the wrong way round": (multipart("alternative", HTML, PLAIN), "plain", "<p>markup</p>"),
    "empty text beside HTML": (multipart("alternative", part(" \r\n"), HTML), "markup", "<p>markup</p>"),
    "HTML with its pictures": (multipart("alternative", PLAIN, nested("related", HTML, PICTURE)), "plain", "<p>markup</p>"),
    "related around alternatives": (
        multipart("related", nested("alternative", PLAIN, HTML), PICTURE),
        "plain",
        "<p>markup</p>",
    ),
    "several texts": (multipart("mixed", part("one"), part("two")), "one\ntwo", None),
    "text, file, footer": (multipart("mixed", part("one"), file(b"x"), part("footer")), "one\nfooter", None),
    "text after HTML": (
        multipart("mixed", HTML, part("a <footer>")),
        "markup\na <footer>",
        '<p>markup</p>\n<div style="white-space: pre-wrap">a &lt;footer&gt;</div>',
    ),
    "signed": (multipart("signed", PLAIN, part("x", "application/pgp-signature")), "plain", None),
    "a text file": (multipart("mixed", PLAIN, part("data", 'text/plain; name="notes.txt"')), "plain", None),
    "marked as attachment": (
        multipart("mixed", PLAIN, part("data", "text/plain", "Content-Disposition: attachment\r\n")),
        "plain",
        None,
    ),
    "rich text": (message("<bold>one</bold> <<two>", "text/enriched"), "one <two>", None),
    "an unknown kind of text": (message("hello", "text/x-unknown"), "hello", None),
    "an invitation alone": (
        message("BEGIN:VCALENDAR\nMETHOD:CANCEL\nBEGIN:VEVENT\nSUMMARY:Lunch\nEND:VEVENT\nEND:VCALENDAR", "text/calendar"),
        "Cancelled: Lunch",
        None,
    ),
    "a card alone": (message("BEGIN:VCARD\nFN:Anna\nEND:VCARD", "text/vcard"), "Card: Anna", None),
    "flowed": (message("one \r\ntwo\r\n", "text/plain; format=flowed"), "one two\n", None),
    "charset only in the markup": (
        message('<meta charset="koi8-r"><p>', "text/html") + "Привет, как дела".encode("koi8-r"),
        "Привет, как дела",
        '<meta charset="koi8-r"><p>Привет, как дела',
    ),
    "no body": (message(""), "", None),
    "only a file": (message("x", "application/pdf"), "", None),
}


@pytest.mark.parametrize(("octets", "text", "html"), BODIES.values(), ids=BODIES)
def test_the_body_is_what_a_person_reads(octets: bytes, text: str, html: str | None) -> None:
    parsed = parse(octets)
    assert (parsed.text, parsed.html) == (text, html)


def names(octets: bytes) -> list[tuple[str, str]]:
    return [(attachment.filename, attachment.disposition) for attachment in parse(octets).attachments]


ATTACHMENTS = {
    "a file": (multipart("mixed", PLAIN, file(b"x")), [("a.pdf", "attachment")]),
    "a picture in the markup": (multipart("related", HTML, PICTURE), [("attachment-1.png", "inline")]),
    "an inline file": (multipart("mixed", PLAIN, file(b"x", disposition="inline")), [("a.pdf", "inline")]),
    "a name that leads elsewhere": (multipart("mixed", PLAIN, file(b"x", name="../../etc/passwd")), [("passwd", "attachment")]),
    "an attached message": (
        multipart("mixed", PLAIN, part("Subject: Re: =?utf-8?Q?caf=C3=A9?=\r\n\r\nhello", "message/rfc822")),
        [("Re_ café.eml", "attachment")],
    ),
    "an attached message and all in it": (
        multipart("mixed", PLAIN, part(multipart("mixed", PLAIN, file(b"x")).decode(), "message/rfc822")),
        [("Order.eml", "attachment")],
    ),
    "uuencoded in the text": (message("see\nbegin 644 a.txt\n%:&5L;&\\\n`\nend\n"), [("a.txt", "attachment")]),
    "winmail.dat": (
        multipart(
            "mixed",
            PLAIN,
            file(tnef(tnef_file("one.txt", b"1"), tnef_file("two.txt", b"2")), "application/ms-tnef", "winmail.dat"),
        ),
        [("one.txt", "attachment"), ("two.txt", "attachment")],
    ),
    "winmail.dat under a false flag": (
        multipart("mixed", PLAIN, file(tnef(tnef_file("one.txt", b"1")), "application/octet-stream", "WINMAIL.DAT")),
        [("one.txt", "attachment")],
    ),
    "a broken winmail.dat": (
        multipart("mixed", PLAIN, file(b"nonsense", "application/ms-tnef", "winmail.dat")),
        [("winmail.dat", "attachment")],
    ),
    "a delivery report": (
        multipart("report", PLAIN, part("x", "message/delivery-status"), part("Subject: y\r\n\r\n", "message/rfc822")),
        [("attachment-1.txt", "attachment"), ("y.eml", "attachment")],
    ),
}


@pytest.mark.parametrize(("octets", "expected"), ATTACHMENTS.values(), ids=ATTACHMENTS)
def test_attachments_are_what_is_not_the_body(octets: bytes, expected: list[tuple[str, str]]) -> None:
    assert names(octets) == expected


def test_the_body_of_a_winmail_dat_is_the_body_where_there_is_no_other() -> None:
    properties = tnef_properties((0x1000, 0x1F, "Grüße\0".encode("utf-16-le")))
    wrapped = file(tnef(tnef_attribute(1, 0x9003, properties)), "application/ms-tnef", "winmail.dat")
    assert parse(multipart("mixed", wrapped)).text == "Grüße"
    assert parse(multipart("mixed", PLAIN, wrapped)).text == "plain"


def test_octets_are_found_again_by_their_digest() -> None:
    contents = bytes(range(256))
    octets = multipart("mixed", PLAIN, file(b"other"), file(contents))
    attachment = parse(octets).attachments[1]
    assert (attachment.size, attachment.sha256) == (256, hashlib.sha256(contents).hexdigest())
    assert attachment_octets(octets, attachment.sha256) == contents
    assert attachment_contents(octets) == [b"other", contents]


def test_a_digest_that_is_not_there_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        attachment_octets(message("hello"), "0" * 64)


def test_the_fields_of_a_whole_message() -> None:
    head = (
        "Return-Path: <bounces@example.net>\r\nFrom: =?utf-8?Q?M=C3=BCller?= <a@example.net>\r\nSender: s@example.net\r\n"
        "Reply-To: r@example.net\r\nTo: t@example.com, u@example.com\r\nCc: c@example.com\r\n"
        "Subject: =?utf-8?B?R3LDvMOfZQ==?=\r\n"
        "Date: Sun, 22 Nov 2026 10:00:00 +0100\r\nMessage-ID: <1@example.net>\r\nIn-Reply-To: <0@example.com>\r\n"
        "References: <x@example.com> <0@example.com>\r\n"
    )
    parsed = parse(message("hello", head=head))
    assert (parsed.message_id, parsed.in_reply_to) == ("1@example.net", ("0@example.com",))
    assert parsed.references == ("x@example.com", "0@example.com")
    assert (parsed.subject, parsed.date) == ("Grüße", "2026-11-22T10:00:00+01:00")
    assert [(a.name, a.address) for a in parsed.from_] == [("Müller", "a@example.net")]
    assert [a.address for a in parsed.sender + parsed.reply_to + parsed.to + parsed.cc] == [
        "s@example.net",
        "r@example.net",
        "t@example.com",
        "u@example.com",
        "c@example.com",
    ]
    assert parsed.return_path == "bounces@example.net"
    assert parsed.defects == ()


def test_the_addresses_it_was_delivered_to_are_read():
    head = HEAD + ID + "Delivered-To: <a+tag@example.com>\r\nDelivered-To: a+tag@example.com\r\n"
    parsed = parse(message("x", head=head + "X-Original-To: b@example.com\r\nEnvelope-To: nowhere\r\n"))
    assert parsed.delivered_to == ("a+tag@example.com", "b@example.com")
    assert InboundMessage.from_json(parsed.as_json()) == parsed


DEFECTS = {
    "no From": (message("x", head=HEAD.replace("From: Anna <anna@example.net>\r\n", "") + ID), "from: missing"),
    "two From": (message("x", head=HEAD + ID + "From: b@example.net\r\n"), "from: 2 fields"),
    "no Date": (message("x", head="From: a@example.net\r\n" + ID), "date: missing"),
    "no Message-ID": (message("x", head=HEAD), "message-id: missing, a substitute was made from the digest"),
    "wrong charset": (
        message("x", "text/plain; charset=us-ascii") + "é".encode(),
        "charset: 'us-ascii' did not hold, read as utf-8",
    ),
    "OpenPGP": (multipart("encrypted", PLAIN), "encrypted: the content cannot be read (OpenPGP, RFC 3156)"),
    "S/MIME": (message("x", "application/pkcs7-mime"), "encrypted: the content cannot be read (S/MIME, RFC 8551)"),
    "OpenPGP that a list gave a footer": (multipart("mixed", nested("encrypted", PLAIN), part("footer")), sealed.OPENPGP),
    "OpenPGP in the text": (message("Hello\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nabc"), sealed.IN_TEXT),
    "S/MIME beside a footer": (multipart("mixed", part("x", "application/x-pkcs7-mime"), PLAIN), sealed.SMIME),
    "wrapped into its signature": (message("x", "application/pkcs7-mime; smime-type=signed-data"), sealed.WRAPPED),
    "a piece": (message("x", "message/partial; number=1"), "partial: one piece of a larger message (RFC 2046 §5.2.2)"),
}


@pytest.mark.parametrize(("octets", "defect"), DEFECTS.values(), ids=DEFECTS)
def test_what_could_not_be_understood_is_said(octets: bytes, defect: str) -> None:
    assert defect in parse(octets).defects


READABLE = {
    "certificates": message("x", "application/pkcs7-mime; smime-type=certs-only", head=HEAD + ID),
    "a letter about OpenPGP": message("It begins with -----BEGIN PGP MESSAGE-----, she said", head=HEAD + ID),
    "an attached message": multipart("mixed", PLAIN, part(multipart("encrypted", PLAIN).decode(), "message/rfc822")),
    "signed": multipart("signed", PLAIN, part("x", "application/pgp-signature")),
}


@pytest.mark.parametrize("octets", READABLE.values(), ids=READABLE)
def test_nothing_is_said_of_what_can_be_read(octets: bytes) -> None:
    assert [said for said in parse(octets).defects if said.startswith(("encrypted", "signed", "partial"))] == []


def test_the_same_octets_always_give_the_same_message() -> None:
    octets = message("x", head=HEAD)
    assert parse(octets) == parse(octets)
    assert parse(octets).message_id != parse(octets + b" ").message_id


@pytest.mark.parametrize("octets", [b"", b"\0", b"\r\n\r\n", b"hello", b"\xff" * 100, b"From ", b":", b"--"])
def test_anything_gives_a_message(octets: bytes) -> None:
    parsed = parse(octets)
    assert InboundMessage.from_json(json.loads(json.dumps(parsed.as_json()))) == parsed


FAULTS = [RecursionError, MemoryError, LookupError, IndexError, ValueError, AssertionError, TypeError, OverflowError]
READERS = ["tree.read", "body.choose", "text.read", "attachments.found", "dates.read", "bounce.read", "reply.extract"]


@pytest.mark.parametrize("reader", [*READERS, "classify.classify", "authentication.judge", "flags.flags", "sealed.defects"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_ours_is_a_defect_not_an_exception(
    monkeypatch: pytest.MonkeyPatch, fault: type[Exception], reader: str
) -> None:
    def fail(*_: object) -> None:
        raise fault("too deep")

    monkeypatch.setattr(f"listener.message.{reader}", fail)
    parsed = parse(b"Subject: x\r\n\r\n")
    (said,) = parsed.defects
    assert said.startswith(f"parser: {fault.__name__}: ")
    assert parsed.message_id
    assert parse_quickly(b"Subject: x\r\n\r\n") is None


def test_reading_quickly_gives_the_same_as_reading_patiently() -> None:
    for octets, *_ in BODIES.values():
        assert parse_quickly(octets) == parse(octets)


HEAVY = {
    "many parts": message(container("mixed", *[PLAIN] * 150), 'multipart/mixed; boundary="b"'),
    "a long header": message("x", head=HEAD + "X: " + "y" * 70_000 + "\r\n"),
    "a long text": message("x" * 600_000),
    "winmail.dat": multipart("mixed", file(b"x", "application/ms-tnef", "winmail.dat")),
    "many octets": message("x", head=HEAD + ID) + b"\r\n" * 5_000_000,
}


@pytest.mark.parametrize("octets", HEAVY.values(), ids=HEAVY)
def test_what_may_take_long_is_declined(octets: bytes) -> None:
    assert parse_quickly(octets) is None
