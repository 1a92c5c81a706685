# python benchmarks/metrics.py
"""Measure the cost of one call's metrics by backend and mode, and of a scrape of many workers.

The metrics of one call are a request count, two token counts, a finish reason and three histogram
records. They are compared with the same histogram records made directly with OpenTelemetry. Each
mode runs in its own process, as prometheus_client reads its mode from the environment. Each process
also measures OpenTelemetry's SDK, in alternating batches, so that ratios compare the same run.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from prometheus_client import CollectorRegistry, generate_latest

from together_otel import names
from together_otel.telemetry.metrics import Measured
from together_otel.telemetry.multiprocess import Group
from together_otel.telemetry.otel import OpenTelemetryMetrics
from together_otel.telemetry.prometheus import PrometheusMetrics
from together_otel.telemetry.value_files import ProcessFiles

if TYPE_CHECKING:
    from collections.abc import Callable

MODES = ("single", "multiprocess")
WORKERS = 100
SPAN = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))


def cost(work: Callable[[], None], times: int) -> float:
    """Return the CPU time of one repetition in µs, from a batch."""
    gc.collect()
    gc.disable()
    try:
        started = time.process_time()
        for _ in range(times):
            work()
        return (time.process_time() - started) / times * 1e6
    finally:
        gc.enable()


def one_call(metrics: Any) -> Callable[[], None]:
    """Return a function that records the metrics of one successful call."""

    def work() -> None:
        recorder = metrics.recorder("chat", "a/model", "api.together.ai", 443)
        recorder.record(
            Measured(
                "success", 0.5, None, "a/model", 10, 20, finish_reasons=("stop",), span_context=SPAN
            )
        )

    return work


def by_hand(meter: Any) -> Callable[[], None]:
    """Return a function that makes the same three histogram records as an application would."""
    values = ("chat", "together", "a/model", "a/model", "api.together.ai", 443)
    attributes = dict(zip(names.CALL_LABELS, values, strict=True))
    context = set_span_in_context(NonRecordingSpan(SPAN), Context())
    made = (names.INFERENCE_DURATION, names.INFERENCE_INPUT_TOKENS, names.INFERENCE_OUTPUT_TOKENS)
    records = [
        meter.create_histogram(
            one.name, one.unit, explicit_bucket_boundaries_advisory=one.buckets
        ).record
        for one in made
    ]

    def work() -> None:
        for record, value in zip(records, (0.5, 10, 20), strict=True):
            record(value, attributes, context)

    return work


def measure(times: int, rounds: int) -> dict[str, float]:
    """Return the CPU time of a call's metrics in µs, in this process's mode.

    For OpenTelemetry, return the caller's part and, separately, that of the collection.
    """
    reader, hand = InMemoryMetricReader(), InMemoryMetricReader()
    provider, other = MeterProvider([reader]), MeterProvider([hand])
    works = {
        "by hand": by_hand(other.get_meter("benchmark")),
        "OpenTelemetry": one_call(OpenTelemetryMetrics(provider.get_meter("benchmark"), provider)),
        "prometheus_client": one_call(prometheus_metrics(CollectorRegistry())),
    }
    found: dict[str, list[float]] = {name: [] for name in (*works, "collection")}
    for _ in range(rounds):
        for name, work in works.items():
            work()
            found[name].append(cost(work, times))
        # A second collection has nothing to record: subtracting it removes the constant part.
        first = cost(lambda: reader.get_metrics_data() and None, 1)
        found["collection"].append(max(0.0, first - cost(reader.get_metrics_data, 1)) / times)
    return {name: statistics.median(values) for name, values in found.items()}


def prometheus_metrics(registry: Any) -> Any:
    """Return metrics of the prometheus_client backend, in the mode that the environment sets."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    files = None if folder is None else ProcessFiles(Path(folder))
    return PrometheusMetrics(registry, files=files)


def fill() -> None:
    """Record metrics as one of many workers does, in files that remain."""
    metrics = prometheus_metrics(CollectorRegistry())
    for operation in ("chat", "embeddings", "rerank"):
        for model in ("a/model", "another/model"):
            recorder = metrics.recorder(operation, model, "api.together.ai", 443)
            recorder.record(
                Measured("success", 0.5, None, model, 10, 20, first_chunk=0.5, per_chunk=0.5)
            )


def scrape(rounds: int) -> tuple[float, int, int]:
    """Return the duration of a scrape of all workers' files in ms, its lines and the files' bytes."""
    folder = os.environ["PROMETHEUS_MULTIPROC_DIR"]
    for _ in range(WORKERS):
        if (child := os.fork()) == 0:
            fill()
            os._exit(0)
        os.waitpid(child, 0)
    registry = CollectorRegistry()
    registry.register(Group(Path(folder)))
    took = []
    for _ in range(rounds):
        started = time.perf_counter()
        text = generate_latest(registry)
        took.append((time.perf_counter() - started) * 1e3)
    used = sum(path.stat().st_blocks * 512 for path in Path(folder).iterdir())
    return statistics.median(took), text.count(b"\n"), used


def in_mode(mode: str, *arguments: str) -> Any:
    """Run this program in another process in a mode; return its parsed output."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            name: value for name, value in os.environ.items() if "PROMETHEUS" not in name
        }
        if mode == "multiprocess":
            environment["PROMETHEUS_MULTIPROC_DIR"] = folder
        done = subprocess.run(
            [sys.executable, __file__, *arguments],
            env=environment,
            stdout=subprocess.PIPE,
            check=True,
        )
        return json.loads(done.stdout)


def main() -> None:
    """Measure and print the results; with ``--part``, print those of one process as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000, help="calls between two collections")
    parser.add_argument("--rounds", type=int, default=15, help="batches of each kind")
    parser.add_argument("--part", choices=("calls", "scrape"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "calls":
        print(json.dumps(measure(options.calls, options.rounds)))
    elif options.part == "scrape":
        print(json.dumps(scrape(options.rounds)))
    else:
        print("| Metrics of one call | µs of CPU | the same by hand, in the same run | ratio |")
        print("| --- | --- | --- | --- |")
        for mode in MODES:
            found = in_mode(mode, "--part=calls", f"--calls={options.calls}")
            hand, caller = found["by hand"], found["OpenTelemetry"]
            rows = {f"prometheus_client, {mode}": found["prometheus_client"]}
            if mode == "single":
                rows["OpenTelemetry, the calling thread"] = caller
                rows["OpenTelemetry, in all"] = caller + found["collection"]
            for name, took in rows.items():
                print(f"| {name} | {took:.1f} | {hand:.1f} | {took / hand:.2f} |")
        took, lines, used = in_mode("multiprocess", "--part=scrape", "--rounds=5")
        print(
            f"\nA scrape of {WORKERS} workers' files: {took:.0f} ms for {lines} lines; "
            f"the files take {used / 2**20:.0f} MiB."
        )


if __name__ == "__main__":
    main()
