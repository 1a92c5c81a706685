# python benchmarks/soak.py
"""Soak test with threads and asyncio tasks: exact counts, spans that end once, flat memory.

Calls succeed, are refused, are rate limited, time out or are cancelled. Streams are read to the
end, closed early, garbage-collected or cancelled. There are 10,000 models, 1,000 keys and 500
hosts. Metrics and spans are compared with the calls made. Exits with 1 if a count is wrong or a
label has too many values. Prints the memory growth over the second half.
"""

import argparse
import gc
import json
import logging
import resource
import statistics
import sys
import threading
import time
from collections import Counter
from pathlib import Path

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind
from prometheus_client import REGISTRY, generate_latest
from soak_calls import HOSTS, KEYS, KINDS, MODELS, TASKS, THREADS, Soak
from worker import progress

from together_otel import instrument
from together_otel.names import FINGERPRINT_LIMIT, MODEL_LIMIT, SCOPE, SERVER_LIMIT

LIMITS = {
    "gen_ai_request_model": MODEL_LIMIT + 1,
    "gen_ai_response_model": MODEL_LIMIT + 1,
    "server_address": SERVER_LIMIT + 1,
    "together_api_key_fingerprint": FINGERPRINT_LIMIT,
}
"""Maximum number of values of a label, including ``_other``."""
BAR, SCRAPES = 40, 20
PAGE = resource.getpagesize()


class SpanCounter(SpanProcessor):
    """Counts client spans by outcome; ``open`` has the IDs of spans that have not ended."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.open: set[int] = set()
        self.twice = 0
        self._lock = threading.Lock()

    def on_start(self, span: ReadableSpan, parent_context: object = None) -> None:
        """Record a span that starts."""
        del parent_context
        with self._lock:
            self.open.add(span.context.span_id)

    def on_end(self, span: ReadableSpan) -> None:
        """Count a span that ends."""
        with self._lock:
            self.twice += span.context.span_id not in self.open
            self.open.discard(span.context.span_id)
            if span.kind is SpanKind.CLIENT:
                self.outcomes[str((span.attributes or {}).get("together.request.outcome"))] += 1


class Warnings(logging.Handler):
    """Counts warnings other than this package's log events, such as those of spans ended twice."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: Counter[str] = Counter()

    def emit(self, record: logging.LogRecord) -> None:
        """Count a record by logger and unformatted message."""
        if record.name != SCOPE:
            self.seen[f"{record.name}: {record.msg}"] += 1


class Metrics:
    """Metrics of a scrape."""

    def __init__(self) -> None:
        families = list(REGISTRY.collect())
        self._samples = [one for family in families for one in family.samples]
        self.series = len(self._samples)

    def by(self, label: str, name: str) -> Counter[str]:
        """Return the sums of a metric's series by a label."""
        found: Counter[str] = Counter()
        for one in self._samples:
            if one.name == name and one.value:
                found[one.labels.get(label, "")] += int(one.value)
        return found

    def total(self, name: str) -> int:
        """Return the sum of all series of a metric."""
        return self.by("", name).total()

    def values(self, label: str) -> int:
        """Return the number of values of a label."""
        return len({one.labels[label] for one in self._samples if one.labels.get(label)})


def resident() -> float:
    """Return the process's resident memory in MiB, or its peak on systems without /proc."""
    statm = Path("/proc/self/statm")
    if statm.exists():
        return int(statm.read_text().split()[1]) * PAGE / 2**20
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 2**20 if sys.platform == "darwin" else most / 2**10


def growth(samples: list[tuple[int, float]], calls: int) -> float:
    """Return the memory growth over the second half, in MiB per 100,000 calls."""
    late = [sample for sample in samples if sample[0] >= calls / 2]
    if len({done for done, _ in late}) < 2:  # noqa: PLR2004 - a slope takes two
        return float("nan")
    return statistics.linear_regression(*zip(*late, strict=True)).slope * 100_000


def is_good(checks: dict[str, tuple[object, object]], metrics: Metrics) -> bool:
    """Print whether each found value is as wanted, and each label has few values."""
    lines = [
        f"exact   {name}" if found == wanted else f"WRONG   {name}: {found}, {wanted}"
        for name, (found, wanted) in checks.items()
    ]
    for label, limit in LIMITS.items():
        number = metrics.values(label)
        lines.append(f"{'bounded' if number <= limit else 'WRONG':8}{label}: {number} of {limit}")
    print(*lines, sep="\n")
    return not any(line.startswith("WRONG") for line in lines)


def save(file: Path, backend: str, figures: list[str]) -> None:
    """Save the figures of a backend in a file, keeping those of the other backend."""
    saved = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(saved | {backend: figures}, indent=1) + "\n")


def main() -> int:
    """Make the calls and compare the emitted telemetry with them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--backend", choices=("otel", "prometheus"), default="otel")
    parser.add_argument("--json", type=Path, help="file to save the figures of a good run to")
    options = parser.parse_args()
    calls: int = options.calls
    warnings, spans, soak = Warnings(), SpanCounter(), Soak(calls)
    logging.getLogger().addHandler(warnings)
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    tracer_provider.add_span_processor(spans)
    meter_provider = None
    if options.backend == "otel":
        meter_provider = MeterProvider([PrometheusMetricReader()], shutdown_on_exit=False)
    instrument(
        tracer_provider=tracer_provider, meter_provider=meter_provider, metrics=options.backend
    )
    samples: list[tuple[int, float]] = []
    scraped, halfway = 0, 0

    def sample(done: int) -> None:
        nonlocal scraped, halfway
        if done * SCRAPES // calls > scraped:
            scraped = done * SCRAPES // calls
            generate_latest(REGISTRY)
            if scraped <= SCRAPES // 2:
                halfway = Metrics().series
        samples.append((done, resident()))
        bar = "#" * (done * BAR // calls)
        progress(f"[{bar:{BAR}}] {done:,} of {calls:,} calls, {samples[-1][1]:.0f} MiB")

    started = time.monotonic()
    soak.run(sample)
    took = time.monotonic() - started
    progress("")
    gc.collect()
    metrics = Metrics()
    done: Counter[str] = Counter()
    for kind, number in soak.done.items():
        done[KINDS[kind][0]] += number

    requests = "together_client_requests_total"
    checks = {
        "errors of the run": (len(soak.errors), 0),
        "calls done": (done.total(), calls),
        "requests by outcome": (metrics.by("together_request_outcome", requests), done),
        "spans by outcome": (spans.outcomes, done),
        "spans left open": (len(spans.open), 0),
        "spans ended twice": (spans.twice, 0),
        "warnings": (warnings.seen, Counter()),
        "authentication failures": (
            metrics.total("together_client_auth_failures_total"),
            done["auth_failure"],
        ),
        "keys checked": (metrics.total("together_client_key_checks_total"), soak.clients),
        "durations": (metrics.total("gen_ai_client_inference_duration_seconds_count"), calls),
        "errors of telemetry": (metrics.total("together_client_telemetry_errors_total"), 0),
    }
    print(f"{calls:,} calls, {options.backend}, {THREADS} threads and {TASKS} tasks: {took:.0f} s")
    print(f"{MODELS:,} models, {KEYS:,} keys, {HOSTS} hosts, {soak.clients:,} clients")
    for outcome, number in sorted(done.items()):
        print(f"    {outcome:20}{number:12,}")
    good = is_good(checks, metrics)
    print(f"series: {halfway:,} halfway, {metrics.series:,} at the end")
    slope = f"{growth(samples, calls):+.2f} MiB"
    print(f"memory: {samples[-1][1]:.0f} MiB, {slope} per 100,000 calls")
    for error in soak.errors:
        print(f"error: {error!r}", file=sys.stderr)
    if good and options.json is not None:
        figures = [f"{calls:,}", f"{took:.0f} s", f"{metrics.series:,}"]
        save(options.json, options.backend, [*figures, f"{samples[-1][1]:.0f} MiB", slope])
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
