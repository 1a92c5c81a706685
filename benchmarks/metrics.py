# python benchmarks/metrics.py
"""What the metrics of one call cost, by backend and mode, and what a scrape of many workers takes.

One call's metrics are a request's count, two counts of tokens, why it ended, and three histogram
records. OpenTelemetry's are compared with the same records written by hand. Each mode runs in a process
of its own, since prometheus_client takes its mode from the environment; each process measures
OpenTelemetry's SDK beside it, in batches that take turns, so that the ratios are of one run.
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

if TYPE_CHECKING:
    from collections.abc import Callable

MODES = ("single", "multiprocess")
WORKERS = 100


def cost(work: Callable[[], None], times: int) -> float:
    """Return CPU microseconds of one piece of work, in a batch."""
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
    """Return the metrics of one call that succeeds."""
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - after the environment

    from together_otel.telemetry.metrics import Measured  # noqa: PLC0415 - the same

    span = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))

    def work() -> None:
        recorder = metrics.recorder("chat", "a/model", "api.together.ai", 443)
        recorder.record(
            Measured(
                "success", 0.5, None, "a/model", 10, 20, finish_reasons=("stop",), span_context=span
            )
        )

    return work


def by_hand(meter: Any) -> Callable[[], None]:
    """Return the same three histogram records as an application would write them."""
    from opentelemetry.context import Context  # noqa: PLC0415 - after the environment is set
    from opentelemetry.trace import (  # noqa: PLC0415 - the same
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    from together_otel import names  # noqa: PLC0415 - the same

    values = ("chat", "together", "a/model", "a/model", "api.together.ai", 443)
    attributes = dict(zip(names.CALL_LABELS, values, strict=True))
    span = SpanContext(1, 2, is_remote=False, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    context = set_span_in_context(NonRecordingSpan(span), Context())
    recorded = (
        (names.INFERENCE_DURATION, 0.5),
        (names.INFERENCE_INPUT_TOKENS, 10),
        (names.INFERENCE_OUTPUT_TOKENS, 20),
    )
    histograms = [
        (
            meter.create_histogram(
                metric.name,
                metric.unit,
                metric.description,
                explicit_bucket_boundaries_advisory=metric.buckets,
            ),
            value,
        )
        for metric, value in recorded
    ]

    def work() -> None:
        for histogram, value in histograms:
            histogram.record(value, attributes, context)

    return work


def measure(times: int, rounds: int) -> dict[str, float]:
    """Return microseconds of a call's metrics, in this process's mode.

    Of OpenTelemetry's, the caller's part, and with what is left to the collection.
    """
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - after the environment
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415 - the same
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - the same

    from together_otel.telemetry.otel import OpenTelemetryMetrics  # noqa: PLC0415 - the same

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
        # With nothing to record it costs the same each time: what it has in common is taken off.
        first = cost(lambda: reader.get_metrics_data() and None, 1)
        found["collection"].append(max(0.0, first - cost(reader.get_metrics_data, 1)) / times)
    return {name: statistics.median(values) for name, values in found.items()}


def prometheus_metrics(registry: Any) -> Any:
    """Return metrics for prometheus_client, in the mode that the environment says."""
    from together_otel.telemetry.prometheus import PrometheusMetrics  # noqa: PLC0415 - as above
    from together_otel.telemetry.value_files import ProcessFiles  # noqa: PLC0415 - the same

    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    files = None if folder is None else ProcessFiles(Path(folder))
    return PrometheusMetrics(registry, files=files)


def fill() -> None:
    """Count as one worker of many does, in files that it leaves behind."""
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - after the environment is set

    from together_otel.telemetry.metrics import Measured  # noqa: PLC0415 - the same

    metrics = prometheus_metrics(CollectorRegistry())
    for operation in ("chat", "embeddings", "rerank"):
        for model in ("a/model", "another/model"):
            recorder = metrics.recorder(operation, model, "api.together.ai", 443)
            recorder.record(
                Measured("success", 0.5, None, model, 10, 20, first_chunk=0.5, per_chunk=0.5)
            )


def scrape(rounds: int) -> tuple[float, int, int]:
    """Return milliseconds of a scrape of all workers' files, its lines, and bytes of the files."""
    from prometheus_client import CollectorRegistry, generate_latest  # noqa: PLC0415 - as above

    from together_otel.telemetry.multiprocess import Group  # noqa: PLC0415 - the same

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
    """Run this program again in a mode; return what it prints."""
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
    """Measure, and print two tables; with `--part`, print one process's findings."""
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
