"""What is recorded, in both backends: the same series with the same values."""

import gc
import re
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from forking import in_child
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import (
    INVALID_SPAN_CONTEXT,
    NonRecordingSpan,
    SpanContext,
    TraceFlags,
    use_span,
)
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as openmetrics

from together_otel import names
from together_otel.guard import Guard
from together_otel.settings import Settings
from together_otel.telemetry import deferred, prometheus_backend
from together_otel.telemetry.backend_choice import choose_backend
from together_otel.telemetry.metrics import KeyUse, Measured, NoMetrics, metrics_for
from together_otel.telemetry.otel import OpenTelemetryMetrics
from together_otel.telemetry.prometheus import PrometheusMetrics
from together_otel.telemetry.recorder import Series
from together_otel.telemetry.request_metrics import metrics_of, rows

RELEASES = ("latest", "legacy", "both")
NOW = 1_790_000_000.0
SPAN = SpanContext(0xABC, 0xDEF, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
STREAM = Measured(
    "success",
    0.5,
    response_model="a/model",
    input_tokens=10,
    output_tokens=20,
    cached_tokens=3,
    reasoning_tokens=4,
    first_chunk=0.1,
    per_chunk=0.02,
    finish_reasons=("stop", "eos", "no reason"),
    span_context=SPAN,
)


def work(metrics):
    """Let everything happen that there is a metric for."""
    metrics.keys_in_use = lambda: [KeyUse("0123abcd", "tgp_v1", "argument", NOW, NOW - 1)]
    chat = metrics.recorder("chat", "a/model", "localhost", 8000)
    chat.record(STREAM)
    if (chunk := chat.chunk_times("a/model", SPAN)) is not None:
        chunk(0.02)
    chat.record(Measured("auth_failure", 0.1, "together.AuthenticationError"))
    chat.retried(2)
    chat.retried(0)
    chat.ratelimits(9, 10)
    metrics.recorder("embeddings", "e", "localhost", 8000).record(
        Measured("success", 0.2, None, "e", 7)
    )
    metrics.recorder("models.list", None, None, None).record(Measured("success", 0.3))
    metrics.auth_failed("revoked", NOW)
    metrics.accepted(NOW + 1)
    metrics.key_checked("present", "tgp_v1", "argument")
    metrics.recovered("recovered")
    metrics.swallowed("finish")


def lines(scrape):
    """Return a scrape's lines, labels in order, without those that have no value."""
    found = set()
    for line in scrape.decode().splitlines():
        if line.startswith("#"):
            words = line.split(" ")
            if names.is_ours(words[2]):
                found.add(line)
        elif names.is_ours(line):
            name, labels, value = re.fullmatch(r"(\w+)(?:{(.*)})? (\S+)", line).groups()
            pairs = re.findall(r'\w+="(?:[^"\\]|\\.)*"', labels or "")
            kept = sorted(one for one in pairs if not re.match(r'otel_scope_|\w+=""', one))
            found.add(f"{name} {','.join(kept)} {value}")
    return found


def through_opentelemetry(release, *, chunk_times):
    """Return the scrape of OpenTelemetry's exporter."""
    provider = MeterProvider([PrometheusMetricReader()])
    try:
        meter = provider.get_meter("together_otel")
        metrics = OpenTelemetryMetrics(meter, provider, release, chunk_times=chunk_times)
        work(metrics)
        return lines(generate_latest(REGISTRY))
    finally:
        provider.shutdown()


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("chunk_times", [False, True], ids=["means", "each chunk"])
def test_scrapes_are_the_same(release, chunk_times, monkeypatch):
    """Every metric of the release is there and no other, in both backends line by line."""
    monkeypatch.setattr("together_otel.plain.clocks.time", lambda: NOW)
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry, release, chunk_times=chunk_times)
    metrics.start()
    work(metrics)
    found = lines(generate_latest(registry))
    assert found == through_opentelemetry(release, chunk_times=chunk_times)

    here = {line.split(" ")[2] for line in found if line.startswith("# TYPE")}
    wanted = metrics_of(release, chunk_times=chunk_times)
    assert here == {one.prometheus for one in wanted}
    assert len(wanted) == len(set(wanted)) < len(names.METRICS) + (release == "both")


@pytest.fixture
def scrape():
    """Return what is scraped after some work on prometheus_client's side."""

    def scraped(work, **options):
        registry = CollectorRegistry()
        metrics = PrometheusMetrics(registry, **options)
        metrics.start()
        work(metrics)
        text = generate_latest(registry).decode()
        return {line for line in text.splitlines() if not line.startswith("#")}

    return scraped


# ── which values go where ────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("operation", "family"),
    [
        *((one, "inference") for one in sorted(names.INFERENCE_OPERATIONS)),
        ("embeddings", "embeddings"),
        ("rerank", "operation"),
        ("models.list", "operation"),
        ("_other", "operation"),
    ],
)
def test_families(operation, family):
    """Each operation has the metrics of one family, its duration above all."""
    found = {row.metric.name for row in rows(operation, "latest", chunk_times=True)}
    assert f"gen_ai.client.{family}.duration" in found
    ours = {names.MEAN_CHUNK_TIME.name}
    assert {one.split(".")[2] for one in found - ours} == {family}
    old = {row.metric.name for row in rows(operation, "legacy", chunk_times=True)}
    assert old == {one.name for one in names.LEGACY_METRICS} | ours


def test_error_type_is_an_attribute_of_durations_only():
    with_type = [one.name for one in names.METRICS if names.ERROR_TYPE in one.attributes]
    assert all(name.endswith(".duration") for name in with_type)
    assert len(with_type) == 3


def test_usage_of_a_request_without_usage(scrape):
    """Totals exist at 0, of failures too; breakdowns and histograms only with what was reported."""

    def fail(metrics):
        failed = Measured("server_error", 0.1, "together.InternalServerError")
        metrics.recorder("chat", "m", None, None).record(failed)

    found = {line.partition("{")[0]: line for line in scrape(fail)}
    for metric in (names.INPUT_TOKENS_TOTAL, names.OUTPUT_TOKENS_TOTAL):
        assert 'gen_ai_token_modality="unknown"' in found[metric.prometheus]
        assert found[metric.prometheus].endswith(" 0.0")
    for metric in (names.CACHED_TOKENS_TOTAL, names.REASONING_TOKENS_TOTAL):
        assert metric.prometheus not in found
    assert f"{names.INFERENCE_INPUT_TOKENS.prometheus}_count" not in found
    assert f"{names.INFERENCE_DURATION.prometheus}_count" in found


def test_an_operation_exists_before_its_outcome(scrape):
    found = scrape(lambda metrics: metrics.recorder("rerank", None, None, None))
    requests = {line for line in found if line.startswith(names.REQUESTS.prometheus)}
    assert len(requests) == 2
    assert all(line.endswith(" 0.0") for line in requests)


@pytest.mark.parametrize("text", ["x\ud83d", "x\x00", 'x"\\\n', "x" * 10_000], ids=ascii)
def test_no_text_ends_a_scrape(text, scrape):
    """Of the caller or of the server: half a character, a NUL, marks of the format, a novel."""

    def call(metrics):
        recorder = metrics.recorder(text, text, text, 1)
        recorder.record(Measured("success", 1.0, text, text, finish_reasons=(text,)))
        recorder.ratelimits(1, 2)

    assert max(map(len, scrape(call))) < 2000
    provider = MeterProvider([PrometheusMetricReader()])
    try:
        call(OpenTelemetryMetrics(provider.get_meter("together_otel"), provider))
        assert b"gen_ai_client_operation_duration_seconds_count" in generate_latest(REGISTRY)
    finally:
        provider.shutdown()


def test_ten_thousand_of_everything(scrape):
    """Counts are exact, and the number of series stays bounded."""

    def call(metrics):
        for number in range(10_000):
            name = f"n-{number}"
            recorder = metrics.recorder("chat", name, f"{name}.example", number)
            recorder.record(Measured("success", 1.0, None, name))
            recorder.ratelimits(number, number)

    found = scrape(call)
    assert len(found) < 10_000
    counted = names.INFERENCE_DURATION.prometheus + "_count"
    assert sum(float(one.split()[-1]) for one in found if one.startswith(counted)) == 10_000
    limits = [one for one in found if one.startswith(names.RATELIMIT_LIMIT.prometheus)]
    assert len(limits) == names.MODEL_LIMIT + 1


# ── the state of authentication ──────────────────────────────────────────────────────


def test_state_is_exported_once_it_is_known(scrape):
    """Neither gauge exists before; then each has the time of the last event."""
    failure, success = names.AUTH_LAST_FAILURE.prometheus, names.AUTH_LAST_SUCCESS.prometheus

    def state(work):
        return {line for line in scrape(work) if line.startswith((failure, success))}

    assert state(lambda _: None) == set()

    def fail_twice(metrics):
        metrics.auth_failed("revoked", 10.0)
        metrics.auth_failed("revoked", 20.0)
        metrics.auth_failed("missing", 15.0)

    failures = {f'{failure}{{together_auth_cause="revoked"}} 20.0'} | {
        f'{failure}{{together_auth_cause="missing"}} 15.0'
    }
    assert state(fail_twice) == failures
    assert state(lambda one: (fail_twice(one), one.accepted(30.0))) == failures | {
        f"{success} 30.0"
    }


# ── errors of others ─────────────────────────────────────────────────────────────────


class Broken(PrometheusMetrics):
    """Metrics one of whose histograms cannot be written to."""

    def histogram(self, metric, labels):
        observe = super().histogram(metric, labels)

        def fail(value, exemplar):
            if metric is names.INFERENCE_DURATION:
                raise RuntimeError(metric.name)
            observe(value, exemplar)

        return fail


def test_a_histogram_that_raises_takes_nothing_with_it():
    """The counters and the other histograms have the request; the error is told afterwards."""
    metrics = Broken(CollectorRegistry())
    recorder = metrics.recorder("chat", "m", None, None)
    recorder.record(STREAM)
    with pytest.raises(RuntimeError, match=r"inference\.duration"):
        metrics.prepare()
    found = {one.name for family in metrics.collect() for one in family.samples if one.value}
    assert f"{names.REQUESTS.prometheus}" in found
    assert f"{names.OUTPUT_TOKENS_TOTAL.prometheus}" in found
    assert f"{names.INFERENCE_OUTPUT_TOKENS.prometheus}_count" in found
    assert f"{names.INFERENCE_FIRST_CHUNK.prometheus}_count" in found


def test_off():
    """Without a backend nothing is kept, and nothing is raised."""
    metrics = NoMetrics()
    work(metrics)
    assert all(value == 0 for _, value in metrics.counts.read(names.REQUESTS))


# ── OpenTelemetry's: recorded in a collection ────────────────────────────────────────


class Recorded:
    """OpenTelemetry's metrics, and what a reader of theirs collects."""

    def __init__(self):
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])
        self.metrics = OpenTelemetryMetrics(self.provider.get_meter("together_otel"), self.provider)

    def points(self, metric, reader=None):
        """Return the points of a metric."""
        data = (reader or self.reader).get_metrics_data()
        return [
            point
            for resource in (data.resource_metrics if data else ())
            for scope in resource.scope_metrics
            for one in scope.metrics
            if one.name == metric.name
            for point in one.data.data_points
        ]


@pytest.fixture
def recorded():
    made = Recorded()
    yield made
    made.provider.shutdown()


@pytest.mark.parametrize(
    "ended",
    [STREAM, Measured("timeout", 1.0, "together.APITimeoutError", span_context=SPAN)],
    ids=lambda ended: ended.outcome,
)
def test_a_request_waits_for_the_collection(recorded, ended):
    """It is in the very next one, counters and histograms alike, and leads to its trace."""
    recorder = recorded.metrics.recorder("chat", "a/model", "localhost", 8000)
    recorder.record(ended)
    assert len(recorded.metrics._waiting) == 1
    (duration,) = recorded.points(names.INFERENCE_DURATION)
    assert duration.count == 1
    assert [one.trace_id for one in duration.exemplars] == [SPAN.trace_id]
    requests = {
        point.attributes["together.request.outcome"]: point.value
        for point in recorded.points(names.REQUESTS)
    }
    assert requests == {"success": 0, "auth_failure": 0} | {ended.outcome: 1}
    assert not recorded.metrics._waiting


def test_a_success_waits_for_a_scrape():
    """Nothing of it is seen before, whichever way the registry is asked."""
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    metrics.start()
    metrics.recorder("chat", "a/model", "localhost", 8000).record(STREAM)
    assert (("chat", "success"), 0) in metrics.counts.read(names.REQUESTS)
    labels = {"together_request_outcome": "success", "gen_ai_operation_name": "chat"}
    assert registry.get_sample_value(names.REQUESTS.prometheus, labels) == 1
    metrics.recorder("chat", "a/model", "localhost", 8000).record(STREAM)
    metrics.stop()
    assert (("chat", "success"), 2) in metrics.counts.read(names.REQUESTS)


def test_nobody_collects(recorded, monkeypatch):
    """What waits is bounded, no caller records more than a few, and nothing is lost."""
    recorder = recorded.metrics.recorder("chat", "a/model", "localhost", 8000)
    record, most, done = Series.record, 0, 0

    def counted(series, measured):
        nonlocal done
        done += 1
        record(series, measured)

    monkeypatch.setattr(Series, "record", counted)
    for _ in range(5000):
        before = done
        recorder.record(STREAM)
        most = max(most, done - before)
    assert len(recorded.metrics._waiting) <= deferred._LONGEST
    assert most == deferred._FEW
    assert sum(point.count for point in recorded.points(names.INFERENCE_DURATION)) == 5000


def test_a_call_while_its_thread_records(recorded, monkeypatch):
    """A signal handler may make one: it waits, as a lock of OpenTelemetry's may be held."""
    recorder = recorded.metrics.recorder("chat", "a/model", "localhost", 8000)
    record, at_work = Series.record, []

    def interrupted(series, measured):
        assert not at_work
        at_work.append(measured)
        recorder.record(STREAM)
        record(series, measured)
        at_work.clear()

    for _ in range(deferred._LONGEST):
        recorder.record(STREAM)
    with monkeypatch.context() as patched:
        patched.setattr(Series, "record", interrupted)
        recorder.record(STREAM)
    (duration,) = recorded.points(names.INFERENCE_DURATION)
    assert duration.count == deferred._LONGEST + 1 + deferred._FEW


def test_a_forked_child_has_none_of_its_parents(recorded):
    recorder = recorded.metrics.recorder("chat", "a/model", "localhost", 8000)
    recorder.record(STREAM)
    assert in_child(lambda: recorded.points(names.INFERENCE_DURATION) == [])
    assert len(recorded.points(names.INFERENCE_DURATION)) == 1


def test_an_error_in_a_collection_is_swallowed_and_counted(recorded, monkeypatch):
    """One request costs itself only."""
    monkeypatch.setattr(Guard, "raising", False)
    recorder = recorded.metrics.recorder("chat", "a/model", "localhost", 8000)
    recorder.record(STREAM)
    broken = recorded.metrics.recorder("chat", "another", "localhost", 8000)
    broken.record(STREAM)
    monkeypatch.setattr(broken._series["a/model"], "_histograms", [("duration", lambda *_: 1 / 0)])
    recorder.record(STREAM)
    counts = [point.count for point in recorded.points(names.INFERENCE_OUTPUT_TOKENS)]
    assert counts == [2]
    (errors,) = recorded.points(names.TELEMETRY_ERRORS)
    assert (errors.attributes["together.telemetry.stage"], errors.value) == ("collect", 1)


def test_collections_at_the_same_time(recorded):
    """Each of two readers has every request that ended before it began to collect."""
    readers = [InMemoryMetricReader(), InMemoryMetricReader()]
    provider = MeterProvider(readers)
    metrics = OpenTelemetryMetrics(provider.get_meter("together_otel"), provider)
    recorder = metrics.recorder("chat", "a/model", "localhost", 8000)
    collect = partial(recorded.points, names.INFERENCE_DURATION)
    counted = []
    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            for _ in range(100):
                recorder.record(STREAM)
            counted.append([point.count for (point,) in pool.map(collect, readers)])
    provider.shutdown()
    assert counted == [[100 * turn] * 2 for turn in range(1, 11)]


def test_what_ends_before_a_collection_is_in_it(recorded):
    """Whoever has something to record is asked first, in both backends."""
    registry = CollectorRegistry()
    prometheus = PrometheusMetrics(registry)
    for metrics in (recorded.metrics, prometheus):
        recorder = metrics.recorder("chat", "a/model", "localhost", 8000)
        late = [STREAM]

        def end(recorder=recorder, late=late):
            while late:
                recorder.record(late.pop())

        metrics.before_collection = end
    assert [point.count for point in recorded.points(names.INFERENCE_DURATION)] == [1]
    found = {one.name: one.value for family in prometheus.collect() for one in family.samples}
    assert found[f"{names.INFERENCE_DURATION.prometheus}_count"] == 1


# ── life ─────────────────────────────────────────────────────────────────────────────


def test_what_was_not_collected_before_the_end(recorded):
    """A program that calls uninstrument(), then shuts its meter provider down, loses no failure."""
    recorded.metrics.auth_failed("revoked", NOW)
    recorded.metrics.stop()
    failures = {
        point.attributes["together.auth.cause"]: point.value
        for point in recorded.points(names.AUTH_FAILURES)
    }
    assert failures["revoked"] == 1
    assert [point.value for point in recorded.points(names.AUTH_LAST_FAILURE)] == [NOW]


def test_many_threads():
    """No count is lost, whoever makes the series."""
    metrics = PrometheusMetrics(CollectorRegistry())

    def record(_):
        for number in range(500):
            metrics.recorder("chat", f"m-{number % 7}", "h", 1).record(STREAM)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(record, range(8)))
    counted = {
        family.name: sum(
            one.value for one in family.samples if one.name.endswith(("_count", "_total"))
        )
        for family in metrics.collect()
    }
    assert counted["gen_ai_client_inference_duration_seconds"] == 4000
    assert counted["together_client_requests"] == 4000
    assert counted["gen_ai_client_inference_usage_input_tokens"] == 40_000


def test_exemplars_are_of_sampled_spans():
    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    metrics.start()
    recorder = metrics.recorder("chat", "m", None, None)
    unsampled = SpanContext(1, 2, is_remote=False)
    recorder.record(Measured("success", 0.5, span_context=unsampled))
    assert b"trace_id" not in openmetrics(registry)
    recorder.record(STREAM)
    assert f'trace_id="{SPAN.trace_id:032x}"' in openmetrics(registry).decode()


def test_a_failure_within_a_span_of_another_kind():
    """It is counted, without an exemplar."""

    class Odd(NonRecordingSpan):
        def get_span_context(self):
            return None

    registry = CollectorRegistry()
    metrics = PrometheusMetrics(registry)
    with use_span(Odd(INVALID_SPAN_CONTEXT)):
        metrics.auth_failed("missing")
    assert dict(metrics.counts.read(names.AUTH_FAILURES))["missing",] == 1


@pytest.mark.parametrize("kind", ["provider", "registry"])
def test_what_metrics_are_emitted_to_is_not_kept_alive(kind):
    """It is collected, with what was made for it."""

    def once():
        if kind == "registry":
            owner = CollectorRegistry()
            metrics = metrics_for(owner, "latest", lambda: PrometheusMetrics(owner))
        else:
            owner = MeterProvider([InMemoryMetricReader()])
            meter = owner.get_meter("together_otel")
            metrics = metrics_for(owner, "latest", lambda: OpenTelemetryMetrics(meter, owner))
        assert metrics_for(owner, "latest", lambda: pytest.fail("made anew")) is metrics
        metrics.start()
        work(metrics)
        metrics.stop()
        if kind == "provider":
            owner.shutdown()
        return weakref.ref(owner)

    owners = [once() for _ in range(3)]
    gc.collect()
    assert [one() for one in owners] == [None] * 3


def test_another_folder(tmp_path, monkeypatch):
    """The metrics of a registry are those of the folder that is set when they are turned on."""
    monkeypatch.setattr(prometheus_backend, "_is_multiprocess", lambda: True)
    registry = CollectorRegistry()
    for folder in (tmp_path / "one", tmp_path / "other"):
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(folder))
        backend = prometheus_backend.make(Settings(metrics="prometheus"), registry, list)
        backend.start()
        backend.metrics.auth_failed("missing")
        backend.stop()
        assert [path.name for path in folder.glob("counter_*.db")]


def test_other_metrics_of_the_same_meter_provider():
    """What is counted goes on when the metrics of requests are named by another release."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    for release in ("latest", "both"):
        settings = Settings(genai_metrics=release)
        backend = choose_backend(settings, provider, None, ("together_otel", "", ""), list)
        backend.start()
        backend.metrics.auth_failed("missing")
        backend.metrics.recorder("chat", "m", "h", 443).record(Measured("success", 1.0))
        (found,) = reader.get_metrics_data().resource_metrics[0].scope_metrics
        backend.stop()
    data = {one.name: one.data.data_points for one in found.metrics}
    by_cause = {
        one.attributes[names.AUTH_CAUSE]: one.value for one in data[names.AUTH_FAILURES.name]
    }
    assert by_cause["missing"] == 2
    assert [one.count for one in data[names.INFERENCE_DURATION.name]] == [2]
    assert [one.count for one in data[names.OPERATION_DURATION.name]] == [1]


def test_an_owner_that_cannot_be_hashed():
    """As other packages' providers may be."""

    class Owner:
        __hash__ = None  # type: ignore[assignment]

    owner = Owner()
    metrics = metrics_for(owner, 1, NoMetrics)
    assert metrics_for(owner, 1, NoMetrics) is metrics
    assert metrics_for(owner, 2, NoMetrics) is not metrics
