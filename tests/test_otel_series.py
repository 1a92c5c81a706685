"""Series of histograms: what a reader exports is what the SDK's own `record` gives it."""

import json
import re

import pytest
from opentelemetry.context import Context
from opentelemetry.metrics import NoOpMeterProvider
from opentelemetry.sdk.metrics import AlwaysOnExemplarFilter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import AggregationTemporality, InMemoryMetricReader
from opentelemetry.sdk.metrics.view import (
    DropAggregation,
    ExponentialBucketHistogramAggregation,
    View,
)
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from together_otel.telemetry.otel import _forget_inherited
from together_otel.telemetry.otel_series import observer

SAMPLED = set_span_in_context(
    NonRecordingSpan(SpanContext(7, 8, is_remote=False, trace_flags=TraceFlags(1))), Context()
)
LABELS = {"gen_ai.operation.name": "chat", "server.port": 443}
OTHERS = {"gen_ai.operation.name": "embeddings"}
VIEWS = {
    "none": [],
    "fewer attributes": [View(instrument_name="h", attribute_keys={"server.port"})],
    "no attributes": [View(instrument_name="h", attribute_keys=set())],
    "dropped": [View(instrument_name="h", aggregation=DropAggregation())],
    "two": [
        View(instrument_name="h", name="first"),
        View(
            instrument_name="h", name="second", aggregation=ExponentialBucketHistogramAggregation()
        ),
    ],
}
DELTA = {Histogram: AggregationTemporality.DELTA}


def by_sdk(histogram, attributes):
    return lambda value, context: histogram.record(value, attributes, context)


class Exported:
    """What each reader of a provider exports at each collection."""

    def __init__(self, make, temporality, views, readers=1, **options):
        self.readers = [InMemoryMetricReader(temporality) for _ in range(readers)]
        self.provider = MeterProvider(self.readers, views=views, **options)
        histogram = self.provider.get_meter("together_otel").create_histogram(
            "h", "s", explicit_bucket_boundaries_advisory=[0.1, 1]
        )
        self.series = [make(histogram, LABELS), make(histogram, OTHERS)]
        self.collected = []

    def record(self, *values):
        for value in values:
            for series in self.series:
                series(value, SAMPLED)
                series(value * 2, Context())

    def collect(self):
        for reader in self.readers:
            data = reader.get_metrics_data()
            self.collected.append("" if data is None else timeless(data.to_json()))


def timeless(text):
    return json.loads(re.sub(r'("\w*time_unix_nano"): \d+', r"\1: 0", text))


@pytest.fixture(params=[by_sdk, observer], ids=["SDK", "here"])
def make(request):
    return request.param


def both(exercise, *options, **named):
    found = []
    for make in (by_sdk, observer):
        exported = Exported(make, *options, **named)
        exercise(exported)
        found.append(exported.collected)
    return found


@pytest.mark.parametrize("temporality", [{}, DELTA], ids=["cumulative", "delta"])
@pytest.mark.parametrize("views", VIEWS.values(), ids=VIEWS)
@pytest.mark.parametrize("readers", [1, 2])
def test_exports_what_the_sdk_does(temporality, views, readers):
    def exercise(exported):
        exported.record(0.05, 0.5)
        exported.collect()
        exported.record(5)
        exported.collect()
        exported.collect()
        exported.record(0.2)
        exported.collect()

    expected, found = both(exercise, temporality, views, readers=readers)
    assert found == expected
    assert any(expected) is (views is not VIEWS["dropped"])


def test_exemplars_pass_the_providers_filter():
    def exercise(exported):
        exported.record(0.05, 0.5)
        exported.collect()

    options = {"exemplar_filter": AlwaysOnExemplarFilter()}
    expected, found = both(exercise, {}, VIEWS["fewer attributes"], **options)
    assert found == expected
    assert '"exemplars": [{' in json.dumps(expected)


def test_values_that_the_sdk_refuses_are_refused(caplog):
    def exercise(exported):
        exported.record(-1, float("nan"), float("inf"), 1)
        exported.collect()

    expected, found = both(exercise, {}, [])
    assert found == expected
    messages = [one.getMessage() for one in caplog.records]
    assert messages[: len(messages) // 2] == messages[len(messages) // 2 :] != []


def test_a_forked_child_has_none_of_its_parents_values():
    def exercise(exported):
        exported.record(0.05)
        _forget_inherited(exported.provider)
        exported.record(0.5)
        exported.collect()

    expected, found = both(exercise, {}, [])
    assert found == expected
    assert '"count": 2' in json.dumps(expected)


@pytest.mark.skipif(
    not hasattr(MeterProvider, "add_metric_reader"), reason="readers are fixed in this release"
)
def test_readers_may_come_and_go():
    def exercise(exported):
        exported.record(0.05)
        later = InMemoryMetricReader()
        exported.provider.add_metric_reader(later)
        exported.readers.append(later)
        exported.record(0.5)
        exported.collect()
        exported.provider.remove_metric_reader(exported.readers.pop(0))
        exported.record(0.5)
        exported.collect()

    expected, found = both(exercise, {}, [])
    assert found == expected


def test_more_series_than_the_sdk_keeps(make):
    reader = InMemoryMetricReader()
    histogram = MeterProvider([reader]).get_meter("together_otel").create_histogram("h")
    for number in range(2_005):
        series = make(histogram, {"n": number})
        series(1, Context())
        series(1, Context())
    points = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics[0].data
    assert sum(one.count for one in points.data_points) == 2 * 2_005


def test_another_implementation_or_a_replaced_method_is_called(monkeypatch):
    observer(NoOpMeterProvider().get_meter("m").create_histogram("h"), LABELS)(1, Context())
    seen, histogram = [], MeterProvider().get_meter("m").create_histogram("h")
    monkeypatch.setattr(type(histogram), "record", lambda _self, *given: seen.append(given))
    observer(histogram, LABELS)(1, Context())
    assert seen == [(1, LABELS, Context())]
