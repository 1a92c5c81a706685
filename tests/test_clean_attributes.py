"""Attributes that are clean are not looked at by OpenTelemetry again: its limits and classes hold."""

import pytest
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanContext

from together_otel.telemetry import spans

FOUND = {"model": "a/model", "tokens": 3, "reasons": ("stop",), "told": "later"}


def ended(limits=None, told=FOUND):
    """Return the attributes of a span that had one, and was given more."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(span_limits=limits, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    span = provider.get_tracer("test").start_span("call", attributes={"told": "first"})
    spans.set_clean(span, told)
    span.end()
    spans.set_clean(span, {"told": "too late"})
    (found,) = exporter.get_finished_spans()
    return found


@pytest.mark.parametrize(
    "limits",
    [
        None,
        SpanLimits(max_attributes=2),
        SpanLimits(max_span_attributes=0),
        SpanLimits(max_span_attribute_length=3),
    ],
)
def test_as_by_opentelemetry(limits, monkeypatch):
    """They are what a span shows to which they were given in OpenTelemetry's own way."""
    ours = ended(limits)
    monkeypatch.setattr(spans, "_SET_ATTRIBUTES", None)
    theirs = ended(limits)
    assert dict(ours.attributes) == dict(theirs.attributes)
    assert ours.dropped_attributes == theirs.dropped_attributes


def test_a_span_that_changes_what_it_is_told(monkeypatch):
    """Whoever stands in place of the SDK's method, in a class or on one span, is asked."""
    provider = TracerProvider(shutdown_on_exit=False)
    span, told = provider.get_tracer("test").start_span("call"), []
    monkeypatch.setattr(span, "set_attributes", told.append)
    spans.set_clean(span, FOUND)
    monkeypatch.undo()
    monkeypatch.setattr(type(span), "set_attributes", lambda _span, found: told.append(found))
    spans.set_clean(span, FOUND)
    assert told == [FOUND, FOUND]
    assert not span.attributes


def test_another_kind_of_span():
    spans.set_clean(NonRecordingSpan(SpanContext(1, 2, is_remote=False)), FOUND)
