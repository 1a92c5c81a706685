# python benchmarks/metrics.py
"""What the metrics of one call cost, by backend and mode, and what a scrape of many workers takes.

One call's metrics are a request's count and three histogram records. Each mode runs in a process
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

LABELS = ("chat", "together", "a/model", "a/model", "api.together.ai", 443, None)
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


def one_call(metrics: Any, context: Any) -> Callable[[], None]:
    """Return the metrics of one call that succeeds."""
    from together_otel import names  # noqa: PLC0415 - after the environment is set

    def work() -> None:
        metrics.tried("chat")
        metrics.add(names.REQUESTS, ("chat", "success"))
        values = (
            (names.DURATION, None, 0.5),
            (names.TOKEN_USAGE, "input", 10),
            (names.TOKEN_USAGE, "output", 20),
        )
        metrics.record(values, LABELS, context)

    return work


def measure(times: int, rounds: int) -> dict[str, float]:
    """Return microseconds of a call's metrics by backend, in this process's mode."""
    from opentelemetry.context import Context  # noqa: PLC0415 - after the environment is set
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415 - the same
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader  # noqa: PLC0415 - the same
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - the same

    from together_otel.telemetry.otel import OpenTelemetryMetrics  # noqa: PLC0415 - the same
    from together_otel.telemetry.prometheus import PrometheusMetrics  # noqa: PLC0415 - the same

    provider = MeterProvider([InMemoryMetricReader()])
    backends = {
        "OpenTelemetry": OpenTelemetryMetrics(provider.get_meter("benchmark"), provider),
        "prometheus_client": PrometheusMetrics(CollectorRegistry()),
    }
    works = {name: one_call(backend, Context()) for name, backend in backends.items()}
    found: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            work()
            found[name].append(cost(work, times))
    return {name: statistics.median(values) for name, values in found.items()}


def fill() -> None:
    """Count as one worker of many does, in files that it leaves behind."""
    from opentelemetry.context import Context  # noqa: PLC0415 - after the environment is set
    from prometheus_client import CollectorRegistry  # noqa: PLC0415 - the same

    from together_otel import names  # noqa: PLC0415 - the same
    from together_otel.telemetry.prometheus import PrometheusMetrics  # noqa: PLC0415 - the same

    metrics = PrometheusMetrics(CollectorRegistry())
    for operation in ("chat", "embeddings", "rerank"):
        for model in ("a/model", "another/model"):
            metrics.tried(operation)
            metrics.add(names.REQUESTS, (operation, "success"))
            labels = (operation, "together", model, *LABELS[3:])
            times = (names.DURATION, names.TIME_TO_FIRST_CHUNK, names.TIME_PER_OUTPUT_CHUNK)
            values = [(metric, None, 0.5) for metric in times]
            tokens = [(names.TOKEN_USAGE, "input", 10), (names.TOKEN_USAGE, "output", 20)]
            metrics.record([*values, *tokens], labels, Context())


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
    registry.register(Group(folder))
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
    parser.add_argument("--calls", type=int, default=2000, help="calls in a batch")
    parser.add_argument("--rounds", type=int, default=15, help="batches of each kind")
    parser.add_argument("--part", choices=("calls", "scrape"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "calls":
        print(json.dumps(measure(options.calls, options.rounds)))
    elif options.part == "scrape":
        print(json.dumps(scrape(options.rounds)))
    else:
        print("| Metrics of one call | µs of CPU | OpenTelemetry's SDK in the same run | ratio |")
        print("| --- | --- | --- | --- |")
        for mode in MODES:
            found = in_mode(mode, "--part=calls", f"--calls={options.calls}")
            ours, theirs = found["prometheus_client"], found["OpenTelemetry"]
            print(
                f"| prometheus_client, {mode} | {ours:.1f} | {theirs:.1f} | {ours / theirs:.2f} |"
            )
        took, lines, used = in_mode("multiprocess", "--part=scrape", "--rounds=5")
        print(
            f"\nA scrape of {WORKERS} workers' files: {took:.0f} ms for {lines} lines; "
            f"the files take {used / 2**20:.0f} MiB."
        )


if __name__ == "__main__":
    main()
