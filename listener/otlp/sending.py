"""Spans and metrics to an OTLP collector over HTTP, by OpenTelemetry's own exporter (the extra `otlp`).

The only module that imports `opentelemetry`. Everything here blocks, so it is called on a thread; each call says whether the
collector took it. The exporter itself retries for a while, and honours Retry-After.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricExportResult,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags
from prometheus_client.core import Metric as Family

from .. import __version__
from .spans import Span

SECONDS = 10.0
"""Longest wait for one answer of the collector."""
_NANO = 1_000_000_000
_SCOPE = InstrumentationScope("listener", __version__)


class Collector:
    """One collector. `endpoint` is its base, without the signal's path; `headers` may hold a secret."""

    def __init__(self, endpoint: str, headers: Mapping[str, str], service: str, certificate_file: str | None = None) -> None:
        base, given = endpoint.rstrip("/"), dict(headers)
        self._resource = Resource({"service.name": service, "service.version": __version__})
        trust = {"certificate_file": certificate_file} if certificate_file else {}
        how: dict[str, Any] = {"headers": given, "timeout": SECONDS} | trust
        self._spans = OTLPSpanExporter(f"{base}/v1/traces", **how)
        self._metrics = OTLPMetricExporter(f"{base}/v1/metrics", **how)

    def take_spans(self, spans: Sequence[Span]) -> bool:
        """Blocks. True: the collector took them."""
        return self._spans.export([self._readable(span) for span in spans]) is SpanExportResult.SUCCESS

    def take_metrics(self, families: Iterable[Family], begun: float, now: float) -> bool:
        """What the registry holds, since `begun` (POSIX seconds). Blocks. True: the collector took it."""
        metrics = [metric for family in families for metric in _metrics(family, round(begun * _NANO), round(now * _NANO))]
        scoped = ScopeMetrics(_SCOPE, metrics, "")
        data = MetricsData([ResourceMetrics(self._resource, [scoped], "")])
        return self._metrics.export(data, SECONDS * 1000) is MetricExportResult.SUCCESS

    def close(self) -> None:
        """Blocks."""
        for exporter in (self._spans, self._metrics):
            exporter.shutdown()

    def _readable(self, span: Span) -> ReadableSpan:
        return ReadableSpan(
            span.name,
            context=_context(span.trace, span.id),
            parent=None if span.parent is None else _context(span.trace, span.parent),
            resource=self._resource,
            attributes=dict(span.attributes),
            kind=SpanKind.CONSUMER if span.parent is None else SpanKind.INTERNAL,
            status=Status(StatusCode.ERROR) if span.failed else Status(StatusCode.UNSET),
            start_time=round(span.begun * _NANO),
            end_time=round(span.ended * _NANO),
            instrumentation_scope=_SCOPE,
        )


def _context(trace: int, identity: int) -> SpanContext:
    return SpanContext(trace, identity, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


# --- a family of Prometheus as metrics of OpenTelemetry -----------------------------------------------------------------


def _metrics(family: Family, begun: int, now: int) -> Iterator[Metric]:
    total = AggregationTemporality.CUMULATIVE
    if family.type == "histogram":
        yield Metric(family.name, family.documentation, "", Histogram(_histograms(family, begun, now), total))
        return
    points = [
        NumberDataPoint(sample.labels, begun, now, sample.value)
        for sample in family.samples
        if not sample.name.endswith("_created")
    ]
    if family.type == "counter":
        yield Metric(f"{family.name}_total", family.documentation, "", Sum(points, total, is_monotonic=True))
    else:
        yield Metric(family.name, family.documentation, "", Gauge(points))


def _histograms(family: Family, begun: int, now: int) -> list[HistogramDataPoint]:
    """Prometheus' buckets hold all that is below them; OpenTelemetry's only what is between two bounds."""
    found: dict[tuple[tuple[str, str], ...], dict[str, Any]] = {}
    for sample in family.samples:
        labels = {name: value for name, value in sample.labels.items() if name != "le"}
        point = found.setdefault(tuple(sorted(labels.items())), {"labels": labels, "bounds": [], "below": [], "sum": 0.0})
        if sample.name.endswith("_bucket"):
            point["bounds"].append(float(sample.labels["le"]))
            point["below"].append(int(sample.value))
        elif sample.name.endswith("_sum"):
            point["sum"] = sample.value
    return [_histogram(point, begun, now) for point in found.values()]


def _histogram(point: Mapping[str, Any], begun: int, now: int) -> HistogramDataPoint:
    below = point["below"]
    counts = [count - before for count, before in zip(below, [0, *below[:-1]], strict=True)]
    bounds = [bound for bound in point["bounds"] if bound != float("inf")]
    count = below[-1] if below else 0
    low, high = float("inf"), float("-inf")  # unknown: as the exporter leaves them out
    return HistogramDataPoint(point["labels"], begun, now, count, point["sum"], counts, bounds, low, high)
