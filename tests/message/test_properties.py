"""Nothing but a result comes out of anything: the parser against made-up and mutilated messages."""

import json
import time

from hypothesis import given, settings
from hypothesis import strategies as st
from mails import file, message, multipart, nested, part, tnef, tnef_file

from listener.message import InboundMessage, attachment_contents, parse, parse_quickly
from listener.message.filenames import MAX_OCTETS

SEEDS = [
    message("On Sunday Anna wrote:\r\n> hello\r\n\r\nyes\r\n-- \r\nme"),
    multipart("alternative", part("one"), part("<blockquote>x</blockquote><p>y", "text/html")),
    multipart(
        "mixed",
        nested("related", part("<p>x", "text/html"), file(b"x")),
        file(tnef(tnef_file("a", b"b")), "application/ms-tnef", "winmail.dat"),
    ),
    multipart(
        "report",
        part("failed"),
        part("Final-Recipient: rfc822; a@b\r\nAction: failed\r\nStatus: 5.1.1", "message/delivery-status"),
    ),
    multipart("digest", "\r\nFrom: =?utf-8?Q?a?= <a@b>\r\n\r\nx"),
]
FRAGMENTS = st.sampled_from(
    [
        *(b"\r\n", b"\n", b"\r", b"--b", b"--b--", b"--", b"\0", b'"', b"<", b">", b"(", b"&#", b"=", b";", b": ", b"> "),
        *(
            b"=?utf-8?B?",
            b"?=",
            b"begin 644 a\n",
            b"\nend\n",
            b"charset=utf-7",
            b"\xff\xfe",
            b"filename*0*=x''%",
            b"<!--",
            b"<style>",
        ),
        *(b"Content-Type: multipart/mixed; boundary=b\r\n", b"Content-Transfer-Encoding: base64\r\n"),
        *(b"Received: from a by b; ", b"Authentication-Results: x; dmarc=pass\r\n"),
    ]
)
MUTATIONS = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 40), FRAGMENTS | st.binary(max_size=20)), max_size=12)


@st.composite
def mutilated(draw: st.DrawFn) -> bytes:
    """A message of ours with pieces cut out and others put in."""
    octets = draw(st.sampled_from(SEEDS))
    for at, cut, insert in draw(MUTATIONS):
        at %= len(octets) + 1
        octets = octets[:at] + insert + octets[at + cut :]
    return octets


def check(octets: bytes) -> None:
    started = time.process_time()
    parsed = parse(octets)
    assert time.process_time() - started < 5
    assert not any(defect.startswith("parser:") for defect in parsed.defects)
    assert InboundMessage.from_json(json.loads(json.dumps(parsed.as_json()))) == parsed
    assert parsed.message_id
    assert not set(parsed.subject + parsed.message_id) & set("\r\n\0")
    for attachment in parsed.attachments:
        assert 0 < len(attachment.filename.encode()) <= MAX_OCTETS
    assert [len(contents) for contents in attachment_contents(octets)] == [a.size for a in parsed.attachments]
    quick = parse_quickly(octets)
    assert quick is None or quick == parsed


@settings(max_examples=150, deadline=None)
@given(mutilated())
def test_a_mutilated_message_gives_a_result(octets: bytes) -> None:
    check(octets)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000) | st.lists(FRAGMENTS, max_size=60).map(b"".join))
def test_any_octets_give_a_result(octets: bytes) -> None:
    check(octets)
