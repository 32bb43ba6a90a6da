"""Messages made for tests, and the samples of the demo, are what they say they are."""

from listener.message import parse
from listener.message.model import Kind
from listener.testing import make_message, sample, sample_names


def test_a_made_message_is_the_same_every_time_and_crlf_throughout():
    one = make_message("Hi\n", html="<p>Hi</p>", attachments=[("a.txt", "text/plain", b"x")])
    assert one == make_message("Hi\n", html="<p>Hi</p>", attachments=[("a.txt", "text/plain", b"x")])
    assert one.count(b"\n") == one.count(b"\r\n")


def test_a_made_message_says_what_it_was_given():
    made = parse(
        make_message(
            "Hello\n",
            subject="Grüße",
            sender="Änn <ann@example.com>",
            html="<p>Hello</p>",
            attachments=[("a.pdf", "application/pdf", b"%PDF")],
            message_id="x@example.com",
            references=["a@example.com", "b@example.com"],
            fields={"Auto-Submitted": "auto-replied"},
        )
    )
    assert (made.message_id, made.subject, made.text.strip()) == ("x@example.com", "Grüße", "Hello")
    assert (made.from_[0].name, made.from_[0].address) == ("Änn", "ann@example.com")
    assert (made.references, made.in_reply_to) == (("a@example.com", "b@example.com"), ("b@example.com",))
    assert [(a.filename, a.content_type, a.size) for a in made.attachments] == [("a.pdf", "application/pdf", 4)]


def test_two_made_messages_have_two_ids():
    assert parse(make_message("one")).message_id != parse(make_message("two")).message_id


def test_a_date_may_be_left_out():
    assert b"\r\nDate:" not in make_message(date=None)


def test_the_samples_are_of_many_kinds():
    samples = {name: parse(sample(name)) for name in sample_names()}
    assert len(samples) == 10
    assert samples["03-lamp-answer.eml"].in_reply_to == (samples["01-lamp.eml"].message_id,)
    assert samples["02-invoice.eml"].attachments[0].filename == "rechnung.pdf"
    assert "auf der beigefügten Rechnung" in samples["02-invoice.eml"].text
    assert samples["09-japanese.eml"].subject == "配達日の変更"
    assert "金曜日" in samples["09-japanese.eml"].text
    assert samples["07-broken.eml"].defects


def test_the_samples_come_with_the_line_ends_of_the_wire():
    for name in sample_names():
        assert sample(name).count(b"\n") == sample(name).count(b"\r\n")


def test_the_automatic_samples_are_known_as_such():
    kinds = {name: parse(sample(name)).kind for name in sample_names()}
    assert kinds["01-lamp.eml"] is Kind.MESSAGE
    assert kinds["04-newsletter.eml"] in (Kind.LIST, Kind.BULK)
    assert kinds["05-away.eml"] is Kind.AUTO_REPLY
    assert kinds["06-bounce.eml"] is Kind.BOUNCE
