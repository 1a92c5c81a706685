"""promtool's rule tests made by a program: fleets are too large to write down."""

import json
from dataclasses import dataclass, field

from prometheus_binaries import run

from together_otel import names

CAUSE = names.label_of(names.AUTH_CAUSE)
FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
STEP = 15
"""Seconds between two scrapes."""


def notation(values):
    """Return samples in promtool's notation, ``None`` for a scrape without the series.

    Prometheus marks a series as stale that a scrape no longer has, or that fails.
    """
    return " ".join(_word(run) for run in _runs(values))


def _runs(values):
    """Yield stretches of one step each."""
    run = []
    for value in values:
        if run and not _continues(run, value):
            yield run
            run = []
        run.append(value)
    if run:
        yield run


def _continues(run, value):
    if value is None or run[0] is None:
        return value is None and run[0] is None
    return len(run) == 1 or (run[1] or 0) - run[0] == value - (run[-1] or 0)


def _word(run):
    more, first = len(run) - 1, run[0]
    if first is None:
        return f"stale _x{more}" if more else "stale"
    if not more:
        return f"{first:.0f}"
    step = (run[1] or 0) - first
    if not step:
        return f"{first:.0f}x{more}"
    return f"{first:.0f}{step:+.0f}x{more}"


@dataclass
class Fleet:
    """Series of many targets over a number of scrapes."""

    ticks: int
    series: dict[tuple[str, ...], list[float | None]] = field(default_factory=dict)

    def put(self, tick, metric, value, *labels):
        """Note a sample; a series has none at the scrapes that nothing is noted for.

        Labels are names and values in turns.
        """
        name = (metric, *labels)
        values = self.series.get(name)
        if values is None:
            values = self.series[name] = [None] * self.ticks
        values[tick] = value

    def put_keys(self, tick, process, *labels):
        """Note what a process says of its keys: failures, and when what last happened."""
        for cause, count in process.causes.items():
            self.put(tick, names.AUTH_FAILURES.prometheus, count, *labels, CAUSE, cause)
        if process.succeeded is not None:
            self.put(tick, names.AUTH_LAST_SUCCESS.prometheus, process.succeeded, *labels)
        for metric, label, times in (
            (names.AUTH_LAST_FAILURE, CAUSE, process.failed),
            (names.KEY_LAST_ACCEPTED, FINGERPRINT, process.accepted),
            (names.KEY_LAST_REFUSED, FINGERPRINT, process.refused),
        ):
            for one, at in times.items():
                self.put(tick, metric.prometheus, at, *labels, label, one)

    def inputs(self):
        """Return ``input_series`` of a test."""
        return [
            {"series": _selector(*name), "values": notation(values)}
            for name, values in self.series.items()
        ]


def _selector(metric, *labels):
    pairs = zip(labels[::2], labels[1::2], strict=True)
    given = ",".join(f'{name}="{value}"' for name, value in pairs)
    return f"{metric}{{{given}}}"


def run_test(folder, groups, step, series, expected, *, every, engine="oldest"):
    """Have an engine evaluate rules: at a time, an expression has samples of some labels, or none.

    Args:
        folder: for its files.
        groups: of the rules.
        step: seconds between two samples of the series.
        series: ``input_series`` of the test.
        expected: times in seconds, expressions, and the labels of what they find, which is 1.
        every: seconds between two evaluations.
        engine: the oldest Prometheus, the newest, or VictoriaMetrics.
    """
    metricsql = engine == "victoriametrics"
    cases = [
        {
            "expr": expr,
            "eval_time": f"{at}s",
            "exp_samples": [{"labels": labels, "value": 1} for labels in found],
        }
        for at, expr, found in expected
    ]
    test = {
        "rule_files": ["rules.yaml"],
        "group_eval_order": [group["name"] for group in groups],
        "evaluation_interval": f"{every}s",
        "tests": [
            {
                "interval": f"{step}s",
                "input_series": series,
                f"{'metricsql' if metricsql else 'promql'}_expr_test": cases,
            }
        ],
    }
    # JSON is YAML.
    (folder / "rules.yaml").write_text(json.dumps({"groups": groups}))
    (folder / "test.yaml").write_text(json.dumps(test))
    command = ("promtool", "test", "rules", "test.yaml")
    if metricsql:
        command = ("vmalert-tool", "unittest", "--files=test.yaml", "--disableAlertgroupLabel")
    run(*command, cwd=folder, timeout=1500, newest=engine != "oldest")
