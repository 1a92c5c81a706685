"""The *Authentication* dashboard: is auth failing, where, why, since when, with which keys.

Classic JSON, which every Grafana release loads, by Grafana's own builder. The dashboard has
to answer without data too: sums fall back to zero, and what never happened says "never".
"""

from __future__ import annotations

from typing import Any

import panels
import rules
from grafana_foundation_sdk.builders import dashboard, text
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import BigValueColorMode
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DynamicConfigValue,
    VariableRefresh,
    VariableSort,
)

from together_otel import names

UID = "together-authentication"
TAG = "together-otel"

GREEN, ORANGE, RED = "green", "orange", "red"

SELECTED = 'job=~"$job",instance=~"$instance"'
CAUSE = names.label_of(names.AUTH_CAUSE)
OUTCOME = names.label_of(names.REQUEST_OUTCOME)
FINGERPRINT = names.label_of(names.KEY_FINGERPRINT)
FORMAT = names.label_of(names.KEY_FORMAT)
KEY_SOURCE = names.label_of(names.KEY_SOURCE)
PRESENCE = names.label_of(names.KEY_PRESENCE)
FAILURES = f"{names.AUTH_FAILURES.prometheus}{{{SELECTED}}}"
REQUESTS = f"{names.REQUESTS.prometheus}{{{SELECTED}}}"
REFUSED = f'{names.REQUESTS.prometheus}{{{SELECTED},{OUTCOME}="auth_failure"}}'


def numbers() -> list[Any]:
    """Return the top row: the answer in one glance."""
    accepted = f"{names.KEY_LAST_ACCEPTED.prometheus}{{{SELECTED}}}"
    refused = f"{names.KEY_LAST_REFUSED.prometheus}{{{SELECTED}}}"
    failing = rules.failures(by=("job", "instance"), where=SELECTED)
    plain = panels.steps((None, "text"))
    return [
        panels.number(
            "Authentication failures, last 5 minutes",
            "Failures of constructors and requests. Green is zero.",
            f"round(sum({failing})) or vector(0)",
            "short",
            panels.steps((None, GREEN), (1, RED)),
        ).span(6),
        panels.number(
            "Requests refused, last 5 minutes",
            "Share of all requests that Together refused for their key.",
            f"(sum(increase({REFUSED}[5m])) / (sum(increase({REQUESTS}[5m])) > 0)) or vector(0)",
            "percentunit",
            panels.steps((None, GREEN), (0.001, ORANGE), (0.5, RED)),
        ).span(6),
        panels.number(
            "Instances refused",
            "Instances with a failure in the last 5 minutes. One of many is a bad rollout,"
            " all of them a dead key.",
            f"count({failing}) or vector(0)",
            "short",
            panels.steps((None, GREEN), (1, RED)),
        ).span(4),
        panels.number(
            "A key was last accepted",
            "The most recent acceptance of any key.",
            f"max({accepted}) * 1000",
            "dateTimeFromNow",
            plain,
        )
        .color_mode(BigValueColorMode.VALUE)
        .span(4),
        panels.number(
            "A key was last refused",
            "The most recent refusal of any key.",
            f"max({refused}) * 1000",
            "dateTimeFromNow",
            plain,
        )
        .color_mode(BigValueColorMode.VALUE)
        .span(4),
    ]


def details() -> list[Any]:
    """Return the panels below: why, where, which keys."""
    by_key = f"job, {FINGERPRINT}"
    where = f"job, instance, {CAUSE}"
    accepted = f"{names.KEY_LAST_ACCEPTED.prometheus}{{{SELECTED}}}"
    refused = f"{names.KEY_LAST_REFUSED.prometheus}{{{SELECTED}}}"
    in_use = f"{names.KEY_INFO.prometheus}{{{SELECTED}}}"
    dates = [DynamicConfigValue(id_val="unit", value="dateTimeFromNow")]
    return [
        panels.bars(
            panels.lines(
                "Failures by cause",
                "Authentication failures in each interval; the cause says what to do, below.",
                f"sum by ({CAUSE}) (increase({FAILURES}[$__rate_interval]))",
                f"{{{{{CAUSE}}}}}",
                "short",
            )
        ),
        panels.lines(
            "Requests by outcome",
            "Requests a second; auth_failure is what this dashboard is about.",
            f"sum by ({OUTCOME}) (rate({REQUESTS}[$__rate_interval]))",
            f"{{{{{OUTCOME}}}}}",
            "reqps",
        ).override_by_name("auth_failure", [_red()]),
        panels.rows(
            "Where, and why",
            "Failures in the selected time by job, instance and cause; of a target first seen in"
            " that time, all that it has counted. Empty when all is well.",
            panels.instant(
                # Of a series that began in the selected time, the first sample counts too.
                f"sum by ({where}) (last_over_time({FAILURES}[$__range])"
                f" unless {FAILURES} offset $__range) > 0"
                f" or round(sum by ({where}) (increase({FAILURES}[$__range]))) > 0"
            ),
        )
        .no_value("No failures")
        .with_transformation(
            panels.columns(job="Job", instance="Instance", **{CAUSE: "Cause"}, Value="Failures")
        )
        .override_by_name(
            "Failures",
            [
                DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-background"}),
                _red(),
            ],
        ),
        panels.rows(
            "Keys in use",
            "By fingerprint: what a key looks like, where it came from, when Together last"
            " accepted and refused it.",
            panels.instant(f"max by ({by_key}, {FORMAT}, {KEY_SOURCE}) ({in_use})", "A"),
            panels.instant(f"max by ({by_key}) ({accepted}) * 1000", "B"),
            panels.instant(f"max by ({by_key}) ({refused}) * 1000", "C"),
        )
        .no_value("No key of 20 characters or more is in use")
        .with_transformation(panels.MERGE)
        .with_transformation(
            panels.columns(
                job="Job",
                **{FINGERPRINT: "Fingerprint", FORMAT: "Format", KEY_SOURCE: "Source"},
                **{"Value #B": "Last accepted", "Value #C": "Last refused", "Value #A": "In use"},
            )
        )
        .override_by_name("Last accepted", dates)
        .override_by_name("Last refused", dates),
        panels.lines(
            "Share of requests refused, by instance",
            "One instance of many: a bad rollout. All of them: the key itself.",
            f"sum by (job, instance) (rate({REFUSED}[$__rate_interval]))"
            f" / (sum by (job, instance) (rate({REQUESTS}[$__rate_interval])) > 0)",
            "{{job}} {{instance}}",
            "percentunit",
        ).max(1),
        panels.rows(
            "Keys that clients were made of",
            "What constructors found since the processes started.",
            panels.instant(
                f"sum by (job, {PRESENCE}, {FORMAT}, {KEY_SOURCE})"
                f" ({names.KEY_CHECKS.prometheus}{{{SELECTED}}})"
            ),
        )
        .no_value("No client was made")
        .with_transformation(
            panels.columns(
                job="Job",
                **{PRESENCE: "Presence", FORMAT: "Format", KEY_SOURCE: "Source"},
                Value="Clients",
            )
        ),
        text.Panel()
        .title("What to do, by cause")
        .description("The runbook in one table.")
        .content(_what_to_do())
        .height(12)
        .span(24),
    ]


def _red() -> DynamicConfigValue:
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": RED})


def _what_to_do() -> str:
    lines_ = ["| Cause | It means | What to do |", "| --- | --- | --- |"]
    lines_ += [
        f"| [{cause}]({rules.RUNBOOK}#cause-{cause}) | {names.CAUSE_MEANINGS[cause]}"
        f" | {names.CAUSE_REMEDIES[cause]} |"
        for cause in names.CAUSES
    ]
    return "\n".join(lines_)


def variable(name: str, label: str, expr: str) -> dashboard.QueryVariable:
    """Return a variable of several values, all by default."""
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(panels.SOURCE)
        .query(expr)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)  # noqa: FBT003 - the builder's own signature
        .include_all(True)  # noqa: FBT003 - the same
        .all_value(".+")
    )


def build() -> Any:
    """Return the dashboard's model."""
    metric = names.AUTH_FAILURES.prometheus
    made = (
        dashboard.Dashboard("Together / Authentication")
        .uid(UID)
        .description("Is authentication at Together failing, where, why, since when, which key.")
        .tags([TAG])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(
            dashboard.DashboardLink("Together")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)  # noqa: FBT003 - the builder's own signature
            .include_vars(True)  # noqa: FBT003 - the same
            .keep_time(True)  # noqa: FBT003 - the same
        )
        .link(dashboard.DashboardLink("Runbook").type(DashboardLinkType.LINK).url(rules.RUNBOOK))
        .with_variable(
            dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
        )
        .with_variable(variable("job", "Job", f"label_values({metric}, job)"))
        .with_variable(
            variable("instance", "Instance", f'label_values({metric}{{job=~"$job"}}, instance)')
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(panels.SOURCE)
            .enable(True)  # noqa: FBT003 - the builder's own signature
            .expr('ALERTS{alertname=~"Together.*",alertstate="firing",job=~"$job"}')
            .icon_color(RED)
        )
    )
    for panel in (*numbers(), *details()):
        made = made.with_panel(panel)
    return made.build()


def render() -> str:
    """Return ``authentication.json``."""
    return JSONEncoder(sort_keys=True, indent=2).encode(build()) + "\n"
