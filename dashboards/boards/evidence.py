"""What the *Authentication* dashboard's answers follow from: causes, keys, instances, log events."""

from __future__ import annotations

from typing import Any

import panels
import rules
from grafana_foundation_sdk.builders import dashboard, logs, loki, text
from grafana_foundation_sdk.models.common import LogsSortOrder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

from boards import frame, series
from together_otel import names

FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
FORMAT = names.label_of(names.KEY_FORMAT)
KEY_SOURCE = names.label_of(names.KEY_SOURCE)
PRESENCE = names.label_of(names.KEY_PRESENCE)
RECOVERY = names.label_of(names.RECOVERY_OUTCOME)
ACCEPTED_AT = series.of(names.KEY_LAST_ACCEPTED)
REFUSED_AT = series.of(names.KEY_LAST_REFUSED)
IN_USE = series.of(names.KEY_INFO)
LOKI = DataSourceRef(type_val="loki", uid="${loki}")

CAUSE_COLORS: dict[str, str] = {
    "none": "green",
    "redirected": "blue",
    "overridden": "dark-purple",
    "header_lost": "light-blue",
    "wrong_endpoint": "dark-blue",
    "revoked": "red",
    "wrong_variable": "dark-yellow",
    "not_passed": "light-yellow",
    "missing": "orange",
    "empty": "light-orange",
    "wrong_provider": "purple",
    "malformed": "yellow",
    "rejected": "dark-red",
    "unknown": "light-red",
}
"""A cause has one colour: reds for keys that Together refuses, yellows for keys not there."""


def moment(seconds: str, reporting: str) -> str:
    """Return a moment in Grafana's milliseconds, -1 of what reports and has none."""
    return f"{seconds} * 1000 or 0 * {reporting} - 1"


def dated(table: Any, column: str) -> Any:
    """Return a table with a column of `moment`."""
    never = panels.values({"-1": ("never", None)})
    return panels.column(table, column, unit="dateTimeFromNow", mappings=[never], noValue="gone")


def over_time() -> list[Any]:
    """Return why and how much, over time."""
    outcomes = panels.stacked(
        panels.lines(
            "Requests by outcome",
            "Requests a second; auth_failure is what this dashboard is about.",
            "reqps",
            panels.each(series.OUTCOME, f"sum by ({series.OUTCOME}) {series.REQUESTS.rate()}"),
        )
    )
    causes = panels.bars(
        panels.lines(
            "Failures by cause",
            "Authentication failures in each interval. What to do about a cause is below.",
            "short",
            panels.each(
                series.CAUSE,
                frame.or_none(
                    f"sum by ({series.CAUSE}) {series.FAILURES.counts()} > 0",
                    series.CAUSE,
                ),
            ),
        )
    )
    return [panels.colored(causes, CAUSE_COLORS), panels.colored(outcomes, frame.COLORS)]


def keys() -> Any:
    """Return the table of keys."""
    by = f"job, {FINGERPRINT}"
    accepted, refused = f"max by ({by}) ({ACCEPTED_AT})", f"max by ({by}) ({REFUSED_AT})"
    table = panels.rows(
        "Keys in use",
        "By fingerprint: whether Together accepts a key, what it looks like, where it came from."
        " The later of acceptance and refusal decides.",
        panels.instant(
            f"{refused} > bool {accepted}\n"
            f"or 2 * ({refused} > bool 0)\n"
            f"or 0 * {accepted}\n"
            f"or 0 * max by ({by}) ({IN_USE}) - 1",
            "A",
        ),
        panels.instant(f"count by ({by}, {FORMAT}, {KEY_SOURCE}) ({IN_USE})", "B"),
        panels.instant(moment(accepted, f"max by ({by}) ({IN_USE})"), "C"),
        panels.instant(moment(refused, f"max by ({by}) ({IN_USE})"), "D"),
    )
    table = (
        panels.sort(table, "State")
        .with_transformation(
            panels.columns(
                job="Job",
                **{FINGERPRINT: "Fingerprint", "Value #A": "State"},
                **{"Value #C": "Last accepted", "Value #D": "Last refused"},
                **{"Value #B": "Instances", FORMAT: "Format", KEY_SOURCE: "Source"},
            )
        )
        .no_value("No key of 20 characters or more is in use")
        .height(6)
        .span(24)
    )
    for name, width in (("Job", 220), ("Fingerprint", 140), ("State", 160), ("Instances", 110)):
        table = panels.column(table, name, width=width)
    table = panels.column(
        table,
        "State",
        align="left",
        cellOptions=panels.FILLED,
        mappings=[
            panels.values(
                {
                    "-1": ("not used yet", panels.GREY),
                    "0": ("accepted", panels.GREEN),
                    "1": ("refused", panels.RED),
                    "2": ("never accepted", panels.RED),
                }
            )
        ],
    )
    for when in ("Last accepted", "Last refused"):
        table = dated(table, when)
    return table


def failed(by: str) -> str:
    """Return failures in the selected time, the first sample of what began in it included."""
    halves = (
        series.select(rules.records.INSTANCE_TOTALS, series.RECORDED),
        series.of(names.AUTH_FAILURES, where=series.UNRECORDED),
    )
    counted = "\n  or ".join(
        f"(last_over_time({one}[$__range]) unless {one} offset $__range)"
        f" or increase({one}[$__range])"
        for one in halves
    )
    return f"round(sum by ({by}) (\n  {counted}\n)) > 0"


def states() -> Any:
    """Return the table of when each job last succeeded and failed."""
    success, failure = (
        f"max by (job) ({series.of(metric)})"
        for metric in (names.AUTH_LAST_SUCCESS, names.AUTH_LAST_FAILURE)
    )
    reporting = f"max by (job) ({series.of(names.AUTH_FAILURES, rules.EVERYWHERE)})"
    table = panels.rows(
        "Last success and last failure",
        "Of each job, whatever its keys. The later of the two is the state that it is in.",
        panels.instant(moment(success, reporting), "A"),
        panels.instant(moment(failure, reporting), "B"),
    )
    table = panels.sort(table, "Last failure").with_transformation(
        panels.columns(job="Job", **{"Value #A": "Last success", "Value #B": "Last failure"})
    )
    table = table.no_value("Nobody reports").height(6).span(24)
    for when in ("Last success", "Last failure"):
        table = dated(table, when)
    return table


def instances() -> list[Any]:
    """Return the tables of instances: why they fail, and how their requests end."""
    pair = "job, instance"
    why = panels.rows(
        "Failures by instance and cause",
        "In the selected time; of a target first seen in it, all that it has counted.",
        panels.instant(failed(f"{pair}, {series.CAUSE}")),
    )
    why = (
        panels.sort(why, "Failures")
        .with_transformation(
            panels.columns(
                job="Job", instance="Instance", **{series.CAUSE: "Cause"}, Value="Failures"
            )
        )
        .no_value("No failures")
        .filterable(filterable=True)
    )
    for name, width in (("Job", 190), ("Instance", 160), ("Failures", 120)):
        why = panels.column(why, name, width=width)
    why = panels.column(
        why, "Failures", cellOptions=panels.WRITTEN, thresholds=panels.limits((None, panels.RED))
    )

    reports = series.of(names.AUTH_FAILURES, rules.EVERYWHERE)

    def outcome(matcher: str) -> str:
        counted = f"sum by ({pair}) {series.INSTANCE_REQUESTS.total(matcher)}"
        return f"round({counted}) or 0 * sum by ({pair}) ({reports})"

    each = panels.rows(
        "Instances by outcome",
        "In the selected time: failures to authenticate, of constructors too; requests that"
        " succeeded; those that failed otherwise. An instance is gone that does not report any more.",
        panels.instant(
            f"{failed(pair)} or 0 * sum by ({pair}) (last_over_time({reports}[$__range]))",
            "A",
        ),
        panels.instant(outcome(f'{series.OUTCOME}="success"'), "B"),
        panels.instant(outcome(f'{series.OUTCOME}!~"auth_failure|success"'), "C"),
        panels.instant(
            moment(f"max by ({pair}) ({ACCEPTED_AT})", f"sum by ({pair}) ({reports})"), "D"
        ),
    )
    each = (
        panels.sort(each, "Auth failures")
        .with_transformation(
            panels.columns(
                job="Job",
                instance="Instance",
                **{
                    "Value #A": "Auth failures",
                    "Value #B": "Succeeded",
                    "Value #C": "Failed otherwise",
                },
                **{"Value #D": "Last accepted"},
            )
        )
        .no_value("Nobody reports")
        .filterable(filterable=True)
        .interval("1m")
        .max_data_points(300)
    )
    widths = {"Job": 170, "Instance": 150, "Auth failures": 150, "Succeeded": 115}
    for name, width in {**widths, "Failed otherwise": 145}.items():
        each = panels.column(each, name, width=width)
    each = panels.column(
        each,
        "Auth failures",
        cellOptions=panels.WRITTEN,
        thresholds=panels.limits((None, panels.GREEN), (1, panels.RED)),
    )
    return [why.height(12).span(10), dated(each, "Last accepted").height(12).span(14)]


def background() -> list[Any]:
    """Return what changes slowly, and the runbook in one table."""
    checks = panels.rows(
        "Keys that clients were made of",
        "What constructors found since the processes started.",
        panels.instant(
            f"sum by (job, {PRESENCE}, {FORMAT}, {KEY_SOURCE}) ({series.of(names.KEY_CHECKS)})"
        ),
    )
    searched = f"increase({series.of(names.KEY_RECOVERIES)}[$__rate_interval])"
    recoveries = panels.lines(
        "Searches for another key",
        "Where recovery is on: what came of them, in each interval.",
        "short",
        panels.each(RECOVERY, frame.or_none(f"sum by ({RECOVERY}) ({searched}) > 0", RECOVERY)),
    )
    return [
        panels.lines(
            "Share of requests refused, by job",
            "One job of many: its own key. All of them: the account, or a key that they share.",
            "percentunit",
            panels.each("job", frame.share(series.REFUSED)),
        ).max(1),
        panels.bars(recoveries),
        checks.with_transformation(
            panels.columns(
                job="Job",
                **{PRESENCE: "Presence", FORMAT: "Format", KEY_SOURCE: "Source"},
                Value="Clients",
            )
        )
        .no_value("No client was made")
        .height(6)
        .span(24),
        text.Panel()
        .title("What to do, by cause")
        .description("The runbook in one table.")
        .content(_runbook())
        .height(13)
        .span(24),
    ]


def _runbook() -> str:
    lines_ = ["| Cause | It means | What to do |", "| --- | --- | --- |"]
    lines_ += [
        f"| [{cause}]({rules.RUNBOOK}#cause-{cause}) | {names.CAUSE_MEANINGS[cause]}"
        f" | {names.CAUSE_REMEDIES[cause]} |"
        for cause in names.CAUSES
    ]
    return "\n".join(lines_)


def log_events() -> dashboard.Row:
    """Return the log events, in a row that asks for them when it is opened: not all have Loki."""
    told = (names.AUTH_FAILED, names.AUTH_RECOVERED, names.KEY_RECOVERED)
    events = "|".join(event.name for event in told)
    panel = (
        logs.Panel()
        .title("Log events of authentication")
        .description("Each names the variable or argument at fault, and the remedy.")
        .datasource(LOKI)
        .with_target(
            loki.Dataquery()
            .datasource(LOKI)
            .ref_id("A")
            .max_lines(100)
            # Loki names services of its own accord; OpenTelemetry's resource, or the workload.
            .expr(f'{{service_name=~"$job"}} |~ "{events.replace(".", "[.]")}"')
        )
        .show_time(show_time=True)
        .wrap_log_message(wrap_log_message=True)
        .enable_log_details(enable_log_details=True)
        .sort_order(LogsSortOrder.DESCENDING)
        .height(10)
        .span(24)
    )
    return (
        dashboard.Row("Log events (opens where there is Loki)")
        .collapsed(collapsed=True)
        .with_panel(panel)
    )
