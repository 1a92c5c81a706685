# python benchmarks/fleet.py --instances 10 100 1000
"""What a fleet costs Prometheus: the rules and the dashboards, over six hours of history.

Every instance has every series that the package emits, as its own prometheus_client backend names
them, and is being refused. `promtool tsdb create-blocks-from` writes them into blocks: the last
hour a sample every 15 s, the five before it one a minute. A real Prometheus is started on the
blocks and answers, at the moment where they end, each expression of the shipped rules and each
query of the shipped dashboards as Grafana asks it, over the last hour. Of three answers the median
counts. Rules and panels that are made of recorded series find none here: they cost next to nothing.

1,000 instances take 200 million samples: 20 minutes on two idle cores, and 20 GB of disk.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import yaml
from opentelemetry.context import Context
from prometheus_client import CollectorRegistry

from together_otel import names
from together_otel.telemetry.metrics import KeyUse
from together_otel.telemetry.prometheus import PrometheusMetrics
from together_otel.testing.programs import CHECKOUT, Program, find_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = [
    CHECKOUT / "dashboards" / "prometheus" / name for name in ("alerts.yaml", "recording.yaml")
]
DASHBOARDS = sorted((CHECKOUT / "dashboards" / "grafana").glob("*.json"))
HOUR = 3600
BLOCK = 2 * HOUR
RECENT = 15
"""Seconds between two samples of the last hour."""
PODS = 50
"""Instances of a job."""
LINES = 20_000_000
"""Of one file for promtool: some 5 GB."""
TIMES = 3
"""Answers to each question."""
PATIENCE = 120
SLOW = 1.0
CHOSEN = {
    "$__rate_interval": "1m",
    "$__interval": "15s",
    "$__range": "1h",
    "$job": ".+",
    "$instance": ".+",
    "$model": ".*",
}


@dataclass(frozen=True)
class Series:
    """One series of an instance.

    Attributes:
        name: of the metric.
        labels: as in a selector, without braces.
        slope: what is added every 15 s; ``None`` for a time that follows the clock.
        start: the value it begins with.
    """

    name: str
    labels: str
    slope: int | None
    start: int = 0


def one_instance() -> list[Series]:
    """Return every series of one instance, after one call of each kind."""
    metrics = PrometheusMetrics(CollectorRegistry())
    now = time.time()
    metrics.keys_in_use = lambda: [KeyUse("c8e1f8a2", "tgp_v1", "environment", now, now)]
    metrics.key_checked("present", "tgp_v1", "environment")
    for stage in names.STAGES:
        metrics.swallowed(stage)
    calls: list[tuple[str, str, str | None]] = [
        ("chat", model, error)
        for model in ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "deepseek-ai/DeepSeek-V3")
        for error in (None, "together.APITimeoutError", "together.RateLimitError")
    ]
    calls += [("embeddings", "BAAI/bge-large-en-v1.5", None), ("models.list", "", None)]
    for operation, model, error in calls:
        metrics.tried(operation)
        for outcome in names.OUTCOMES:
            metrics.finished(operation, outcome)
        metrics.retried(operation)
        labels = (operation, "together", model, model, "api.together.ai", 443, error)
        metrics.record(names.DURATION, 1, labels, Context())
        if error is None and model:
            metrics.tokens("input", 100, labels, Context())
            metrics.tokens("output", 100, labels, Context())
        if error is None and operation == "chat":
            metrics.record(names.TIME_TO_FIRST_CHUNK, 0.2, labels, Context())
            metrics.record(names.TIME_PER_OUTPUT_CHUNK, 0.02, labels, Context())
    return [*_own(), *(_series(sample) for one in metrics.collect() for sample in one.samples)]


def _own() -> list[Series]:
    """Return what Prometheus and Python add to a target."""
    return [Series("up", "", 0, 1), Series("process_start_time_seconds", "", 0, 1_700_000_000)]


def _series(sample: Any) -> Series:
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    if sample.name in {names.KEY_LAST_ACCEPTED.prometheus, names.KEY_LAST_REFUSED.prometheus}:
        return Series(sample.name, labels, None)
    if sample.name == names.KEY_INFO.prometheus:
        return Series(sample.name, labels, 0, 1)
    if "le" in sample.labels:
        bounds = sample.labels["le"].replace("+Inf", "inf")
        metric = names.TOKEN_BUCKETS if "token" in sample.name else names.TIME_BUCKETS
        return Series(sample.name, labels, sum(bound < float(bounds) for bound in metric))
    if sample.name.endswith(("_count", "_sum")):
        return Series(sample.name, labels, len(names.TIME_BUCKETS))
    counting = ('outcome="success"', 'outcome="auth_failure"', 'cause="revoked"')
    return Series(sample.name, labels, int(any(label in labels for label in counting)))


class Blocks:
    """Writes blocks of all instances' series, a stretch of time after another."""

    def __init__(self, folder: Path, instances: int) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.samples = 0
        self._promtool = find_binaries().prometheus.with_name("promtool")
        self._own = one_instance()
        self._instances = [
            f'job="job-{number // PODS:02d}",instance="10.0.{number // 250}.{number % 250}:9464"'
            for number in range(instances)
        ]
        self.series = instances * len(self._own)

    def write(self, start: int, end: int, step: int) -> None:
        """Write samples from ``start`` on and before ``end``, two files at a time."""
        with ThreadPoolExecutor(2) as pool:
            for count in pool.map(self._write, self._stretches(range(start, end, step))):
                self.samples += count
                print(f"  {self.samples:,} samples", file=sys.stderr)

    def _write(self, times: range) -> int:
        file = self.folder / f"samples-{times[0]}"
        with file.open("w", encoding="ascii") as out:
            for text in self._texts(times):
                out.write(text)
            out.write("# EOF\n")
        command = [self._promtool, "tsdb", "create-blocks-from", "openmetrics", "-q"]
        subprocess.run([*command, file, self.data], check=True, stdout=subprocess.DEVNULL)
        file.unlink()
        return len(times) * self.series

    def _stretches(self, times: range) -> Iterator[range]:
        """Yield times of one block each, and of files that are not too large."""
        most = max(1, LINES // self.series)
        while times:
            end = (times[0] // BLOCK + 1) * BLOCK
            count = min(most, len(range(times[0], min(end, times.stop), times.step)))
            yield times[:count]
            times = times[count:]

    def _texts(self, times: range) -> Iterator[str]:
        tails: dict[tuple[int | None, int], list[str]] = {}
        for series in self._own:
            kind = (series.slope, series.start)
            if kind not in tails:
                tails[kind] = ["", *(_tail(series, at) for at in times)]
            for where in self._instances:
                labels = f"{where},{series.labels}" if series.labels else where
                # Joined, the text before each value is written between them: one pass in C.
                yield f"{series.name}{{{labels}}} ".join(tails[kind])


def _tail(series: Series, at: int) -> str:
    value = at - 5 if series.slope is None else series.start + series.slope * (at // RECENT)
    return f"{value} {at}\n"


@dataclass
class Found:
    """What one fleet costs; seconds."""

    instances: int
    series: int
    samples: int
    groups: dict[str, float] = field(default_factory=dict)
    rules: dict[str, float] = field(default_factory=dict)
    panels: dict[str, float] = field(default_factory=dict)


class Server:
    """A running Prometheus, asked at one moment."""

    def __init__(self, address: str, at: int) -> None:
        self._address = address
        self._at = at

    def get(self, path: str, **fields: str) -> Any:
        """Return the data of an answer."""
        connection = HTTPConnection(self._address, timeout=PATIENCE)
        try:
            connection.request(
                "POST" if fields else "GET",
                f"/api/v1/{path}",
                urlencode(fields) if fields else None,
                {"Content-Type": "application/x-www-form-urlencoded"} if fields else {},
            )
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["status"] != "success":
            raise RuntimeError(f"{answer.get('error')} in: {fields}")
        return answer["data"]

    def ask_rules(self) -> tuple[dict[str, float], dict[str, float]]:
        """Return how long each group of rules takes, and each rule."""
        groups: dict[str, float] = {}
        rules: dict[str, float] = {}
        for path in RULES:
            for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
                for rule in group["rules"]:
                    took = self._median("query", query=rule["expr"], time=str(self._at))
                    rules[rule.get("record") or rule["alert"]] = took
                    name = f"{path.name} {group['name']}"
                    groups[name] = groups.get(name, 0) + took
        return groups, rules

    def ask_panels(self) -> dict[str, float]:
        """Return how long each panel takes, its queries one after another."""
        took: dict[str, float] = {}
        for title, expr, instant in queries():
            if instant:
                found = self._median("query", query=expr, time=str(self._at))
            else:
                found = self._median(
                    "query_range",
                    query=expr,
                    start=str(self._at - HOUR),
                    end=str(self._at),
                    step=str(RECENT),
                )
            took[title] = took.get(title, 0) + found
        return took

    def _median(self, path: str, **fields: str) -> float:
        times = []
        for _ in range(TIMES):
            began = time.monotonic()
            try:
                self.get(path, **fields)
            except (RuntimeError, TimeoutError) as exc:
                # Too many samples, or too long.
                print(f"  {fields['query'][:60]}: {str(exc)[:80]}", file=sys.stderr)
                return float("inf")
            times.append(time.monotonic() - began)
        return statistics.median(times)


def queries() -> Iterator[tuple[str, str, bool]]:
    """Yield each query of the dashboards: its panel, its expression, whether of one moment."""
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        outer = dashboard["panels"]
        for panel in (*outer, *(one for row in outer for one in row.get("panels", ()))):
            for target in panel.get("targets", ()):
                if target["datasource"]["type"] == "prometheus":
                    expr = target["expr"]
                    for variable, value in CHOSEN.items():
                        expr = expr.replace(variable, value)
                    title = f"{dashboard['title'].rpartition('/ ')[2]}: {panel['title']}"
                    yield title, expr, bool(target.get("instant"))


def measure(instances: int, hours: float, older: int) -> Found:
    """Return what so many instances cost.

    Args:
        instances: how many.
        hours: of history.
        older: seconds between two samples of before the last hour.
    """
    with tempfile.TemporaryDirectory(prefix="together-otel-fleet-") as name:
        folder = Path(name)
        blocks = Blocks(folder, instances)
        now = int(time.time()) // RECENT * RECENT
        recent = now - min(HOUR, int(hours * HOUR))
        blocks.write(now - int(hours * HOUR), recent, older)
        blocks.write(recent, now, RECENT)
        found = Found(instances, blocks.series, blocks.samples)
        # Equal durations: no compaction, which would be measured with the rest.
        flags = (
            "--storage.tsdb.path=data",
            "--storage.tsdb.min-block-duration=2h",
            "--storage.tsdb.max-block-duration=2h",
        )
        prometheus = Program(find_binaries().prometheus, folder, {}, flags)
        try:
            prometheus.start()
            server = Server(prometheus.address, now - RECENT)
            found.groups, found.rules = server.ask_rules()
            found.panels = server.ask_panels()
        finally:
            prometheus.close()
        return found


def report(every: list[Found]) -> None:
    """Print what grows, then the slowest of the largest fleet."""
    print(
        "| Instances | Series | Samples | Alerts, s | Recording, s | Slowest panel, s | Over 1 s |"
    )
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for found in every:
        alerts, recording = (
            sum(took for group, took in found.groups.items() if group.startswith(path.name))
            for path in RULES
        )
        over = sum(took > SLOW for took in found.panels.values())
        print(
            f"| {found.instances:,} | {found.series:,} | {found.samples:,} | {alerts:.3f}"
            f" | {recording:.3f} | {max(found.panels.values()):.3f} | {over} of {len(found.panels)} |"
        )
    largest = every[-1]
    for title, times in (
        ("Group of rules", largest.groups),
        ("Rule", largest.rules),
        ("Panel", largest.panels),
    ):
        print(f"\n{title}, {largest.instances:,} instances, s")
        for name, took in sorted(times.items(), key=lambda one: -one[1])[:12]:
            print(f"  {took:8.3f}  {name}")


def main() -> int:
    """Measure each fleet and report."""
    parser = argparse.ArgumentParser(description="rules and dashboards of a large fleet")
    parser.add_argument("--instances", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--hours", type=float, default=6, help="of history")
    parser.add_argument(
        "--older", type=int, default=60, help="seconds between samples of before the last hour"
    )
    options = parser.parse_args()
    every = []
    for instances in sorted(options.instances):
        print(f"{instances:,} instances", file=sys.stderr)
        every.append(measure(instances, options.hours, options.older))
    report(every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
