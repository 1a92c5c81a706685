"""The *Fleet* dashboard: every job in a row, and the jobs over time beside each other."""

from __future__ import annotations

from typing import Any

import panels

from boards import frame
from together_otel import names

FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
STAGE = names.label_of(names.TELEMETRY_STAGE)
RATE = "[$__rate_interval]"
NOW = f"[{frame.NOW}]"

TOKENS = frame.of(names.TOKEN_USAGE, part="sum")
ERRORS = frame.of(names.TELEMETRY_ERRORS)
BUCKETS = frame.of(names.DURATION, part="bucket")
FAILED = frame.of(names.REQUESTS, f'{frame.OUTCOME}!~"success|cancelled|abandoned"')


def share(selector: str, window: str) -> str:
    """Return a job's share of requests."""
    some = f"sum by (job) (increase({selector}{window}))"
    return frame.or_zero(f"{some} / (sum by (job) (increase({frame.ASKED}{window})) > 0)", "job")


def p95(window: str) -> str:
    """Return the 95th percentile of a job's latency."""
    return f"histogram_quantile(0.95, sum by (le, job) (rate({BUCKETS}{window}))) >= 0"


def summary() -> list[Any]:
    """Return the top row."""
    bad = panels.steps((None, panels.GREEN), (1, panels.RED))
    plain = panels.steps((None, panels.GREY))
    empty = "Nobody reports"

    def total(title: str, description: str, expr: str, limits: Any, unit: str = "short") -> Any:
        return panels.number(title, description, panels.now(expr), unit, limits, empty)

    return [
        total(
            "Jobs failing now",
            "Jobs that failed to authenticate in the last 5 minutes.",
            frame.or_zero(f"count({frame.failing('job')})"),
            bad,
        ),
        total(
            "Instances failing now",
            "Instances that failed to authenticate in the last 5 minutes.",
            frame.or_zero(f"count({frame.failing('job', 'instance')})"),
            bad,
        ),
        total(
            "Jobs",
            "Jobs with at least one instance that reports.",
            f"count(count by (job) ({frame.FAILURES}))",
            plain,
        ),
        total(
            "Instances",
            "Instances that report.",
            f"count(count by (job, instance) ({frame.FAILURES}))",
            plain,
        ),
        total(
            "Keys in use",
            "Distinct fingerprints. More than there should be: an old key is still somewhere.",
            frame.or_zero(f"count(count by ({FINGERPRINT}) ({frame.of(names.KEY_INFO)}))"),
            plain,
        ),
        total(
            "Requests",
            "Requests a second in the last 5 minutes.",
            frame.or_zero(f"sum(rate({frame.ASKED}{NOW}))"),
            plain,
            "reqps",
        ),
    ]


def jobs() -> Any:
    """Return every job in a row."""
    reporting = f"count by (job) (count by (job, instance) ({frame.FAILURES}))"
    keys = f"count by (job) (count by (job, {FINGERPRINT}) ({frame.of(names.KEY_INFO)}))"
    table = panels.rows(
        "Jobs",
        "In the last 5 minutes, those that fail to authenticate first. A job leads to its"
        " authentication, its requests to the Requests dashboard.",
        panels.instant(
            frame.or_zero(f"count by (job) ({frame.failing('job', 'instance')})", "job"), "A"
        ),
        panels.instant(reporting, "B"),
        panels.instant(frame.or_zero(f"sum by (job) (rate({frame.ASKED}{NOW}))", "job"), "C"),
        panels.instant(share(frame.REFUSED, NOW), "D"),
        panels.instant(share(FAILED, NOW), "E"),
        panels.instant(p95(NOW), "F"),
        panels.instant(frame.or_zero(f"sum by (job) (rate({TOKENS}{NOW}))", "job"), "G"),
        panels.instant(frame.or_zero(keys, "job"), "H"),
        panels.instant(f"max by (job) ({frame.of(names.KEY_LAST_ACCEPTED)}) * 1000", "I"),
    )
    shown = {
        "job": "Job",
        "Value #A": "Failing instances",
        "Value #B": "Instances",
        "Value #D": "Refused",
        "Value #E": "Failed, all kinds",
        "Value #C": "Requests",
        "Value #F": "Latency, p95",
        "Value #G": "Tokens a second",
        "Value #H": "Keys",
        "Value #I": "Key accepted",
    }
    table = (
        panels.sort(table, "Failing instances")
        .with_transformation(panels.columns(**shown))
        .no_value("Nobody reports")
        .height(7)
        .span(24)
    )
    table = panels.column(
        table, "Job", width=220, links=[frame.to_job(frame.AUTHENTICATION, "Authentication")]
    )
    table = panels.column(
        table,
        "Failing instances",
        cellOptions=panels.FILLED,
        thresholds=panels.limits((None, panels.GREEN), (1, panels.RED)),
    )
    for name, bad in (("Refused", 0.001), ("Failed, all kinds", 0.01)):
        table = panels.column(
            table,
            name,
            unit="percentunit",
            decimals=1,
            cellOptions=panels.WRITTEN,
            thresholds=panels.limits((None, panels.GREEN), (bad, panels.ORANGE), (0.5, panels.RED)),
        )
    for name, width in (("Instances", 110), ("Keys", 90)):
        table = panels.column(table, name, width=width)
    link = frame.to_job(frame.REQUESTS, "Requests")
    link["url"] = link["url"].replace("${__value.raw}", "${__data.fields.Job}")
    table = panels.column(table, "Requests", unit="reqps", links=[link])
    table = panels.column(table, "Latency, p95", unit="s", noValue=panels.NOTHING)
    table = panels.column(table, "Tokens a second", unit="short")
    return panels.column(table, "Key accepted", unit="dateTimeFromNow", noValue="never")


def over_time() -> list[Any]:
    """Return the jobs over time."""

    def by_job(title: str, description: str, unit: str, expr: str) -> Any:
        return panels.lines(title, description, unit, panels.each("job", expr))

    def rate(selector: str) -> str:
        return frame.or_zero(f"sum by (job) (rate({selector}{RATE}))", "job")

    return [
        panels.bars(
            by_job(
                "Authentication failures by job",
                "Failures of constructors and requests in each interval.",
                "short",
                f"sum by (job) (increase({frame.FAILURES}{RATE}))",
            )
        ),
        by_job(
            "Share of requests refused, by job",
            "One job of many: its own key. All of them: the account, or a key that they share.",
            "percentunit",
            share(frame.REFUSED, RATE),
        ).max(1),
        by_job("Requests by job", "Requests a second.", "reqps", rate(frame.ASKED)),
        by_job(
            "Share of requests failed, by job",
            "Of whatever kind; what the caller cancelled or abandoned is none.",
            "percentunit",
            share(FAILED, RATE),
        ),
        by_job("Latency by job, p95", "Of whole calls, retries included.", "s", p95(RATE)).no_value(
            "No requests in this time"
        ),
        by_job("Tokens by job", "Tokens a second, input and output.", "short", rate(TOKENS)),
        by_job(
            "Instances by job",
            "Instances that report. A gap is a deploy, or a scrape that fails.",
            "short",
            f"count by (job) (count by (job, instance) ({frame.FAILURES}))",
        ).decimals(0),
        panels.bars(
            panels.lines(
                "Errors of the instrumentation",
                "Kept from the application, by the stage that they happened in. Report them: they are"
                " bugs of together_otel.",
                "short",
                panels.query(
                    frame.or_none(f"sum by (job, {STAGE}) (increase({ERRORS}{RATE}))", "job"),
                    legend=f"{{{{job}}}} {{{{{STAGE}}}}}",
                ),
            )
        ),
    ]


def build() -> Any:
    """Return the dashboard's model."""
    return frame.board(
        frame.FLEET,
        "Fleet",
        "Every job that uses Together's SDK: which fail, how much they ask, how fast it is.",
        frame.variables(),
        [*summary(), jobs(), *over_time()],
    ).build()
