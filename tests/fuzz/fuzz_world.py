"""An instrumented process, and everything that comes out of it as text."""

import asyncio
import io
import itertools
import logging
import os
import re
import sys
import tempfile
import threading
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from unittest import mock

from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk._logs import LoggerProvider, LogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

import together_otel
from together_otel import TogetherInstrumentor
from together_otel.telemetry.exit_export import ExitExport

OURS = str(Path(together_otel.__file__).parent)
_ANSWERS = ("value", "item", "chunk")
"""Variables of ours that hold what the SDK made of an answer, on its way to the application."""
_SETTINGS = ("TOGETHER", "OTEL_", "PROMETHEUS_", "OPENAI_")
_OF_EVERY_CASE = {
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": ".*",
    "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE": ".*",
    "OTEL_SERVICE_NAME": "fuzz",
}


class _Ids(IdGenerator):
    """Counts: what is random may look like a part of a key."""

    def __init__(self):
        self._next = itertools.count(1).__next__

    def generate_span_id(self):
        return self._next()

    def generate_trace_id(self):
        return self._next()


class _Spans(SpanProcessor):
    def __init__(self):
        self.found = []

    def on_start(self, span, parent_context=None):
        """Leave it alone."""

    def on_end(self, span):
        self.found.append(span)


class _Records(LogRecordProcessor):
    def __init__(self):
        self.found = []

    def on_emit(self, log_record):
        self.found.append(log_record)

    def shutdown(self):
        """Nothing is open."""

    def force_flush(self, timeout_millis=0):  # noqa: ARG002 - the SDK's own signature
        return True


class _Gateway:
    """A Pushgateway that keeps what is pushed."""

    def __init__(self):
        pushed = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                pushed.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                """Say nothing."""

        self.pushed = pushed
        self._server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()


def locals_of_ours(frame):
    """Yield the local variables of this package's frames, from one frame outwards."""
    while frame is not None:
        yield from shown_locals(frame)
        frame = frame.f_back


def shown_locals(frame):
    """Yield the local variables of a frame as an error tracker shows them, if it is ours."""
    if frame.f_code.co_filename.startswith(OURS):
        for name, value in frame.f_locals.items():
            if name not in _ANSWERS:
                yield f"{frame.f_code.co_name}: {name} = {value!r}"


class World:
    """One process with the instrumentation on; to be entered.

    Args:
        rng: decides on backend and settings.

    Attributes:
        frames: local variables of our frames while something was logged.
    """

    def __init__(self, rng):
        self.is_prometheus = rng.random() < 0.5
        self.captures = rng.choice(("NO_CONTENT", "SPAN_ONLY", "EVENT_ONLY", "SPAN_AND_EVENT"))
        self.preflight = rng.choice(("warn", "raise", "off"))
        self.names = rng.choice(("latest", "legacy", "both"))
        self.frames = []
        self._told = set()
        self._stack = ExitStack()

    def __enter__(self):
        stack = self._stack
        clean = {name: text for name, text in os.environ.items() if not name.startswith(_SETTINGS)}
        stack.enter_context(mock.patch.dict(os.environ, clean | _OF_EVERY_CASE, clear=True))
        self._stderr = io.StringIO()
        stack.enter_context(mock.patch.object(sys, "stderr", self._stderr))
        self._spans, self._records = _Spans(), _Records()
        self.tracers = TracerProvider(shutdown_on_exit=False, id_generator=_Ids())
        self.tracers.add_span_processor(self._spans)
        self._loggers = LoggerProvider(shutdown_on_exit=False)
        self._loggers.add_log_record_processor(self._records)
        self.registry = CollectorRegistry()
        self._reader = InMemoryMetricReader()
        own = {} if self.is_prometheus else {"registry": self.registry}
        readers = [self._reader, PrometheusMetricReader(**own)] if own else []
        self._meters = MeterProvider(readers, shutdown_on_exit=False)
        self._logger = logging.getLogger("together_otel")
        self._look = self._looked_at
        self._propagates, self._logger.propagate = self._logger.propagate, False
        self._logger.addFilter(self._look)
        TogetherInstrumentor().instrument(
            tracer_provider=self.tracers,
            meter_provider=self._meters,
            logger_provider=self._loggers,
            registry=self.registry,
            metrics="prometheus" if self.is_prometheus else "otel",
            genai_metrics=self.names,
            capture_message_content=self.captures,
            preflight=self.preflight,
            chunk_times=True,
            log_interval=0,
        )
        self.loop = asyncio.new_event_loop()
        return self

    def __exit__(self, *_):
        self.loop.close()
        TogetherInstrumentor().uninstrument()
        self._logger.removeFilter(self._look)
        self._logger.propagate = self._propagates
        self.tracers.shutdown()
        self._loggers.shutdown()
        self._meters.shutdown()
        self._stack.close()

    def _looked_at(self, record):
        self.frames.append(f"record = {vars(record)}")
        self.frames += locals_of_ours(sys._getframe(1))
        return True

    def harvest(self):
        """Return what came out since the last time, by signal."""
        spans, self._spans.found = self._spans.found, []
        records, self._records.found = self._records.found, []
        frames, self.frames = self.frames, []
        said = self._stderr.getvalue()
        self._stderr.seek(0)
        self._stderr.truncate()
        return {
            "spans, OTLP": self._news(_decoded(encode_spans(spans).SerializeToString())),
            "logs, OTLP": self._news(_decoded(encode_logs(records).SerializeToString())),
            "stderr": self._news(said),
            "our frames": self._news("\n".join(frames)),
        }

    def _news(self, text):
        """Return the lines that no case before had: those show none of this one's keys."""
        lines = {*text.split("\n")} - self._told
        self._told |= lines
        return "\n".join(lines)

    def scrape(self):
        """Return all metrics there are, by the way that they leave."""
        found = {"scrape": _labels(generate_latest(self.registry))}
        if not self.is_prometheus:
            data = self._reader.get_metrics_data()
            found["metrics, OTLP"] = _decoded(encode_metrics(data).SerializeToString())
            return found
        found["OpenMetrics"] = _labels(generate_openmetrics(self.registry))
        gateway = _Gateway()
        try:
            with tempfile.TemporaryDirectory() as folder:
                (source,) = self.registry._collector_to_names
                export = ExitExport(source, lambda: None, gateway=gateway.url, folder=folder)
                export._wanted = True
                export._go.set()
                export._wait()
                (written,) = Path(folder).iterdir()
                found["textfile"] = _labels(written.read_bytes())
        finally:
            gateway.close()
        (pushed,) = gateway.pushed
        found["pushgateway"] = _labels(pushed)
        return found


def _labels(scraped):
    """Return what is in quotes in a scrape, each once: most lines differ in their numbers alone."""
    return "\n".join({*re.findall(r'"(?:[^"\\]|\\.)*"', _decoded(scraped))})


def _decoded(data):
    return data.decode("utf-8", "replace")
