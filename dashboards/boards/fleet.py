"""The *Fleet* dashboard: every job in a row, and the jobs over time beside each other."""

from typing import Any

import panels
import tables

from boards import frame, query
from boards.query import FAILING, REPORTING, STAGE, records
from together_otel import names
from together_otel.rules.expressions import FINGERPRINT

WHERE = "cluster, namespace, job"
EMPTY = "Nobody reports"


def summary() -> list[Any]:
    """Return the top row."""
    bad = panels.steps((None, panels.GREEN), (1, panels.RED))
    plain = panels.steps((None, panels.GREY))
    keys = f"count(count by ({FINGERPRINT}) ({query.of(names.KEY_INFO)}))"

    def total(title: str, description: str, expr: str, limits: Any, unit: str = "short") -> Any:
        return panels.number(title, description, panels.now(expr), unit, limits, EMPTY)

    return [
        total(
            "Jobs failing now",
            "Jobs with an instance that was refused in the last hour and not accepted since.",
            query.or_zero(f"count(count by ({WHERE}) ({FAILING}))"),
            bad,
        ),
        total(
            "Instances failing now",
            "Instances that were refused in the last hour and not accepted since.",
            query.or_zero(f"count({FAILING})"),
            bad,
        ),
        total(
            "Jobs", "Jobs with at least one instance that reports.", f"count({REPORTING})", plain
        ),
        total("Instances", "Instances that report.", f"sum({REPORTING})", plain),
        total(
            "Keys in use",
            "Distinct fingerprints. If there are too many, an old key is still in use.",
            query.or_zero(keys),
            plain,
        ),
        total(
            "Requests",
            "Requests per second in the last 5 minutes.",
            query.or_zero(query.sums("", records.REQUESTS)),
            plain,
            "reqps",
        ),
    ]


def jobs() -> Any:
    """Return every job in a row."""
    keys = f"count by ({WHERE}) (count by ({WHERE}, {FINGERPRINT}) ({query.of(names.KEY_INFO)}))"
    columns = {
        "Failing instances": query.or_zero(f"count by ({WHERE}) ({FAILING})", WHERE),
        "Instances": f"sum by ({WHERE}) ({REPORTING})",
        "Refused": query.share(records.REQUESTS, query.REFUSED, by=WHERE),
        "Failed, all kinds": query.share(records.REQUESTS, query.FAILED, by=WHERE),
        "Requests": query.or_zero(query.sums(WHERE, records.REQUESTS), WHERE),
        "Latency, p95": query.quantile(0.95, records.BUCKETS, by=WHERE),
        "Tokens per second": query.or_zero(query.sums(WHERE, records.TOKENS, query.TOKENS), WHERE),
        "Keys": query.or_zero(keys, WHERE),
        "Last success": f"1000 * max by ({WHERE}) ({query.of(records.LAST_SUCCESS)} > 0)",
    }
    shown = {"job": "Job", "namespace": "Namespace", "cluster": "Cluster"}
    shown |= {f"Value #{ref}": title for ref, title in zip("ABCDEFGHI", columns, strict=True)}
    share = {"unit": "percentunit", "decimals": 1, "width": 130, "cellOptions": tables.WRITTEN}
    return tables.table(
        "Jobs",
        "In the last 5 minutes, those that fail to authenticate first. A job links to its"
        " authentication, its requests to the Requests dashboard.",
        list(columns.values()),
        shown,
        "Failing instances",
        EMPTY,
        {
            "Job": {"width": 190, "links": [frame.to_job(frame.AUTHENTICATION, "Authentication")]},
            "Failing instances": {
                "width": 145,
                "cellOptions": tables.FILLED,
                "thresholds": tables.limits((None, panels.GREEN), (1, panels.RED)),
            },
            "Refused": {**share, "thresholds": tables.worse(0.001, 0.5)},
            "Failed, all kinds": {**share, "thresholds": tables.worse(0.01, 0.5)},
            "Namespace": {"width": 120},
            "Cluster": {"width": 100},
            "Instances": {"width": 95},
            "Keys": {"width": 65},
            "Requests": {
                "unit": "reqps",
                "width": 110,
                "links": [frame.to_job(frame.REQUESTS, "Requests", "${__data.fields.Job}")],
            },
            "Latency, p95": {"unit": "s", "width": 115, "noValue": panels.NOTHING},
            "Tokens per second": {"unit": "short", "width": 150},
            "Last success": {"unit": "dateTimeFromNow", "noValue": "never"},
        },
    ).height(7)


def over_time() -> list[Any]:
    """Return the jobs over time."""

    def by_job(title: str, description: str, unit: str, expr: str) -> Any:
        return panels.lines(title, description, unit, panels.each("job", expr))

    used = query.of(records.TOKENS, query.TOKENS)
    top = tables.table(
        "Top jobs by tokens",
        "Input and output tokens in the selected time.",
        (f"topk(20, sum by ({WHERE}) (avg_over_time({used}[$__range])) * $__range_s)",),
        {"job": "Job", "namespace": "Namespace", "cluster": "Cluster", "Value": "Tokens"},
        "Tokens",
        "No tokens in this time",
    )
    errors = query.sums(f"job, {STAGE}", records.TELEMETRY_ERRORS)
    return [
        panels.bars(
            "Authentication failures per minute by job",
            "Failures of constructors and requests per minute.",
            panels.each("job", f"60 * {query.sums('job', records.FAILURES)}"),
        ),
        by_job(
            "Share of requests refused, by job",
            "One job of many: its own key. All of them: the account, or a key that they share.",
            "percentunit",
            query.share(records.REQUESTS, query.REFUSED, by="job"),
        ).max(1),
        by_job(
            "Requests by job",
            "Requests per second.",
            "reqps",
            query.or_zero(query.sums("job", records.REQUESTS), "job"),
        ),
        by_job(
            "Share of requests failed, by job",
            "Failures of any kind, except requests that the caller cancelled or abandoned.",
            "percentunit",
            query.share(records.REQUESTS, query.FAILED, by="job"),
        ),
        by_job(
            "Latency by job, p95",
            "Of successful calls, including retries.",
            "s",
            query.quantile(0.95, records.BUCKETS, by="job"),
        ).no_value("No requests in this time"),
        top.decimals(0).height(8).span(12),
        by_job(
            "Instances by job",
            "Instances that report. A gap is a deployment or a failed scrape.",
            "short",
            f"sum by (job) ({REPORTING})",
        ).decimals(0),
        panels.bars(
            "Errors of the instrumentation per minute",
            "Internal errors of together_otel per minute, by stage. The application is not affected."
            " Please report them.",
            panels.query(
                query.or_none(f"{errors} / 5 > 0", "job"), legend=f"{{{{job}}}} {{{{{STAGE}}}}}"
            ),
        ),
    ]


def build() -> Any:
    """Return the dashboard's model."""
    return frame.board(
        frame.FLEET,
        "Fleet",
        "Every job that calls Together: failures, request rate, latency and tokens.",
        frame.variables(),
        [*summary(), jobs(), *over_time()],
    ).build()
