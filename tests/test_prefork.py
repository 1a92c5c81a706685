"""What a forked child counts: from zero, with locks of its own, and told once if nobody sees it."""

import io
import json
import logging
import os
import sys
import time
from collections import defaultdict
from pathlib import Path

import pytest
from forking import PATIENCE, holding, in_child
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider, ObservableCounter
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    ConsoleMetricExporter,
    InMemoryMetricReader,
    PeriodicExportingMetricReader,
)
from processes import run_to_end
from prometheus_client import CollectorRegistry

from together_otel.names import (
    AUTH_FAILURES,
    AUTH_LAST_FAILURE,
    CAUSES,
    INFERENCE_DURATION,
    INPUT_TOKENS_TOTAL,
    OUTPUT_TOKENS_TOTAL,
    REQUESTS,
    SCOPE,
)
from together_otel.telemetry.deferred import LossWarning
from together_otel.telemetry.metrics import Measured
from together_otel.telemetry.otel import OpenTelemetryMetrics
from together_otel.telemetry.prometheus import PrometheusMetrics

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:This process .* is multi-threaded"),
]

PROGRAMS = Path(__file__).parent / "servers" / "programs"
ROOT = Path(__file__).parents[1]
DELTA, CUMULATIVE = AggregationTemporality.DELTA, AggregationTemporality.CUMULATIVE


def ask(metrics):
    """Record a request that succeeds."""
    metrics.recorder("chat", None, None, None).record(Measured("success", 1.0))


# ── warnings ─────────────────────────────────────────────────────────────────────────


@pytest.fixture
def warnings():
    """What this process and those forked from it warn of."""
    reading, writing = os.pipe()

    class ToPipe(logging.Handler):
        def emit(self, record):
            os.write(writing, (record.getMessage() + "\n").encode())

    os.set_blocking(reading, False)
    log, handler = logging.getLogger(f"{SCOPE}.metrics"), ToPipe()
    log.addHandler(handler)

    def read():
        try:
            return os.read(reading, 10_000).decode().splitlines()
        except BlockingIOError:
            return []

    yield read
    log.removeHandler(handler)
    os.close(reading)
    os.close(writing)


def count_if_asked(loss):
    """Do as the metrics do when something is counted."""
    if loss.unchecked:
        loss.check()


def test_one_of_a_family_warns(warnings):
    """The first child that counts, and neither its siblings, nor its children, nor its parent."""
    loss = LossWarning("lost", lambda: True)
    count_if_asked(loss)
    assert warnings() == []
    in_child(lambda: None)
    assert warnings() == []
    for _ in range(2):
        in_child(lambda: [count_if_asked(loss) for _ in range(2)] and in_child(loss.check))
    count_if_asked(loss)
    assert warnings() == ["lost"]


def test_a_suspect_is_looked_at_when_it_counts(warnings):
    """What was so when it was suspected may have passed."""
    loss, still = LossWarning("forked", lambda: True), [False]
    loss.suspect("not shared", lambda: still[0])
    count_if_asked(loss)
    assert warnings() == []
    still[0] = True
    loss.suspect("not shared", lambda: still[0])
    for _ in range(2):
        count_if_asked(loss)
    assert warnings() == ["not shared"]


def test_a_log_handler_that_raises_costs_no_count():
    """The warning comes with the first count, which is made all the same."""

    def raising(_record):
        raise RuntimeError

    metrics, log = PrometheusMetrics(CollectorRegistry()), logging.getLogger("together_otel")
    metrics.loss.suspect("not shared", lambda: True)
    handler = logging.Handler()
    handler.emit = raising
    log.addHandler(handler)
    try:
        metrics.auth_failed("missing")
    finally:
        log.removeHandler(handler)
    assert dict(metrics.counts.read(AUTH_FAILURES))["missing",] == 1
    assert [one.metric for one in metrics.gauges()] == [AUTH_LAST_FAILURE]


class Auto(PrometheusMetricReader):
    """As `opentelemetry-instrument` makes one: of a class derived from it."""


@pytest.mark.parametrize(
    ("reader", "lost"),
    [
        (PrometheusMetricReader, True),
        (Auto, True),
        (InMemoryMetricReader, False),
        (lambda: PeriodicExportingMetricReader(ConsoleMetricExporter(out=io.StringIO())), False),
    ],
    ids=["pull", "pull, derived", "memory", "push"],
)
def test_opentelemetry_loses_under_a_pull_exporter_only(reader, lost, warnings):
    provider = MeterProvider([reader()])
    try:
        metrics = OpenTelemetryMetrics(provider.get_meter(SCOPE), provider)
        in_child(lambda: metrics.auth_failed("revoked"))
        assert len(warnings()) == lost
        metrics.stop()
        in_child(lambda: metrics.auth_failed("revoked"))
        assert warnings() == []
    finally:
        provider.shutdown()


# ── OpenTelemetry ────────────────────────────────────────────────────────────────────


@pytest.fixture(params=[CUMULATIVE, DELTA], ids=["cumulative", "delta"])
def reader(request):
    """A reader of a provider, by itself."""
    kinds = (Counter, Histogram, ObservableCounter)
    made = InMemoryMetricReader(preferred_temporality=dict.fromkeys(kinds, request.param))
    yield made
    made.shutdown()


COUNTED = (REQUESTS.name, INPUT_TOKENS_TOTAL.name, OUTPUT_TOKENS_TOTAL.name)
"""What exists from the first request on, at zero."""


def told(reader):
    """Return values and counts by metric and first label, added up."""
    found = defaultdict(int)
    data = reader.get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    value = point.value if hasattr(point, "value") else point.count
                    found[f"{metric.name} {next(iter(point.attributes.values()))}"] += value
    return dict(found)


def test_opentelemetry_tells_nothing_of_the_parents(reader):
    """Nor takes anything off, and another's instruments are left as they are."""
    provider = MeterProvider([reader])
    others = provider.get_meter("other").create_counter("orders")
    metrics = OpenTelemetryMetrics(provider.get_meter(SCOPE), provider)

    def call():
        others.add(1, {"kind": "one"})
        metrics.auth_failed("revoked")
        ask(metrics)

    def child():
        at_first = told(reader)
        call()
        return at_first, told(reader)

    call()
    told(reader)
    call()
    (storage,) = provider._measurement_consumer._reader_storages.values()
    with holding(storage._lock, provider._measurement_consumer._lock, metrics.counts._lock):
        at_first, at_last = in_child(child)

    zero = {f"{AUTH_FAILURES.name} {cause}": 0 for cause in CAUSES}
    zero |= {f"{metric} chat": 0 for metric in COUNTED}
    assert at_first.pop("orders one") + at_last.pop("orders one") > 1
    assert at_first == zero
    failed_at = at_last.pop(f"{AUTH_LAST_FAILURE.name} revoked")
    assert failed_at == pytest.approx(time.time(), abs=PATIENCE)
    once = {f"{AUTH_FAILURES.name} revoked": 1, f"{INFERENCE_DURATION.name} chat": 1}
    assert at_last == zero | once | {f"{REQUESTS.name} chat": 1}


# ── prometheus_client ────────────────────────────────────────────────────────────────


def test_prometheus_client_by_itself():
    """A child has the same series at zero, though a thread held every lock there is."""
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    metrics.start()
    metrics.auth_failed("revoked")
    ask(metrics)

    def counted():
        return {
            " ".join((sample.name, *sample.labels.values())): sample.value
            for family in metrics.collect()
            for sample in family.samples
            if sample.name.endswith(("_total", "_count"))
        }

    def child():
        at_first = counted()
        metrics.auth_failed("missing")
        return at_first, counted()

    counted()  # what waits for a scrape is its own, and has no series yet
    ask(metrics)
    with holding(metrics._lock, metrics.counts._lock, metrics._recording):
        at_first, at_last = in_child(child)
    zero = {f"{AUTH_FAILURES.prometheus} {cause}": 0 for cause in CAUSES} | {
        f"{REQUESTS.prometheus} chat {outcome}": 0 for outcome in ("success", "auth_failure")
    }
    for metric in (INPUT_TOKENS_TOTAL, OUTPUT_TOKENS_TOTAL):
        zero[f"{metric.prometheus} chat together     unknown"] = 0
    assert at_first == zero
    assert at_last == zero | {f"{AUTH_FAILURES.prometheus} missing": 1}


def test_prometheus_client_in_a_folder(tmp_path):
    """The same of files that processes share; what they count is added up."""
    done = run_to_end(
        [sys.executable, str(PROGRAMS / "shared_files.py")],
        env={
            "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
            "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
            "PYTHONWARNINGS": "ignore:This process",  # forks with threads, which is the test
        },
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {
        "before": {"successes": 1, "key": [1]},
        # It has counted nothing, but knows the key; its parent's own file is gone.
        "child": {"successes": 1, "key": [1]},
        # It has ended.
        "after": {"successes": 2, "key": []},
        "last accepted": [20],
    }
