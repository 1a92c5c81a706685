"""History of a fleet in Prometheus blocks: the series of all instances, and recorded series."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
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
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
LOOKBACK = 600
"""Seconds that queries look back at least: 5 minutes by default, and 5 for an offset in the rules."""
PATIENCE = 120
FLAGS = (
    "--storage.tsdb.path=data",
    # Equal durations turn compaction off, which would distort the measurement.
    "--storage.tsdb.min-block-duration=2h",
    "--storage.tsdb.max-block-duration=2h",
)


@dataclass(frozen=True)
class Series:
    """One series of an instance, with labels as in a selector, without braces.

    ``slope`` is the increase every 15 s; ``None`` for a timestamp that follows the clock.
    """

    name: str
    labels: str
    slope: int | None
    start: float = 0


_READ = re.compile(
    r"(?<![\w:])((?:together_client|gen_ai_client)_\w+|up)\b(\{[^}]*\})?(?:\[(\d+)([smh])\])?"
)
_UNITS = {"s": 1, "m": 60, "h": HOUR}
GAUGES = {one.prometheus for one in names.METRICS if one.kind == "gauge"}


def one_instance() -> list[Series]:
    """Return all series of one instance, after one call of each kind."""
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
    """Return the series that Prometheus and prometheus_client add to a target."""
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
    """Writes series into blocks in ``folder/data``, each as far back as it is queried.

    The history ends at the Unix time ``now``; before the last hour, a sample follows another after
    ``older`` seconds.
    """

    def __init__(self, folder: Path, now: int, hours: int, older: int) -> None:
        self.data = folder / "data"
        self.series = self.samples = 0
        self._file = folder / "samples"
        self._promtool = find_binaries().prometheus.with_name("promtool")
        self._now = now
        self._hours = hours
        self._older = older

    def write_instances(self, number: int, windows: Mapping[str, int]) -> None:
        """Write the series of all instances.

        The first instance has the whole history, as a dashboard shows one instance for all of it.
        The others have ``windows`` seconds of a metric, or one sample if it is not queried.
        """
        series = one_instance()
        self.series += number * len(series)
        first, *others = (
            f'job="job-{one // PODS:02d}",instance="10.0.{one // 250}.{one % 250}:9464"'
            for one in range(number)
        )
        self.write_history(series, first)
        by_window: dict[int, list[Series]] = {}
        for one in series:
            by_window.setdefault(windows.get(one.name, RECENT), []).append(one)
        for window, some in by_window.items():
            self._write(some, others, self._back(window))

    def write_recorded(self, some: Sequence[Series]) -> None:
        """Write ten minutes of recorded series."""
        self._write(some, [""], self._back(LOOKBACK))

    def write_history(self, some: Sequence[Series], where: str = "") -> None:
        """Write the whole history of series."""
        self._write(some, [where], self._back(self._hours * HOUR))

    def _back(self, seconds: int) -> Iterator[range]:
        """Yield sample times up to now, in parts that each lie in one block."""
        begin, recent = self._now - seconds, self._now - min(seconds, HOUR)
        for times in (range(begin, recent, self._older), range(recent, self._now, RECENT)):
            rest = times
            while rest:
                end = min((rest[0] // BLOCK + 1) * BLOCK, rest.stop)
                part = range(rest[0], end, rest.step)
                yield part
                rest = rest[len(part) :]

    def _write(
        self, some: Sequence[Series], instances: Sequence[str], parts: Iterable[range]
    ) -> None:
        if not some or not instances:
            return
        for times in parts:
            with self._file.open("w", encoding="ascii") as out:
                out.writelines(_texts(some, instances, times))
                out.write("# EOF\n")
            command = [str(self._promtool), "tsdb", "create-blocks-from", "openmetrics", "-q"]
            subprocess.run(
                [*command, str(self._file), str(self.data)], check=True, stdout=subprocess.DEVNULL
            )
            self._file.unlink()
            self.samples += len(some) * len(instances) * len(times)
            print(f"  {self.samples:,} samples", file=sys.stderr)


def _texts(some: Sequence[Series], instances: Sequence[str], times: range) -> Iterator[str]:
    """Yield the lines of one series at a time."""
    tails: dict[tuple[int | None, float], list[str]] = {}
    for series in some:
        kind = (series.slope, series.start)
        if kind not in tails:
            tails[kind] = ["", *(_tail(series, at) for at in times)]
        for where in instances:
            labels = ",".join(filter(None, (where, series.labels)))
            # join() puts the series' name and labels before each value in one pass in C.
            yield f"{series.name}{{{labels}}} ".join(tails[kind])


def _tail(series: Series, at: int) -> str:
    value = at - 5 if series.slope is None else series.start + series.slope * (at // RECENT)
    return f"{value} {at}\n"


class Server(Program):
    """A Prometheus that serves the blocks in ``folder/data``."""

    def __init__(self, program: Path, folder: Path) -> None:
        super().__init__(program, folder, {}, FLAGS)

    def cpu(self) -> float:
        """Return the CPU time used so far, in seconds."""
        text = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def get(self, path: str, **fields: str | int) -> Any:
        """Return the data of an API response."""
        connection = HTTPConnection(self.address, timeout=PATIENCE)
        try:
            header = {"Content-Type": "application/x-www-form-urlencoded"}
            connection.request("POST", f"/api/v1/{path}", urlencode(fields), header)
            answer = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        if answer["status"] != "success":
            raise RuntimeError(f"{answer.get('error')} in: {fields}")
        return answer["data"]


def windows(panels: Iterable[str], hours: int) -> dict[str, int]:
    """Return how many seconds back panels and rules query each metric for all instances."""
    groups = (*rules.alert_groups(rules.OPTIONS), *rules.recording_groups(rules.OPTIONS))
    asked = [(rule.expr, 0) for group in groups for rule in group.rules]
    asked += [(expr, hours * HOUR) for expr in panels]
    found: dict[str, int] = {}
    for expr, least in asked:
        for name, matchers, window, unit in _READ.findall(expr):
            if "instance=" not in matchers:
                seconds = int(window or 0) * _UNITS.get(unit, 0) + LOOKBACK
                found[name] = max(found.get(name, 0), seconds, least)
    return found


def recorded(blocks: Blocks, now: int) -> list[Series]:
    """Return the series that the shipped rules record for a fleet, with constant values.

    A Prometheus with the fleet's blocks evaluates the rules, in the order of their dependencies.
    The cost of a query depends on the number of series and samples, not on values.
    """
    found: list[Series] = []
    kept = set(blocks.data.iterdir())
    for ready in rules.levels():
        added = _answers(blocks.data.parent, ready, now - RECENT)
        blocks.write_recorded(added)
        found += added
    for made in set(blocks.data.iterdir()) - kept:
        if made.is_dir():
            shutil.rmtree(made)
        else:
            made.unlink()
    return found


def _answers(folder: Path, ready: Sequence[Rule], at: int) -> list[Series]:
    server = Server(find_binaries().prometheus, folder)
    with server:
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
            for one in server.get("query", query=rule.expr, time=at)["result"]
        ]
