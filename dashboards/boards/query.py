"""PromQL of the panels: series that the rules record of whole jobs, and few that are scraped.

A fleet of a thousand instances has too many series of its own to be added up while somebody waits.
"""

import rules

from together_otel import names
from together_otel.rules.expressions import CAUSE, ERROR, MODEL, OUTCOME

records = rules.records

SELECTED = 'cluster=~"$cluster",namespace=~"$namespace",job=~"$job"'
REASON = names.label_of(names.FINISH_REASON)
STAGE = names.label_of(names.TELEMETRY_STAGE)

REFUSED = f'{OUTCOME}="auth_failure"'
LIMITED = f'{OUTCOME}="rate_limited"'
FAILED = f'{OUTCOME}!~"success|cancelled|abandoned"'
RAISED = f'{ERROR}!=""'
MODELS = f'{MODEL}=~"$model"'
TOKENS = 'kind=~"input|output"'
"""Kinds that others are part of."""
BUDGET = "(1 - $objective)"
INSTANCE = "cluster, namespace, job, instance"


def of(series: names.Metric | str, *matchers: str) -> str:
    """Return a selector of series of the targets that are chosen."""
    name = series if isinstance(series, str) else series.prometheus
    return f"{name}{{{','.join((SELECTED, *matchers))}}}"


REPORTING = of(records.INSTANCES)
"""How many instances of a job report.

It is there, at any number, where the rules are loaded and anything reports: times 0, it is the zero
of whatever has not happened.
"""
FAILING = of(records.FAILING)
"""Instances that are refused and have not been accepted since; since when."""


def sums(by: str, series: names.Metric | str, *matchers: str) -> str:
    """Return sums of what is chosen, by labels."""
    return f"sum by ({by}) ({of(series, *matchers)})" if by else f"sum({of(series, *matchers)})"


def rates(by: str, counter: names.Metric, *matchers: str) -> str:
    """Return sums a second, by labels, of what few instances have or is asked for once."""
    return f"sum by ({by}) (rate({of(counter, *matchers)}[$__rate_interval]))"


def or_zero(expr: str, by: str = "") -> str:
    """Return an expression that is 0 for whoever reports and has nothing else to say."""
    kept = f"sum by ({by})" if by else "sum"
    return f"{expr}\nor 0 * {kept} ({REPORTING})"


def or_none(expr: str, label: str) -> str:
    """Return an expression that has a line "none" at 0 as well, where anybody reports."""
    return f'{expr}\nor label_replace(0 * sum({REPORTING}), "{label}", "none", "", "")'


def share(series: str, some: str, *matchers: str, by: str = "") -> str:
    """Return the share that some have of the same series."""
    every = sums(by, series, *matchers)
    return or_zero(f"{sums(by, series, some, *matchers)} / ({every} > 0)", by)


def quantile(q: float, buckets: str, *matchers: str, by: str = "") -> str:
    """Return a quantile of buckets, without those that hold nothing."""
    kept = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, {sums(kept, buckets, *matchers)}) >= 0"


def causes(*by: str) -> str:
    """Return how many instances fail now, by the cause of their last hour's failures."""
    kept = ", ".join((*by, CAUSE))
    return (
        f"count by ({kept}) (\n  {of(names.AUTH_LAST_FAILURE)} > time() - 3600\n"
        f"  and on ({INSTANCE}) {FAILING}\n)"
    )


def moment(seconds: str, by: str) -> str:
    """Return the latest moment in Grafana's milliseconds, -1 of what reports and has none."""
    return f"max by ({by}) ({seconds}) * 1000 or 0 * max by ({by}) ({REPORTING}) - 1"
