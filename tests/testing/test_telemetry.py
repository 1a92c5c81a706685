"""Captured telemetry is whole, plain, and lets go of the logger again."""

import logging

import pytest
from inline_snapshot import snapshot
from opentelemetry.trace import Link, SpanKind, StatusCode

from together_otel.names import AUTH_FAILED, OPERATION_DETAILS
from together_otel.telemetry import events
from together_otel.testing.telemetry import CapturedTelemetry

LOGGER = logging.getLogger("together_otel")


@pytest.fixture
def telemetry():
    captured = CapturedTelemetry()
    yield captured
    captured.shutdown()


def test_spans_are_plain(telemetry):
    tracer = telemetry.tracer_provider.get_tracer("t")
    with tracer.start_as_current_span("outer", kind=SpanKind.CLIENT) as span:
        span.set_attribute("list", ["a", "b"])
        with tracer.start_as_current_span("inner"):
            pass
        span.add_event("happened", {"n": 1})
        span.set_status(StatusCode.ERROR, "why")
    assert telemetry.spans() == snapshot(
        [
            {
                "name": "inner",
                "kind": "INTERNAL",
                "status": "UNSET",
                "description": None,
                "attributes": {},
                "events": [],
            },
            {
                "name": "outer",
                "kind": "CLIENT",
                "status": "ERROR",
                "description": "why",
                "attributes": {"list": ["a", "b"]},
                "events": [{"name": "happened", "attributes": {"n": 1}}],
            },
        ]
    )
    inner, outer = telemetry.finished_spans()
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    telemetry.clear()
    assert telemetry.spans() == []


def test_metrics_by_name(telemetry):
    assert telemetry.metrics() == {}
    meter = telemetry.meter_provider.get_meter("t")
    counter = meter.create_counter("a.count")
    counter.add(2, {"the.kind": "x", "other": "1"})
    counter.add(3, {"the.kind": "x", "other": "2"})
    counter.add(0, {"the.kind": "y"})
    meter.create_histogram("a.time").record(0.5, {"the.kind": "x"})
    meter.create_histogram("a.time").record(1.5, {"the.kind": "x"})
    assert telemetry.metrics() == snapshot(
        {
            "a.count": [
                {"attributes": {"the.kind": "x", "other": "1"}, "value": 2},
                {"attributes": {"the.kind": "x", "other": "2"}, "value": 3},
                {"attributes": {"the.kind": "y"}, "value": 0},
            ],
            "a.time": [{"attributes": {"the.kind": "x"}, "count": 2, "sum": 2.0}],
        }
    )
    assert telemetry.counter("a.count", {"the.kind": "x"}) == 5
    assert telemetry.counter("a.count", {"the.kind": "x", "other": "2"}) == 3
    assert telemetry.counter("a.count", {"the.kind": "z"}) == 0
    assert telemetry.counter("absent") == 0
    assert telemetry.value("a.count", the_kind="x") == 5
    assert telemetry.value("a.count", the_kind="x", other="1") == 2
    assert telemetry.value("a.time") == 2
    telemetry.shutdown()
    assert telemetry.value("a.count") == 5


def write_logs(telemetry):
    """Log an event inside a span, one too low and one outside; return the span's trace id."""
    with telemetry.tracer_provider.get_tracer("t").start_as_current_span("s") as span:
        LOGGER.warning("cause=%s", "empty", extra={"otel.event.name": "an.event", "the.cause": "x"})
    LOGGER.debug("too low")
    LOGGER.info("outside")
    return f"{span.get_span_context().trace_id:032x}"


def check_logs(telemetry, trace_id):
    inside, outside = telemetry.logs()
    assert inside.pop("trace_id") == trace_id
    assert int(inside.pop("span_id"), 16)
    assert inside == {
        "event_name": "an.event",
        "severity": "WARN",
        "body": "cause=empty",
        "attributes": {"the.cause": "x"},
    }
    assert outside == {
        "event_name": None,
        "severity": "INFO",
        "body": "outside",
        "attributes": {},
        "trace_id": "0" * 32,
        "span_id": "0" * 16,
    }


def test_logs_are_caught(telemetry):
    check_logs(telemetry, write_logs(telemetry))


def test_events_are_caught_once(telemetry):
    """As they are emitted, of any level, with what their lines leave out."""
    events.emit(OPERATION_DETAILS, logging.DEBUG, {"a": "x"}, more={"b": [{"c": ["d"]}]})
    events.emit(AUTH_FAILED, logging.ERROR, {"a": "x"})
    details, failed = telemetry.logs()
    assert details["severity"] == "DEBUG"
    assert details["attributes"]["a"] == "x"
    assert failed["event_name"] == "together.client.auth_failed"
    assert failed["body"] == "together.client.auth_failed a=x"


def test_the_logger_is_as_before_after_shutdown():
    before = (LOGGER.level, list(LOGGER.handlers))
    telemetry = CapturedTelemetry()
    assert LOGGER.isEnabledFor(logging.INFO)
    telemetry.shutdown()
    assert (LOGGER.level, list(LOGGER.handlers)) == before
    LOGGER.error("unseen")
    assert telemetry.logs() == []


def test_a_with_block_shuts_down():
    with CapturedTelemetry() as telemetry:
        LOGGER.error("seen")
    LOGGER.error("unseen")
    assert [log["body"] for log in telemetry.logs()] == ["seen"]


def test_everything_finds_what_hides_anywhere():
    """Each place is given a word of its own, odd characters included."""
    telemetry = CapturedTelemetry({"resource": "w-resource"})
    tracer = telemetry.tracer_provider.get_tracer("w-scope", "w-version")
    link = Link(tracer.start_span("linked").get_span_context(), {"l": "w-link"})
    with tracer.start_as_current_span('w-"name"', links=[link], record_exception=False) as span:
        span.set_attribute("w-key", ["w-é", "w\n-newline"])
        span.add_event("w-event", {"e": "w-event-value"})
        LOGGER.info(
            "w-%s", "body", extra={"w-extra": "w-extra-value", "otel.event.name": "w-named"}
        )
        span.set_status(StatusCode.ERROR, "w-status")
        meter = telemetry.meter_provider.get_meter("w-meter")
        counter = meter.create_counter("w_metric", "w-unit", "w-description")
        counter.add(1, {"m": "w-label"})
    text = telemetry.everything()
    telemetry.shutdown()
    hidden = [
        *("w-resource", "w-scope", "w-version", "w-link", 'w-"name"', "w-key", "w-é"),
        *("w\n-newline", "w-event", "w-event-value", "w-body", "w-extra", "w-extra-value"),
        *("w-named", "w-status", "w-meter", "w_metric", "w-unit", "w-description", "w-label"),
    ]
    assert [word for word in hidden if word not in text] == []
