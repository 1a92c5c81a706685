"""Variants of observing the same work: bare, directly with OpenTelemetry, this package, peers."""

from __future__ import annotations

import logging
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON
from opentelemetry.trace import SpanKind
from peers import PEERS
from prometheus_client import CollectorRegistry, generate_latest
from workload import Workload, as_it_is

from together_otel import TogetherInstrumentor

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

OURS = {
    "otel": ("otel", True),
    "otel unsampled": ("otel", False),
    "prometheus": ("prometheus", True),
    "prometheus unsampled": ("prometheus", False),
    "off": ("none", None),
}
"""Metrics backend, and whether spans are sampled; ``None`` for no tracer provider."""


class Record(NamedTuple):
    """Records of one call in a histogram."""

    name: str
    unit: str
    bounds: list[float]
    attributes: dict[str, Any]
    value: float
    times: int


class Emitted(NamedTuple):
    """Telemetry of a successful call, without counters, whose cost in a call is negligible.

    ``exemplars`` is whether values are recorded in the span's context.
    """

    name: str
    kind: int
    at_start: dict[str, Any]
    at_end: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]
    records: list[Record]
    exemplars: bool


class Variant(NamedTuple):
    """How a variant wraps a client, collects its metrics and is turned off."""

    prepare: Callable[[Any], Any] = as_it_is
    collect: Callable[[], object] = dict
    stop: Callable[[], object] = dict


def variant(name: str, emitted: Emitted | None = None) -> Variant:
    """Turn a variant on in this process: ``bare``, ``floor``, or one of `OURS` and `PEERS`."""
    if name == "bare":
        return Variant()
    if name in OURS:
        return ours(*OURS[name])
    reader = InMemoryMetricReader()
    meter_provider, tracer_provider = MeterProvider([reader]), tracing(sampled=True)
    if emitted is not None:
        return Variant(Floor(emitted, tracer_provider, meter_provider).put, reader.collect)
    # Peers use the global providers.
    trace.set_tracer_provider(tracer_provider)
    metrics.set_meter_provider(meter_provider)
    PEERS[name].turn_on()
    return Variant(collect=reader.collect)


def tracing(*, sampled: bool) -> TracerProvider:
    """Return a tracer provider whose processor does nothing, so that export is not measured."""
    provider = TracerProvider(sampler=ALWAYS_ON if sampled else ALWAYS_OFF)
    provider.add_span_processor(SpanProcessor())
    return provider


def ours(backend: str, sampled: bool | None) -> Variant:  # noqa: FBT001 - called with table rows
    """Instrument with this package; without a tracer provider if ``sampled`` is ``None``."""
    os.environ["TOGETHER_OTEL_METRICS"] = backend
    logging.getLogger("together_otel").addHandler(logging.NullHandler())
    reader, registry = InMemoryMetricReader(), CollectorRegistry()
    instrumentor = TogetherInstrumentor()
    instrumentor.instrument(
        tracer_provider=None if sampled is None else tracing(sampled=sampled),
        meter_provider=MeterProvider([reader]),
        registry=registry,
    )
    collect = partial(generate_latest, registry) if backend == "prometheus" else reader.collect
    return Variant(collect=collect, stop=instrumentor.uninstrument)


class _Spans(SpanProcessor):
    """Keeps the initial attributes of each span, and ended spans."""

    def __init__(self) -> None:
        self.begun: dict[int, dict[str, Any]] = {}
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Any, parent_context: Any = None) -> None:  # noqa: ARG002 - SpanProcessor's
        self.begun[span.context.span_id] = dict(span.attributes)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


def emitted() -> Emitted:
    """Return the telemetry that this package emits for a call after the first one."""
    spans = _Spans()
    reader = InMemoryMetricReader({Histogram: AggregationTemporality.DELTA})
    tracer_provider = TracerProvider(sampler=ALWAYS_ON)
    tracer_provider.add_span_processor(spans)
    TogetherInstrumentor().instrument(
        tracer_provider=tracer_provider, meter_provider=MeterProvider([reader])
    )
    workload = Workload()
    for _ in range(2):
        with workload.call(1) as run:
            reader.get_metrics_data()
            spans.ended.clear()
            run()
    TogetherInstrumentor().uninstrument()
    (span,) = spans.ended
    begun = spans.begun[span.context.span_id]
    points = [
        (metric, point)
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
        if hasattr(point, "explicit_bounds") and point.count
    ]
    return Emitted(
        span.name,
        span.kind.value,
        begun,
        {name: value for name, value in span.attributes.items() if name not in begun},
        [(event.name, dict(event.attributes)) for event in span.events],
        [
            Record(
                metric.name,
                metric.unit,
                list(point.explicit_bounds),
                dict(point.attributes),
                point.sum / point.count,
                point.count,
            )
            for metric, point in points
        ],
        any(point.exemplars for _, point in points),
    )


class Floor:
    """Emits the same span and histogram records directly with OpenTelemetry."""

    def __init__(
        self, emitted: Emitted, tracer_provider: TracerProvider, meter_provider: MeterProvider
    ) -> None:
        self._emitted = emitted
        self._tracer = tracer_provider.get_tracer("floor")
        meter = meter_provider.get_meter("floor")
        histograms = {
            record.name: meter.create_histogram(
                record.name, record.unit, explicit_bucket_boundaries_advisory=record.bounds
            )
            for record in emitted.records
        }
        self._records = [
            (
                histograms[record.name],
                None if record.unit == "s" else record.value,
                record.attributes,
            )
            for record in emitted.records
            for _ in range(record.times)
        ]

    def put(self, client: Any) -> Any:
        """Wrap a client's method to emit the telemetry; return the client."""
        completions = client.chat.completions
        create = completions.create
        if hasattr(client, "__aenter__"):

            async def observed(**kwargs: Any) -> Any:
                return async_timed(await create(**kwargs))

        else:

            def observed(**kwargs: Any) -> Any:
                return timed(create(**kwargs)) if "stream" in kwargs else self._call(create, kwargs)

        completions.create = observed
        return client

    def _call(self, create: Callable[..., Any], kwargs: dict[str, Any]) -> Any:
        emitted = self._emitted
        began = time.perf_counter()
        with self._tracer.start_as_current_span(
            emitted.name, kind=SpanKind(emitted.kind), attributes=dict(emitted.at_start)
        ) as span:
            answer = create(**kwargs)
            span.set_attributes(dict(emitted.at_end))
            for name, attributes in emitted.events:
                span.add_event(name, dict(attributes))
            if emitted.exemplars:
                self._record(began)
        if not emitted.exemplars:
            self._record(began)
        return answer

    def _record(self, began: float) -> None:
        elapsed = time.perf_counter() - began
        for histogram, value, attributes in self._records:
            histogram.record(elapsed if value is None else value, dict(attributes))


class _Read:
    """State of a stream for its telemetry at the end."""

    first = last = 0.0
    chunks = 0
    reason = usage = None


def timed(stream: Any) -> Iterator[Any]:
    """Yield a stream's chunks and record their times, finish reason and usage."""
    read = _Read()
    for chunk in stream:
        read.last = time.perf_counter()
        if not read.chunks:
            read.first = read.last
        read.chunks += 1
        for choice in chunk.choices:
            read.reason = choice.finish_reason or read.reason
        read.usage = chunk.usage or read.usage
        yield chunk


async def async_timed(stream: Any) -> AsyncIterator[Any]:
    """Do the same as `timed` for an async stream."""
    read = _Read()
    async for chunk in stream:
        read.last = time.perf_counter()
        if not read.chunks:
            read.first = read.last
        read.chunks += 1
        for choice in chunk.choices:
            read.reason = choice.finish_reason or read.reason
        read.usage = chunk.usage or read.usage
        yield chunk
