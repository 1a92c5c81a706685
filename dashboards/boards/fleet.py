"""The *Fleet* dashboard: every job in a row, and the jobs over time beside each other."""

from __future__ import annotations

from typing import Any

import panels

from boards import frame, series
from together_otel import names

FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
STAGE = names.label_of(names.TELEMETRY_STAGE)
FAILED = f'{series.OUTCOME}!~"success|cancelled|abandoned"'


def of_jobs(events: series.Events, over: str = "$__rate_interval") -> str:
    """Return how much of something a job has a second."""
    return frame.or_zero(f"sum by (job) {events.rate(over=over)}", "job")


def p95(over: str = "$__rate_interval") -> str:
    """Return the 95th percentile of a job's latency."""
    return frame.quantile(0.95, series.EVERY_DURATION.rate(over=over), "job")


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
            frame.or_zero(f"count({series.failing('job')})"),
            bad,
        ),
        total(
            "Instances failing now",
            "Instances that failed to authenticate in the last 5 minutes.",
            frame.or_zero(f"count({series.failing('job', 'instance')})"),
            bad,
        ),
        total(
            "Jobs",
            "Jobs with at least one instance that reports.",
            f"count(sum by (job) {series.REPORTING})",
            plain,
        ),
        total(
            "Instances",
            "Instances that report.",
            f"sum {series.REPORTING}",
            plain,
        ),
        total(
            "Keys in use",
            "Distinct fingerprints. More than there should be: an old key is still somewhere.",
            frame.or_zero(f"count(count by ({FINGERPRINT}) ({series.of(names.KEY_INFO)}))"),
            plain,
        ),
        total(
            "Requests",
            "Requests a second in the last 5 minutes.",
            frame.or_zero(f"sum {series.REQUESTS.rate(over=frame.NOW)}"),
            plain,
            "reqps",
        ),
    ]


def jobs() -> Any:
    """Return every job in a row."""
    keys = f"count by (job) (count by (job, {FINGERPRINT}) ({series.of(names.KEY_INFO)}))"
    table = panels.rows(
        "Jobs",
        "In the last 5 minutes, those that fail to authenticate first. A job leads to its"
        " authentication, its requests to the Requests dashboard.",
        panels.instant(
            frame.or_zero(f"count by (job) ({series.failing('job', 'instance')})", "job"), "A"
        ),
        panels.instant(f"sum by (job) {series.REPORTING}", "B"),
        panels.instant(of_jobs(series.REQUESTS, frame.NOW), "C"),
        panels.instant(frame.share(series.REFUSED, over=frame.NOW), "D"),
        panels.instant(frame.share(FAILED, over=frame.NOW), "E"),
        panels.instant(p95(frame.NOW), "F"),
        panels.instant(of_jobs(series.EVERY_TOKEN, frame.NOW), "G"),
        panels.instant(frame.or_zero(keys, "job"), "H"),
        panels.instant(f"max by (job) ({series.of(names.KEY_LAST_ACCEPTED)}) * 1000", "I"),
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

    return [
        panels.bars(
            by_job(
                "Authentication failures by job",
                "Failures of constructors and requests in each interval.",
                "short",
                f"sum by (job) {series.FAILURES.counts()}",
            )
        ),
        by_job(
            "Share of requests refused, by job",
            "One job of many: its own key. All of them: the account, or a key that they share.",
            "percentunit",
            frame.share(series.REFUSED),
        ).max(1),
        by_job("Requests by job", "Requests a second.", "reqps", of_jobs(series.REQUESTS)),
        by_job(
            "Share of requests failed, by job",
            "Of whatever kind; what the caller cancelled or abandoned is none.",
            "percentunit",
            frame.share(FAILED),
        ),
        by_job("Latency by job, p95", "Of whole calls, retries included.", "s", p95()).no_value(
            "No requests in this time"
        ),
        by_job(
            "Tokens by job",
            "Tokens a second, input and output.",
            "short",
            of_jobs(series.EVERY_TOKEN),
        ),
        by_job(
            "Instances by job",
            "Instances that report. A gap is a deploy, or a scrape that fails.",
            "short",
            f"sum by (job) {series.REPORTING}",
        ).decimals(0),
        panels.bars(
            panels.lines(
                "Errors of the instrumentation",
                "Kept from the application, by the stage that they happened in. Report them: they are"
                " bugs of together_otel.",
                "short",
                panels.query(
                    frame.or_none(
                        f"sum by (job, {STAGE}) {series.TELEMETRY_ERRORS.counts()} > 0", "job"
                    ),
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
