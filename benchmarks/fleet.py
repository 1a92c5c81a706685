# python benchmarks/fleet.py --instances 10 100 1000
"""Measure what the rules and dashboards of a fleet cost Prometheus, over six hours of history.

Each instance has all series that the prometheus_client backend emits, and its key is refused. The
series that the shipped rules record for such a fleet are added. `promtool tsdb create-blocks-from`
writes all series into blocks, with a sample every 15 s in the last hour and every minute before.
Series of instances go back only as far as a rule or panel queries them for all instances. Each
available Prometheus is started on the blocks and evaluates, at their end, all expressions of the
shipped rules and all queries of the shipped dashboards as Grafana sends them: over the last hour,
the dashboards' default, and over all six. The figure is the CPU time of Prometheus, as a mean of
three evaluations, so that other work on the machine does not count. On an idle machine, an
evaluation takes no longer than that. A panel's figure is the sum over its queries.

1,000 instances have 39 million samples: 3½ minutes of CPU for both, and 8 GB of memory to write.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml
from fleet_blocks import HOUR, RECENT, RULES, Blocks, Server, recorded, windows

from together_otel.testing.programs import CHECKOUT, find_binaries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DASHBOARDS = sorted((CHECKOUT / "dashboards" / "grafana").glob("*.json"))
TIMES = 3
"""Evaluations of each query."""
SLOW = 1.0
WIDTH = 1200
"""Points of a graph."""
STEPS = (15, 30, 60, 120, 300, 600, 900, 1800, 3600)
"""Intervals that Grafana chooses from, in seconds."""


class Query(NamedTuple):
    """One query of a panel, with its variables replaced.

    ``step`` is the seconds between points; ``None`` for an instant query.
    """

    panel: str
    expr: str
    step: int | None


@dataclass
class Found:
    """Costs of one fleet in seconds of CPU; ``panels`` by hours of the range, then by title."""

    version: str
    instances: int
    series: int
    samples: int
    groups: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    panels: dict[int, Counter[str]] = field(default_factory=dict)


def ask_rules(server: Server, at: int, found: Found) -> None:
    """Add the costs of each group of rules and of each rule."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            for rule in group["rules"]:
                took = _takes(server, "query", query=rule["expr"], time=at)
                found.rules[rule.get("record") or rule["alert"]] += took
                found.groups[f"{path.name} {group['name']}"] += took


def ask_panels(server: Server, at: int, hours: int) -> Counter[str]:
    """Return the cost of each panel, as the sum over its queries."""
    took: Counter[str] = Counter()
    for panel, expr, step in queries(hours):
        if step is None:
            took[panel] += _takes(server, "query", query=expr, time=at)
        else:
            times = {"start": at - hours * HOUR, "end": at, "step": step}
            took[panel] += _takes(server, "query_range", query=expr, **times)
    return took


def _takes(server: Server, path: str, **fields: str | int) -> float:
    begun = server.cpu()
    for _ in range(TIMES):
        try:
            server.get(path, **fields)
        except (RuntimeError, TimeoutError) as exc:
            # The query loads too many samples or takes too long.
            print(f"  {fields['query'][:60]}: {str(exc)[:80]}", file=sys.stderr)
            return float("inf")
    return (server.cpu() - begun) / TIMES


def queries(hours: int) -> Iterator[Query]:
    """Yield all queries of the dashboards, with all values selected for each variable."""
    chosen = {
        "$cluster": ".*",
        "$namespace": ".*",
        "$job": ".+",
        "$model": ".*",
        "$instance": "10.0.0.0:9464",
        "$objective": "0.99",
    }
    for path in DASHBOARDS:
        dashboard = json.loads(path.read_text(encoding="utf-8"))
        outer = dashboard["panels"]
        for panel in (*outer, *(one for row in outer for one in row.get("panels", ()))):
            interval, times = timing(panel, hours)
            for target in panel.get("targets", ()):
                if target["datasource"]["type"] == "prometheus":
                    expr = target["expr"]
                    for variable, value in (times | chosen).items():
                        expr = expr.replace(variable, value)
                    title = f"{dashboard['title'].rpartition('/ ')[2]}: {panel['title']}"
                    yield Query(title, expr, None if target.get("instant") else interval)


def timing(panel: dict[str, Any], hours: int) -> tuple[int, dict[str, str]]:
    """Return the interval that Grafana chooses, and the variables that depend on it."""
    least = {"1m": 60, "30s": 30}.get(panel.get("interval", ""), RECENT)
    wanted = max(hours * HOUR / panel.get("maxDataPoints", WIDTH), least)
    interval = next(step for step in STEPS if step >= wanted)
    return interval, {
        "$__rate_interval": f"{max(interval + RECENT, 4 * RECENT)}s",
        "$__interval_ms": f"{interval}000",
        "$__interval": f"{interval}s",
        "$__range_s": str(hours * HOUR),
        "$__range": f"{hours}h",
    }


def measure(programs: Sequence[Path], instances: int, hours: int, older: int) -> list[Found]:
    """Return the costs of a fleet for each Prometheus."""
    now = int(time.time()) // RECENT * RECENT
    ranges = [one.expr for one in queries(hours) if one.step is not None]
    with tempfile.TemporaryDirectory(prefix="together-otel-fleet-") as name:
        folder = Path(name)
        blocks = Blocks(folder, now, hours, older)
        blocks.write_instances(instances, windows(ranges, hours))
        made = recorded(blocks, now)
        blocks.write_history(made)
        blocks.series += len(made)
        return [_ask(program, folder, blocks, instances, now, hours) for program in programs]


def _ask(
    program: Path, folder: Path, blocks: Blocks, instances: int, now: int, hours: int
) -> Found:
    found = Found(version(program), instances, blocks.series, blocks.samples)
    server = Server(program, folder)
    with server:
        ask_rules(server, now - RECENT, found)
        for selected in sorted({1, hours}):
            found.panels[selected] = ask_panels(server, now - RECENT, selected)
    return found


def version(program: Path) -> str:
    """Return the version of a Prometheus binary."""
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    found = re.search(r"version (\S+)", done.stdout + done.stderr)
    return found[1] if found else "?"


def report(every: list[Found]) -> None:
    """Print a table by fleet size, then the most expensive queries of the largest fleet."""
    selected = list(every[0].panels)
    ranges = "".join(f" Slowest panel of {hours} h, s | Over 1 s |" for hours in selected)
    print(f"| Prometheus | Instances | Series | Samples | Alerts, s | Recording, s |{ranges}")
    print("| --- | ---: | ---: | ---: | ---: | ---: |" + " ---: | ---: |" * len(selected))
    for found in every:
        alerts, recording = (
            sum(took for group, took in found.groups.items() if group.startswith(path.name))
            for path in RULES
        )
        row = f"| {found.version} | {found.instances:,} | {found.series:,} | {found.samples:,}"
        row += f" | {alerts:.3f} | {recording:.3f} |"
        for took in found.panels.values():
            over = sum(one > SLOW for one in took.values())
            row += f" {max(took.values()):.3f} | {over} of {len(took)} |"
        print(row)
    for largest in (one for one in every if one.instances == every[-1].instances):
        parts = {"Group of rules": largest.groups, "Rule": largest.rules}
        parts |= {f"Panel of {hours} h": took for hours, took in largest.panels.items()}
        for title, times in parts.items():
            print(f"\n{title}, {largest.instances:,} instances, Prometheus {largest.version}, s")
            for name, one in times.most_common(12):
                print(f"  {one:8.3f}  {name}")


def _found() -> list[Path]:
    """Return the default Prometheus, and the newest one in ``.tools`` if present."""
    newest = CHECKOUT / ".tools" / "newest" / "usr" / "bin" / "prometheus"
    return [find_binaries().prometheus, *([newest] if newest.exists() else [])]


def main() -> int:
    """Measure all fleets and print the report."""
    parser = argparse.ArgumentParser(description="rules and dashboards of a large fleet")
    parser.add_argument("--instances", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--hours", type=int, default=6, help="of history")
    parser.add_argument(
        "--older", type=int, default=60, help="seconds between samples of before the last hour"
    )
    parser.add_argument(
        "--prometheus", type=Path, nargs="+", default=_found(), help="programs that are asked"
    )
    options = parser.parse_args()
    every: list[Found] = []
    for instances in sorted(options.instances):
        print(f"{instances:,} instances", file=sys.stderr)
        every += measure(options.prometheus, instances, options.hours, options.older)
    report(every)
    return 0


if __name__ == "__main__":
    sys.exit(main())
