"""The attachments of a message that a hook holds can be opened."""

from dataclasses import replace

import pytest

from listener.hooks.calls import bound
from listener.message import parse

LETTER = (
    b"From: ann@example.com\r\nSubject: Two files\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n"
    b"--x\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=a\r\n\r\nfirst\r\n"
    b"--x\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=b\r\n\r\nsecond\r\n--x--\r\n"
)


def test_each_attachment_opens_to_its_own_octets_and_the_raw_message_is_read_only_then():
    reads = []

    def read_raw():
        reads.append(1)
        return LETTER

    message = bound(parse(LETTER), read_raw)
    assert reads == []
    assert {a.filename: a.open().read() for a in message.attachments} == {"a": b"first", "b": b"second"}
    assert len(reads) == 2


def test_binding_changes_nothing_that_is_data():
    message = parse(LETTER)
    assert bound(message, lambda: LETTER) == message
    assert bound(message, lambda: LETTER).as_json() == message.as_json()


def test_a_message_without_attachments_stays_the_same_object():
    message = replace(parse(LETTER), attachments=())
    assert bound(message, lambda: LETTER) is message


def test_an_attachment_that_is_no_longer_kept_says_so():
    def pruned():
        raise LookupError("the raw octets of message 7 are no longer kept")

    with pytest.raises(LookupError, match="no longer kept"):
        bound(parse(LETTER), pruned).attachments[0].open()
