"""A parsed message in the ledger is the same when it comes out."""

import pytest

from listener.ledger.bodies import pack, unpack
from listener.message.model import Address, Attachment, InboundMessage, Reply


@pytest.mark.parametrize("reply", ["all of it", "a part", ""])
def test_what_is_packed_is_unpacked(reply: str) -> None:
    message = InboundMessage(
        "a@example.net",
        subject="Überraschung \ud800",
        from_=(Address("Ann", "ann@example.net"),),
        text="\nall of it\n",
        reply=Reply(reply, "> quoted", "-- Ann"),
        attachments=(Attachment("a.pdf", "application/pdf", 3, "00", None, "attachment"),),
    )
    assert unpack(pack(message)) == message


def test_the_same_text_is_kept_once() -> None:
    text = "x" * 1000
    assert len(pack(InboundMessage("a@b", text=text + "\n", reply=Reply(text)))) < 1700
