"""Following the ledger: each ended message told once, again where the collector did not take it, and never the old ones."""

import asyncio

import pytest
import pytest_asyncio
from eventually import eventually
from ledger.makers import Clock, begin_next, filed
from structlog.testing import capture_logs

from listener.ledger import Ledger
from listener.otlp import Exporter, read_headers


class Collector:
    """Takes what comes, or refuses as often as it is told."""

    def __init__(self):
        self.spans, self.metrics, self.refusing = [], [], 0

    def take_spans(self, spans):
        if self.refusing:
            self.refusing -= 1
            return False
        self.spans += spans
        return True

    def take_metrics(self, families, begun, now):
        self.metrics.append(families)
        return True

    def entries(self):
        return [span.attributes["listener.entry"] for span in self.spans if span.parent is None]


@pytest_asyncio.fixture
async def ledger(tmp_path):
    opened = await Ledger.open(tmp_path / "state", now=Clock())
    yield opened
    await opened.close()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr("listener.otlp.PAUSE", 0.001)


async def running(ledger, collector, scenario, interval=3600.0):
    async def refresh():
        return None

    exporter = Exporter(collector, ledger, refresh, lambda: ["a family"], interval)
    task = asyncio.create_task(exporter.run())
    try:
        await asyncio.sleep(0.05)  # it has noted where the history ends
        await scenario()
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_a_message_is_told_once_when_it_has_ended(ledger, quick):
    collector = Collector()

    async def scenario():
        await filed(ledger, "one")
        await filed(ledger, "two", hooks={})
        await eventually(lambda: collector.entries() == [2])
        await begin_next(ledger)
        await ledger.settle_delivery(1, None)
        await eventually(lambda: collector.entries() == [2, 1])

    await running(ledger, collector, scenario)


async def test_what_ended_before_the_start_is_not_told(ledger, quick):
    collector = Collector()
    await filed(ledger, "before", hooks={})

    async def scenario():
        await filed(ledger, "after", hooks={})
        await eventually(lambda: collector.entries())

    await running(ledger, collector, scenario)
    assert collector.entries() == [2]


async def test_what_was_not_taken_is_told_again_and_trouble_is_said_once(ledger, quick):
    collector = Collector()
    collector.refusing = 3

    async def scenario():
        await filed(ledger, "one", hooks={})
        await eventually(lambda: collector.entries() == [1])

    with capture_logs() as logs:
        await running(ledger, collector, scenario)
    assert [entry["event"] for entry in logs if entry["event"].startswith("otlp.")] == ["otlp.refused", "otlp.well"]


async def test_metrics_are_sent_at_their_interval(ledger, quick):
    collector = Collector()

    async def scenario():
        await eventually(lambda: len(collector.metrics) >= 2)

    await running(ledger, collector, scenario, interval=0.001)
    assert collector.metrics[0] == ["a family"]


def test_headers_are_read_a_line_each():
    assert read_headers("api-key=a=b\n\n x = y \n") == {"api-key": "a=b", "x": "y"}


@pytest.mark.parametrize("text", ["no equals sign", "=value", "a=b\rc"])
def test_a_line_that_is_no_header_is_named(text):
    with pytest.raises(ValueError, match="line 1"):
        read_headers(text)
