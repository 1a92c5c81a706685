"""History of a fleet in Prometheus's own blocks: every series of every instance, and recorded ones."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from prometheus_client import CollectorRegistry

from together_otel import names
from together_otel.telemetry.metrics import KeyUse, Measured
from together_otel.telemetry.prometheus import PrometheusMetrics
from together_otel.testing.programs import CHECKOUT, Program, find_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from together_otel.rules.document import Rule

sys.path.insert(0, str(CHECKOUT / "dashboards"))

import rules

RULES = [
    CHECKOUT / "dashboards" / "prometheus" / name for name in ("alerts.yaml", "recording.yaml")
]
HOUR = 3600
BLOCK = 2 * HOUR
RECENT = 15
"""Seconds between two samples of the last hour."""
PODS = 50
"""Instances of a job."""
LINES = 20_000_000
"""Of one file for promtool: some 5 GB."""
PATIENCE = 120
FLAGS = (
    "--storage.tsdb.path=data",
    # Equal durations: no compaction, which would be measured with the rest.
    "--storage.tsdb.min-block-duration=2h",
    "--storage.tsdb.max-block-duration=2h",
)


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
    start: float = 0


GAUGES = {one.prometheus for one in names.METRICS if one.kind == "gauge"}


def one_instance() -> list[Series]:
    """Return every series of one instance, after one call of each kind."""
    metrics = PrometheusMetrics(CollectorRegistry())
    now = time.time()
    metrics.keys_in_use = lambda: [KeyUse("c8e1f8a2", "tgp_v1", "environment", now, now)]
    metrics.key_checked("present", "tgp_v1", "environment")
    for stage in names.STAGES:
        metrics.swallowed(stage)
    for outcome in names.RECOVERY_OUTCOMES:
        metrics.recovered(outcome)
    calls: list[tuple[str, str, str | None]] = [
        ("chat", model, error)
        for model in ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "deepseek-ai/DeepSeek-V3")
        for error in (None, "together.APITimeoutError", "together.RateLimitError")
    ]
    calls += [("embeddings", "BAAI/bge-large-en-v1.5", None), ("models.list", "", None)]
    for operation, model, error in calls:
        recorder = metrics.recorder(operation, model, "api.together.ai", 443)
        for outcome in names.OUTCOMES:
            metrics.add((names.REQUESTS, (operation, outcome), 1))
        recorder.retried()
        recorder.ratelimits(100, 1000)
        measured = Measured("success" if error is None else "timeout", 1, error)
        if error is None and model:
            measured = measured._replace(
                response_model=model, input_tokens=100, output_tokens=100, finish_reasons=("stop",)
            )
        if error is None and operation == "chat":
            measured = measured._replace(first_chunk=0.2, per_chunk=0.02)
        recorder.record(measured)
    metrics.accepted()
    metrics.auth_failed("revoked")
    return [*_own(), *(_series(sample) for one in metrics.collect() for sample in one.samples)]


def _own() -> list[Series]:
    """Return what Prometheus and Python add to a target."""
    return [Series("up", "", 0, 1), Series("process_start_time_seconds", "", 0, 1_700_000_000)]


def _series(sample: Any) -> Series:
    labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
    if sample.name.endswith("_timestamp_seconds"):
        return Series(sample.name, labels, None)
    if sample.name in GAUGES:
        return Series(sample.name, labels, 0, sample.value)
    if "le" in sample.labels:
        bounds = sample.labels["le"].replace("+Inf", "inf")
        metric = names.TOKEN_BUCKETS if "token" in sample.name else names.TIME_BUCKETS
        return Series(sample.name, labels, sum(bound < float(bounds) for bound in metric))
    if sample.name.endswith(("_count", "_sum")):
        return Series(sample.name, labels, len(names.TIME_BUCKETS))
    counting = ('outcome="success"', 'outcome="auth_failure"', 'cause="revoked"')
    return Series(sample.name, labels, int(any(label in labels for label in counting)))


class Blocks:
    """Writes blocks of all series, a stretch of time after another.

    Args:
        folder: whose ``data`` holds them.
        instances: how many.
        recorded: series beside those that each instance has.
    """

    def __init__(self, folder: Path, instances: int, recorded: Sequence[Series] = ()) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.samples = 0
        self._promtool = find_binaries().prometheus.with_name("promtool")
        self._own = one_instance()
        self._instances = [
            f'job="job-{number // PODS:02d}",instance="10.0.{number // 250}.{number % 250}:9464"'
            for number in range(instances)
        ]
        self._recorded = recorded
        self.series = instances * len(self._own) + len(recorded)

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
        tails: dict[tuple[int | None, float], list[str]] = {}
        for series in self._own:
            kind = (series.slope, series.start)
            if kind not in tails:
                tails[kind] = ["", *(_tail(series, at) for at in times)]
            for where in self._instances:
                labels = f"{where},{series.labels}" if series.labels else where
                # Joined, the text before each value is written between them: one pass in C.
                yield f"{series.name}{{{labels}}} ".join(tails[kind])
        for series in self._recorded:
            yield f"{series.name}{{{series.labels}}} ".join(
                ["", *(_tail(series, at) for at in times)]
            )


def _tail(series: Series, at: int) -> str:
    value = at - 5 if series.slope is None else series.start + series.slope * (at // RECENT)
    return f"{value} {at}\n"


class Server:
    """A running Prometheus."""

    def __init__(self, address: str) -> None:
        self._address = address

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


def recorded(instances: int, now: int) -> list[Series]:
    """Return what the shipped rules record of a fleet, each series with one value for ever.

    A Prometheus that holds ten minutes of the fleet answers them, those that are made of others
    after these. What a query costs goes by how many series and samples there are, not by values.
    """
    found: list[Series] = []
    with tempfile.TemporaryDirectory(prefix="together-otel-fleet-") as name:
        folder = Path(name)
        Blocks(folder, instances).write(now - 600, now, RECENT)
        for ready in rules.levels():
            added = _answers(folder, ready, now - RECENT)
            if added:
                Blocks(folder, 0, added).write(now - 600, now, RECENT)
                found += added
    return found


def _answers(folder: Path, ready: Sequence[Rule], at: int) -> list[Series]:
    with Program(find_binaries().prometheus, folder, {}, FLAGS) as prometheus:
        server = Server(prometheus.address)
        return [
            Series(
                rule.name,
                ",".join(
                    f'{label}="{value}"'
                    for label, value in {**one["metric"], **rule.labels}.items()
                    if label != "__name__"
                ),
                0,
                float(one["value"][1]),
            )
            for rule in ready
            for one in server.get("query", query=rule.expr, time=str(at))["result"]
        ]
