"""What every dashboard has: variables, links, and alerts on its graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import panels
from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as models

from boards import query
from together_otel.settings import DEFAULT_RUNBOOK_URL

if TYPE_CHECKING:
    from collections.abc import Sequence

    from together_otel import names

TAG = "together-otel"
AUTHENTICATION, REQUESTS, FLEET = "together-authentication", "together-requests", "together-fleet"
"""Fixed uids: alerts and other dashboards lead to them."""

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


def to_job(uid: str, title: str, job: str = "${__value.raw}") -> dict[str, str]:
    """Return the link from a job's row to another dashboard, its data source and time kept."""
    url = f"/d/{uid}?${{datasource:queryparam}}&var-job={job}&${{__url_time_range}}"
    return {"title": title, "url": url}


def choice(name: str, series: str, label: str = "") -> dashboard.QueryVariable:
    """Return a variable of one of the values that a label has."""
    return (
        dashboard.QueryVariable(name)
        .label(name.title())
        .datasource(panels.SOURCE)
        .query(f"label_values({series}, {label or name})")
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
    )


def choices(name: str, series: str, every: str, label: str = "") -> dashboard.QueryVariable:
    """Return a variable of several values that a label has, all by default."""
    return (
        choice(name, series, label)
        .multi(multi=True)
        .include_all(include_all=True)
        .current(models.VariableOption(text=["All"], value=["$__all"], selected=True))
        .all_value(every)
    )


def variables() -> list[Any]:
    """Return the data source, and what tells one service from another."""
    instances = query.records.INSTANCES
    cluster, namespace = 'cluster=~"$cluster"', 'namespace=~"$namespace"'
    return [
        dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus"),
        # One Prometheus of one cluster has these labels nowhere: `.+` would hide everything.
        choices("cluster", instances, ".*"),
        choices("namespace", f"{instances}{{{cluster}}}", ".*"),
        choices("job", f"{instances}{{{cluster},{namespace}}}", ".+"),
    ]


def board(
    uid: str, title: str, description: str, variables_: Sequence[Any], panels_: Sequence[Any]
) -> dashboard.Dashboard:
    """Return a dashboard of panels, laid out from left to right and from top to bottom."""
    made = (
        dashboard.Dashboard(f"Together / {title}")
        .uid(uid)
        .description(f"{description} Needs the rules of alerts.yaml and recording.yaml.")
        .tags([TAG])
        .refresh("30s")
        .time("now-1h", "now")
        .timezone("browser")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(
            dashboard.DashboardLink("Together")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(as_dropdown=False)
            .include_vars(include_vars=True)
            .keep_time(keep_time=True)
        )
        .link(
            dashboard.DashboardLink("Runbook")
            .type(models.DashboardLinkType.LINK)
            .icon("doc")
            .url(DEFAULT_RUNBOOK_URL)
            .target_blank(target_blank=True)
        )
        .annotation(
            dashboard.AnnotationQuery()
            .name("Alerts")
            .datasource(panels.SOURCE)
            .enable(enable=True)
            .expr(query.of("ALERTS", 'alertname=~"Together.*"', 'alertstate="firing"'))
            .icon_color(panels.RED)
        )
    )
    for variable in variables_:
        made = made.with_variable(variable)
    for panel in panels_:
        made = made.with_row(panel) if isinstance(panel, dashboard.Row) else made.with_panel(panel)
    return made


def render(model: Any) -> str:
    """Return a dashboard's file."""
    return JSONEncoder(sort_keys=True, indent=2).encode(model) + "\n"
