"""Two backends, one contract: the same workload gives the same scrape, line by line."""

import contextlib

import pytest
from generation import GENERATION
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from test_metrics import lines

from together_otel import TogetherInstrumentor, recovery
from together_otel.auth import runtime
from together_otel.calls import call, state, streams
from together_otel.telemetry import metrics
from together_otel.testing import behaviours

TIMED = (call, state, streams, runtime, metrics)
"""Modules that look at the time."""


class Clock:
    """Time that passes by being looked at, the same in each run."""

    def __init__(self):
        self._now = 1_790_000_000.0

    def perf_counter(self):
        self._now += 0.125
        return self._now

    time = monotonic = perf_counter


@pytest.fixture
def clock(monkeypatch):
    """Make times part of what can be compared."""
    shared = Clock()
    for module in TIMED:
        monkeypatch.setattr(module, "clocks", shared)
    yield
    if TogetherInstrumentor().is_instrumented_by_opentelemetry:
        TogetherInstrumentor().uninstrument()


def work(sdk, server, key):
    """Succeed, stream, leave, retry, fail in several ways, and be refused."""
    with contextlib.suppress(Exception):
        sdk.client_class()
    client = sdk.client(api_key=key, max_retries=2)
    sdk.chat(client)
    sdk.read(sdk.chat(client, stream=True, model="another/model"))
    sdk.run(client.files.list)
    server.script(behaviours.server_error())
    with contextlib.suppress(Exception):
        sdk.chat(client)
    server.always(behaviours.forbidden_context())
    with contextlib.suppress(Exception):
        sdk.chat(client)
    server.always(None)
    server.revoke(key)
    with contextlib.suppress(Exception):
        sdk.chat(client)
    with contextlib.suppress(Exception), recovery.use(lambda: None):
        sdk.chat(client)
    server.accept(key)
    sdk.chat(client)


def scraped(sdk, server, key, **settings):
    """Return what a workload leaves in a scrape."""
    registry = settings.get("registry", REGISTRY)
    TogetherInstrumentor().instrument(**settings)
    work(sdk, server, key)
    found = lines(generate_latest(registry))
    TogetherInstrumentor().uninstrument()
    return found


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("release", ["latest", "legacy", "both"])
def test_scrapes_are_the_same(release, sdk, server, key, monkeypatch):
    """Names, types, help, labels, buckets, zeros and values, less OpenTelemetry's scope labels."""
    monkeypatch.setenv("TOGETHER_OTEL_GENAI_METRICS", release)
    reader = PrometheusMetricReader()
    provider = MeterProvider([reader])
    try:
        theirs = scraped(sdk, server, key, meter_provider=provider)
    finally:
        provider.shutdown()
    shared = Clock()
    for module in TIMED:
        monkeypatch.setattr(module, "clocks", shared)
    monkeypatch.setenv("TOGETHER_OTEL_METRICS", "prometheus")
    ours = scraped(sdk, server, key, registry=CollectorRegistry())

    assert ours == theirs
    assert len(ours) > 100


@pytest.fixture
def registry(monkeypatch):
    """A registry that the instrumentation is on for."""
    monkeypatch.setenv("TOGETHER_OTEL_METRICS", "prometheus")
    made = CollectorRegistry()
    tracer_provider = TracerProvider()
    TogetherInstrumentor().instrument(registry=made, tracer_provider=tracer_provider)
    yield made
    TogetherInstrumentor().uninstrument()
    tracer_provider.shutdown()


def test_exemplars(sdk, server, key, registry):
    """In OpenMetrics, durations, tokens and failures lead to the trace that they are from."""
    client = sdk.client(api_key=key)
    sdk.chat(client)
    server.revoke(key)
    with contextlib.suppress(Exception):
        sdk.chat(client)

    families = text_string_to_metric_families(openmetrics(registry).decode())
    traces = {}
    for sample in (sample for family in families for sample in family.samples):
        if sample.exemplar is not None:
            assert set(sample.exemplar.labels) == {"trace_id", "span_id"}
            traces.setdefault(sample.name, set()).add(sample.exemplar.labels["trace_id"])
    (refused,) = traces["together_client_auth_failures_total"]
    assert len(traces["gen_ai_client_inference_duration_seconds_bucket"]) == 2
    assert refused in traces["gen_ai_client_inference_duration_seconds_bucket"]
    assert len(traces["gen_ai_client_inference_operation_input_tokens_bucket"]) == 1


def test_the_applications_own_metrics_are_left_alone(sdk, key, registry):
    """Ours go into the registry and out of it; what else is there stays as it is."""
    from prometheus_client import Counter  # noqa: PLC0415 - as an application would

    Counter("orders", "Orders.", registry=registry).inc()
    sdk.chat(sdk.client(api_key=key))
    assert b"orders_created" in generate_latest(registry)
    assert b"together_client_requests_created" not in generate_latest(registry)

    TogetherInstrumentor().uninstrument()
    assert lines(generate_latest(registry)) == set()
    assert b"orders_total 1.0" in generate_latest(registry)

    TogetherInstrumentor().instrument(registry=registry)
    sdk.chat(sdk.client(api_key=key))
    assert (
        'together_client_requests_total{gen_ai_operation_name="chat",'
        'together_request_outcome="success"} 2.0' in generate_latest(registry).decode()
    )


@pytest.mark.skipif(GENERATION == 1, reason="the same in every generation")
def test_never_both_in_one_registry(sdk, key, monkeypatch):
    """Where OpenTelemetry's exporter serves the registry that ours is in, each series is there once."""
    provider = MeterProvider([PrometheusMetricReader()])
    try:
        TogetherInstrumentor().instrument(meter_provider=provider)
        sdk.chat(sdk.client(api_key=key))
        TogetherInstrumentor().uninstrument()
        monkeypatch.setenv("TOGETHER_OTEL_METRICS", "prometheus")
        TogetherInstrumentor().instrument(meter_provider=provider)
        sdk.chat(sdk.client(api_key=key))
        text = generate_latest(REGISTRY).decode()
        assert text.count("# TYPE together_client_requests_total counter") == 1
        assert "otel_scope_name" not in "".join(
            line for line in text.splitlines() if line.startswith("together_")
        )
    finally:
        TogetherInstrumentor().uninstrument()
        provider.shutdown()
