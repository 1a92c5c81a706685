"""What every dashboard has: variables, links, alerts on its graphs, and how targets are chosen.

A dashboard has to answer without data too. Every process counts authentication failures of
every cause from 0 on, so these counters, times nothing, are the zero of whatever has not
happened yet; where they are missing as well, nobody reports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panels
import rules
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from boards import series
from together_otel import names

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG = "together-otel"
AUTHENTICATION, REQUESTS, FLEET = "together-authentication", "together-requests", "together-fleet"
"""Fixed uids: alerts and other dashboards lead to them."""

NOW = "5m"
"""What counts as now; the alerts' own window."""

COLORS: dict[names.Outcome, str] = {
    "success": "green",
    "auth_failure": "red",
    "payment_required": "dark-orange",
    "rate_limited": "orange",
    "client_error": "yellow",
    "server_error": "purple",
    "connection_error": "dark-blue",
    "timeout": "super-light-purple",
    "cancelled": "light-blue",
    "abandoned": "gray",
}
"""An outcome has one colour on every panel."""


def or_zero(expr: str, by: str = "") -> str:
    """Return an expression that is 0 for every target that reports and has nothing else to say."""
    kept = f"sum by ({by})" if by else "sum"
    return f"({expr}) or 0 * {kept} {series.REPORTING}"


def share(*matchers: str, over: str = "$__rate_interval") -> str:
    """Return a job's share of requests."""
    some, every = (
        f"sum by (job) {series.REQUESTS.rate(*only, over=over)}" for only in (matchers, ())
    )
    return or_zero(f"{some} / ({every} > 0)", "job")


def or_none(expr: str, label: str) -> str:
    """Return an expression that has a line "none" at 0 as well, where anybody reports."""
    return f'{expr}\nor label_replace(0 * sum {series.REPORTING}, "{label}", "none", "", "")'


def quantile(q: float, buckets: str, by: str = "") -> str:
    """Return a quantile of buckets that observations fall into, without those of none at all."""
    kept = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({kept}) {buckets}) >= 0"


def to_job(uid: str, title: str) -> dict[str, str]:
    """Return the link from a job's cell to another dashboard, its data source and time kept."""
    url = f"/d/{uid}?${{datasource:queryparam}}&var-job=${{__value.raw}}&${{__url_time_range}}"
    return {"title": title, "url": url}


def choice(name: str, label: str, expr: str, every: str | None = None) -> dashboard.QueryVariable:
    """Return a variable of several values, all by default: ``every``, or each that there is."""
    made = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(panels.SOURCE)
        .query(expr)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(VariableOption(text=["All"], value=["$__all"], selected=True))
    )
    return made if every is None else made.all_value(every)


def variables(*, model: bool = False) -> list[Any]:
    """Return the data source, job and instance, and the model where metrics know it."""
    failures = names.AUTH_FAILURES.prometheus
    found: list[Any] = [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        choice("job", "Job", f"label_values({failures}, job)", ".+"),
        # What a process pushed on its exit may have no instance: `.+` would hide it.
        choice("instance", "Instance", f'label_values({failures}{{job=~"$job"}}, instance)', ".*"),
        choice("recorded", "Recorded", series.RECORDED_JOBS).hide(VariableHide.HIDE_VARIABLE),
    ]
    if model:
        durations = "|".join(one.name for one in rules.DURATION_COUNTS)
        calls = f'{{__name__=~"{durations}",{series.SELECTED}}}'
        label = names.label_of(names.REQUEST_MODEL)
        # Some calls have no model, such as models.list.
        found.append(choice("model", "Model", f"label_values({calls}, {label})", ".*"))
    return found


def board(
    uid: str, title: str, description: str, variables_: Sequence[Any], panels_: Sequence[Any]
) -> dashboard.Dashboard:
    """Return a dashboard of panels, laid out from left to right and from top to bottom."""
    made = (
        dashboard.Dashboard(f"Together / {title}")
        .uid(uid)
        .description(description)
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
            .as_dropdown(as_dropdown=False)
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
        .link(
            dashboard.DashboardLink("Runbook")
            .type(DashboardLinkType.LINK)
            .icon("doc")
            .url(rules.RUNBOOK)
            .target_blank(target_blank=True)
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(panels.SOURCE)
            .enable(enable=True)
            .expr('ALERTS{alertname=~"Together.*",alertstate="firing",job=~"$job"}')
            .icon_color(panels.RED)
        )
    )
    for variable in variables_:
        made = made.with_variable(variable)
    for panel in panels_:
        made = made.with_panel(panel)
    return made


def render(model: Any) -> str:
    """Return a dashboard's file."""
    return JSONEncoder(sort_keys=True, indent=2).encode(model) + "\n"
