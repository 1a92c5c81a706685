"""Capture of OpenTelemetry signals in memory, as plain values that a test can compare.

::

    telemetry = CapturedTelemetry()
    instrumentor.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider
    )
    ...
    assert telemetry.value("together.client.auth.failures", together_auth_cause="empty") == 1
    telemetry.shutdown()
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, NumberDataPoint, ScopeMetrics
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import format_span_id, format_trace_id

from together_otel.calls.open_calls import end_dropped
from together_otel.names import EVENT_NAME, SCOPE, label_of
from together_otel.telemetry.log_records import RECORDS, SERVED, Records

try:
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
except ImportError:  # the SDK before 1.39
    from opentelemetry.sdk._logs.export import InMemoryLogExporter as InMemoryLogRecordExporter


class CapturedTelemetry:
    """OpenTelemetry providers to instrument with, and the telemetry that they received.

    Captures log events of all levels, whichever logger provider the instrumentation uses, and
    other records of the ``together_otel`` logger at INFO and above. Capturing begins with the
    construction and ends with ``shutdown()`` or the ``with`` block.

    Args:
        resource: resource attributes of all three providers.
    """

    def __init__(self, resource: Mapping[str, str] | None = None) -> None:
        self._resource = Resource(dict(resource or {"service.name": "captured"}))
        self._spans = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self._logs = InMemoryLogRecordExporter()  # type: ignore[no-untyped-call]  # the SDK leaves it so
        self.tracer_provider: TracerProvider = TracerProvider(
            resource=self._resource, shutdown_on_exit=False
        )
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider: MeterProvider = MeterProvider(
            [self._reader], resource=self._resource, shutdown_on_exit=False
        )
        self.logger_provider: LoggerProvider = LoggerProvider(
            resource=self._resource, shutdown_on_exit=False
        )
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))
        self._undo = RECORDS.send_to(self.logger_provider)
        self._handler = _Handler(self.logger_provider)
        self._logger = logging.getLogger(SCOPE)
        self._level = self._logger.level
        self._logger.setLevel(logging.INFO)
        self._logger.addHandler(self._handler)

    def shutdown(self) -> None:
        """Stop capturing and restore the logger's level; captured telemetry stays readable."""
        self._logger.removeHandler(self._handler)
        self._logger.setLevel(self._level)
        self._undo()
        self.tracer_provider.shutdown()
        self.logger_provider.shutdown()

    def __enter__(self) -> "CapturedTelemetry":  # noqa: PYI034 - Self needs 3.11 or another package
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()

    def clear(self) -> None:
        """Discard the spans and log records captured so far; metrics are not reset."""
        self._spans.clear()
        self._logs.clear()

    def finished_spans(self) -> tuple[ReadableSpan, ...]:
        """Return the ended spans as OpenTelemetry's own objects, in the order they ended.

        Calls whose streams were garbage-collected are ended first.
        """
        end_dropped()
        return self._spans.get_finished_spans()

    def spans(self) -> list[dict[str, Any]]:
        """Return the ended spans, in the order they ended.

        Each is ``{"name", "kind", "status", "description", "attributes", "events"}``. Kind and
        status are OpenTelemetry's names (``"CLIENT"``, ``"ERROR"``). An event is
        ``{"name", "attributes"}``.
        """
        return [
            {
                "name": span.name,
                "kind": span.kind.name,
                "status": span.status.status_code.name,
                "description": span.status.description,
                "attributes": _plain(span.attributes),
                "events": [
                    {"name": event.name, "attributes": _plain(event.attributes)}
                    for event in span.events
                ],
            }
            for span in self.finished_spans()
        ]

    def metrics(self) -> dict[str, list[dict[str, Any]]]:
        """Return the data points of all metrics, by OpenTelemetry metric name.

        A point is ``{"attributes", "value"}``, a histogram's ``{"attributes", "count", "sum"}``.
        """
        found: dict[str, list[dict[str, Any]]] = {}
        for metric in (metric for scope in self._scopes() for metric in scope.metrics):
            points = found.setdefault(metric.name, [])
            for point in metric.data.data_points:
                taken = {"attributes": _plain(point.attributes)}
                if isinstance(point, NumberDataPoint):
                    points.append(taken | {"value": point.value})
                else:
                    points.append(taken | {"count": point.count, "sum": point.sum})
        return found

    def counter(self, name: str, attributes: Mapping[str, object] | None = None) -> int | float:
        """Return the sum of a metric's points that have these attributes; 0 if there are none.

        For a histogram, return the number of recorded values.
        """
        wanted = dict(attributes or {}).items()
        return self._sum(name, lambda found: wanted <= found.items())

    def value(self, name: str, **labels: object) -> int | float:
        """Return the same as ``counter``, with attributes given as Prometheus labels."""
        return self._sum(
            name,
            lambda found: labels.items() <= {label_of(key): found[key] for key in found}.items(),
        )

    def logs(self) -> list[dict[str, Any]]:
        """Return the log records, in the order they were emitted.

        Each is ``{"event_name", "severity", "body", "attributes", "trace_id", "span_id"}``.
        Severity is OpenTelemetry's severity text (``"WARN"``). IDs are hexadecimal, all zeros
        outside a span.
        """
        end_dropped()
        return [_log(caught.log_record) for caught in self._logs.get_finished_logs()]

    def everything(self) -> str:
        """Return all emitted text unchanged, to search it for text that must not be emitted.

        Contains spans, events, links, statuses, resources, scopes, log records, metrics, labels
        and exemplars. It is not JSON, whose escapes would hide special characters.
        """
        parts: list[object] = [self._resource.attributes, self.spans(), self.metrics()]
        for span in self.finished_spans():
            parts += [_scope(span.instrumentation_scope), [link.attributes for link in span.links]]
        for caught in self._logs.get_finished_logs():
            record = caught.log_record
            parts += [record.event_name, record.severity_text, record.body, record.attributes]
            parts += [_scope(caught.instrumentation_scope)]
        for scope in self._scopes():
            parts += [_scope(scope.scope)]
            for metric in scope.metrics:
                parts += [metric.description, metric.unit]
                points = metric.data.data_points
                parts += [one.filtered_attributes for point in points for one in point.exemplars]
        return "\n".join(_texts(parts))

    def _sum(self, name: str, has: Callable[[dict[str, Any]], bool]) -> int | float:
        total: int | float = 0
        for point in self.metrics().get(name, ()):
            if has(point["attributes"]):
                total += point.get("value", point.get("count", 0))
        return total

    def _scopes(self) -> Iterator[ScopeMetrics]:
        end_dropped()
        data = self._reader.get_metrics_data()
        for resource in data.resource_metrics if data else ():
            yield from resource.scope_metrics


_OF_EVERY_RECORD = {*vars(logging.makeLogRecord({})), "message", "asctime", EVENT_NAME, SERVED}


class _Handler(logging.Handler):
    """Emits log records for messages of Python's logging that are not log events."""

    def __init__(self, provider: LoggerProvider) -> None:
        super().__init__(logging.INFO)
        self._records = Records()
        self._records.send_to(provider)

    def emit(self, record: logging.LogRecord) -> None:
        found = vars(record)
        if not found.get(SERVED):
            extra = {name: found[name] for name in found.keys() - _OF_EVERY_RECORD}
            level = min(record.levelno // 10 * 10, logging.ERROR)
            self._records.emit(found.get(EVENT_NAME, ""), level, record.getMessage(), extra)


def _log(record: Any) -> dict[str, Any]:
    return {
        "event_name": record.event_name or None,
        "severity": record.severity_text,
        "body": record.body,
        "attributes": _plain(record.attributes),
        "trace_id": format_trace_id(record.trace_id or 0),
        "span_id": format_span_id(record.span_id or 0),
    }


def _plain(attributes: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in (attributes or {}).items()
    }


def _scope(scope: Any) -> list[object]:
    return [scope.name, scope.version, scope.schema_url, scope.attributes]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from _texts(inner)
    elif isinstance(value, bytes):
        yield value.decode("latin-1")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _texts(inner)
    elif value is not None:
        yield str(value)
