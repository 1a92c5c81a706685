"""What the instrumentation emits, as OpenTelemetry's own objects, held against the conventions."""

import genai
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import SpanKind

from together_otel.calls.open_calls import end_dropped
from together_otel.names import REQUEST_OUTCOME

try:
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter
except ImportError:  # the SDK before 1.39
    from opentelemetry.sdk._logs.export import InMemoryLogExporter as InMemoryLogRecordExporter


class NotingSampler(Sampler):
    """Keeps every span, or none, and notes what it was asked about."""

    def __init__(self, decision=Decision.RECORD_AND_SAMPLE):
        self.decision = decision
        self.asked = []

    def should_sample(
        self,
        parent_context,  # noqa: ARG002 - OpenTelemetry's signature
        trace_id,
        name,
        kind=None,
        attributes=None,
        *_,
        **__,
    ):
        asked = {"name": name, "kind": kind, "attributes": dict(attributes or {})}
        self.asked.append(asked | {"trace": trace_id})
        return SamplingResult(self.decision, attributes)

    def get_description(self):
        return "NotingSampler"


class Emitted:
    """Providers, and what comes out of them as OpenTelemetry's own objects."""

    def __init__(self):
        self.sampler, self._spans = NotingSampler(), InMemorySpanExporter()
        self._reader, self._logs = InMemoryMetricReader(), InMemoryLogRecordExporter()
        self.tracer_provider = TracerProvider(sampler=self.sampler, shutdown_on_exit=False)
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self._spans))
        self.meter_provider = MeterProvider([self._reader], shutdown_on_exit=False)
        self.logger_provider = LoggerProvider(shutdown_on_exit=False)
        self.logger_provider.add_log_record_processor(SimpleLogRecordProcessor(self._logs))

    def calls(self):
        end_dropped()
        spans = self._spans.get_finished_spans()
        return [span for span in spans if span.kind is SpanKind.CLIENT]

    def metrics(self):
        data = self._reader.get_metrics_data()
        scopes = [scope for one in data.resource_metrics for scope in one.scope_metrics]
        wanted = genai.DATA["schema_url"]["value"]
        assert {scope.scope.schema_url for scope in scopes} == {wanted}
        return [metric for scope in scopes for metric in scope.metrics]

    def events(self):
        caught = self._logs.get_finished_logs()
        wanted = genai.DATA["schema_url"]["value"]
        assert {one.instrumentation_scope.schema_url for one in caught} <= {wanted}
        return [one.log_record for one in caught]

    def check(self, outcome=None):
        """Check everything against the conventions, and that the only call ended so, if given."""
        calls = self.calls()
        assert calls
        if outcome is not None:
            assert [span.attributes[REQUEST_OUTCOME] for span in calls] == [outcome]
        seen = {(one["trace"], one["name"]): one["attributes"] for one in self.sampler.asked}
        for span in calls:
            genai.check_span(span, seen[span.context.trace_id, span.name])
        metrics = self.metrics()
        for metric in metrics:
            genai.check_metric(metric)
        durations = [one.data for one in metrics if one.name in genai.DURATIONS]
        assert sum(point.count for data in durations for point in data.data_points) == len(calls)
        for event in self.events():
            if event.event_name.startswith("gen_ai."):
                genai.check_event(event.event_name, event.severity_number.value, event.attributes)
        exceptions = "gen_ai.client.inference.exception"
        # A call that its caller cancels is an ERROR on its span, and no failure to be reported.
        failed = [
            span
            for span in calls
            if "error.type" in span.attributes and span.attributes[REQUEST_OUTCOME] != "cancelled"
        ]
        told = [event for event in self.events() if event.event_name == exceptions]
        assert len(told) == len(failed)
