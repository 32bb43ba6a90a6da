"""What reaches a collector: OpenTelemetry's own messages, decoded as a collector would."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from listener.otlp.sending import Collector
from listener.otlp.spans import Span


@pytest.fixture
def collector(collecting):
    server, _ = collecting
    made = Collector(f"http://127.0.0.1:{server.server_port}/", {"api-key": "k"}, "listener-of-tests")
    yield made
    made.close()


ROOT = Span(1, 2, None, "message", 10.0, 12.5, False, {"listener.entry": 7})
CHILD = Span(1, 3, 2, "deliver webhook:crm", 11.0, 12.5, True)


def test_spans_arrive_with_their_family_times_and_attributes(collecting, collector):
    assert collector.take_spans([ROOT, CHILD])
    ((path, headers, body),) = collecting[1]
    (resource,) = body.resource_spans
    root, child = resource.scope_spans[0].spans
    assert (path, headers["api-key"]) == ("/v1/traces", "k")
    assert {"service.name": "listener-of-tests"}.items() <= {
        a.key: a.value.string_value for a in resource.resource.attributes
    }.items()
    assert (root.trace_id, root.span_id, root.parent_span_id) == (bytes(15) + b"\1", bytes(7) + b"\2", b"")
    assert (child.trace_id, child.parent_span_id, child.status.code) == (root.trace_id, root.span_id, 2)
    assert (root.start_time_unix_nano, root.end_time_unix_nano) == (10_000_000_000, 12_500_000_000)
    assert [(a.key, a.value.int_value) for a in root.attributes] == [("listener.entry", 7)]


def test_what_the_collector_refuses_was_not_taken(collecting, collector):
    collecting[0].answers = 400
    assert not collector.take_spans([ROOT])


def test_metrics_keep_their_names_labels_and_values(collecting, collector):
    registry = CollectorRegistry()
    Counter("staged_total", "So many.", ["protocol"], registry=registry).labels("imap").inc(3)
    Gauge("lag", "So far behind.", registry=registry).set(2.5)
    assert collector.take_metrics(registry.collect(), 1.0, 2.0)
    ((path, _, body),) = collecting[1]
    counter, gauge = body.resource_metrics[0].scope_metrics[0].metrics
    assert (path, counter.name, gauge.name) == ("/v1/metrics", "staged_total", "lag")
    (point,) = counter.sum.data_points
    assert (point.as_double, point.attributes[0].value.string_value, counter.sum.is_monotonic) == (3, "imap", True)
    assert gauge.gauge.data_points[0].as_double == 2.5


def test_a_histogram_keeps_its_buckets(collecting, collector):
    registry = CollectorRegistry()
    histogram = Histogram("latency_seconds", "So long.", buckets=(1, 5), registry=registry)
    for seconds in (0.5, 0.7, 3, 30):
        histogram.observe(seconds)
    assert collector.take_metrics(registry.collect(), 1.0, 2.0)
    (point,) = collecting[1][0][2].resource_metrics[0].scope_metrics[0].metrics[0].histogram.data_points
    assert (list(point.bucket_counts), list(point.explicit_bounds), point.count) == ([2, 1, 1], [1, 5], 4)
    assert point.sum == pytest.approx(34.2)
