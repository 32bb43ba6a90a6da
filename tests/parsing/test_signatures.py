"""An account that verifies DKIM itself: keys from an injected resolver, signatures in a worker, never a failure of the mail."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from listener.errors import ParseTimeout
from listener.message import Trust
from listener.message.model import Verdict
from listener.parsing import Parser
from listener.parsing.worker import Worker
from tests.message.test_dkim import NAME, TEXT, pair, signed

__all__ = ["pair"]
ASKS = Trust(verify_dkim=True)


class Resolver:
    """Records by name; remembers what it was asked."""

    def __init__(self, **records: str) -> None:
        self.records, self.asked = records, list[str]()

    def __call__(self, name: str) -> str | None:
        self.asked.append(name)
        return self.records.get(name)


@pytest.fixture
async def resolver() -> Resolver:
    return Resolver()


@pytest.fixture
async def parser(resolver: Resolver) -> AsyncIterator[Parser]:
    parser = Parser(workers=1, look_up=resolver)
    yield parser
    await parser.close()


async def test_a_signature_that_holds_is_a_pass(parser: Parser, resolver: Resolver, pair: tuple[bytes, str]) -> None:
    resolver.records[NAME] = pair[1]
    message = await parser.parse(signed(pair[0]), ASKS)
    assert message.authentication.verdict is Verdict.PASS
    assert resolver.asked == [NAME]


async def test_nobody_is_asked_unless_the_account_wants_it(parser: Parser, resolver: Resolver, pair: tuple[bytes, str]) -> None:
    message = await parser.parse(signed(pair[0]), Trust())
    assert message.authentication.verdict is Verdict.UNKNOWN
    assert resolver.asked == []


async def test_without_an_answer_nobody_vouches(parser: Parser, pair: tuple[bytes, str]) -> None:
    assert (await parser.parse(signed(pair[0]), ASKS)).authentication.verdict is Verdict.UNKNOWN


async def test_a_message_without_signatures_asks_for_nothing(parser: Parser, resolver: Resolver) -> None:
    assert (await parser.parse(TEXT, ASKS)).subject == "My parcel"
    assert resolver.asked == []


async def test_signatures_that_cost_too_much_cost_the_message_nothing(
    parser: Parser, resolver: Resolver, pair: tuple[bytes, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*_: object) -> None:
        raise ParseTimeout("not parsed within 10 s")

    resolver.records[NAME] = pair[1]
    monkeypatch.setattr(Worker, "parse", slow)
    message = await parser.parse(signed(pair[0]), ASKS)
    assert (message.subject, message.authentication.verdict) == ("My parcel", Verdict.UNKNOWN)


async def test_an_accounts_own_reply_marker_reaches_the_parser_in_every_way(parser: Parser) -> None:
    octets = b"From: a@example.net\r\n\r\nMine\r\n\r\n-- Bitte hier antworten --\r\nYours\r\n"
    trust = Trust(reply_markers=("bitte HIER antworten",))
    for isolated in (False, True):
        assert (await parser.parse(octets, trust, isolated=isolated)).reply.text == "Mine"
    assert "Yours" in (await parser.parse(octets, Trust())).reply.text
