"""One trace a message: spans that follow its history, under ids that stay the same, with nothing of its content."""

from listener.ledger import Happening, Story
from listener.otlp.spans import MAX_TRANSIT, spans


def story(*events, received_at=None, state="done", entry=7):
    first = Happening(100.0, "message.accepted", {"folder": "INBOX", "unique_id": "1:1", "sync_state": "1:2"})
    return Story(entry, "support", state, "message", received_at, (first, *events))


FILED = Happening(101.0, "message.filed", {"case": "ABC", "rule": "new"})
CALLED = Happening(
    104.0, "delivery.done", {"hook": "webhook:crm", "attempt": 1, "outcome": "filed", "note": "a customer's words"}
)
DONE = Happening(104.0, "message.done", {})


def named(found):
    return [(span.name, span.begun, span.ended) for span in found]


def test_a_message_is_one_trace_from_its_arrival_to_its_hook():
    assert named(spans(story(FILED, CALLED, DONE, received_at=95.0))) == [
        ("message", 95.0, 104.0),
        ("message.accepted", 95.0, 100.0),
        ("message.filed", 100.0, 101.0),
        ("deliver webhook:crm", 101.0, 104.0),
    ]


def test_every_span_hangs_on_the_root():
    root, *children = spans(story(FILED, CALLED, DONE))
    assert root.parent is None
    assert {child.parent for child in children} == {root.id}
    assert len({span.id for span in (root, *children)}) == 1 + len(children)
    assert {span.trace for span in children} == {root.trace}


def test_the_trace_is_the_same_whenever_it_is_told():
    once, later = spans(story(FILED, CALLED)), spans(story(FILED, CALLED, DONE))
    assert once[0].trace == later[0].trace
    assert once[0].id != later[0].id


def test_another_message_is_another_trace():
    assert spans(story(FILED))[0].trace != spans(story(FILED, entry=8))[0].trace


def test_a_date_of_arrival_that_cannot_be_is_not_believed():
    for unlikely in (None, 100.0 - MAX_TRANSIT - 1, 100.5, 1e12):
        assert spans(story(FILED, received_at=unlikely))[0].begun == 100.0


def test_failed_attempts_and_dead_messages_are_errors():
    failed = Happening(103.0, "delivery.failed", {"hook": "webhook:crm", "error": "500"})
    dead = Happening(104.0, "delivery.dead", {"hook": "webhook:crm", "reason": "500"})
    root, *children = spans(story(FILED, failed, dead, state="dead"))
    assert root.failed
    assert [child.failed for child in children] == [False, False, True, True]


def test_what_the_message_or_a_hook_said_is_not_told():
    assert all("customer" not in str(span) for span in spans(story(FILED, CALLED, DONE)))


def test_ids_are_of_the_size_that_trace_context_wants_and_never_zero():
    for span in spans(story(FILED, CALLED)):
        assert 0 < span.trace < 2**128
        assert 0 < span.id < 2**64
