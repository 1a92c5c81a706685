"""The dashboards that are shipped, and their queries as Prometheus gets them."""

import json
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[2] / "dashboards" / "grafana"
AUTHENTICATION = "together-authentication"
VARIABLES = {
    "$__rate_interval": "5m",
    "$__interval_ms": "5000",
    "$__interval": "5s",
    "$__range_s": "300",
    "$__range": "5m",
    "$cluster": ".*",
    "$namespace": ".*",
    "$job": ".+",
    "$instance": ".+",
    "$model": ".*",
    "$objective": "0.99",
}


class Query(NamedTuple):
    """One query of a panel, with its variables filled in."""

    dashboard: str
    panel: str
    ref: str
    expr: str


def dashboards():
    """Return every dashboard that is shipped."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def panels(dashboard):
    """Return a dashboard's panels, those inside rows as well."""
    found = []
    for panel in dashboard["panels"]:
        found += [panel, *panel.get("panels", ())]
    return [panel for panel in found if panel["type"] != "row"]


def targets(panel):
    """Return a panel's queries of Prometheus."""
    return [one for one in panel.get("targets", ()) if one["datasource"]["type"] == "prometheus"]


def filled_in(expr, chosen=VARIABLES):
    """Return an expression with every variable replaced."""
    for name, value in chosen.items():
        expr = expr.replace(name, value)
    return expr


def every_query(**chosen):
    """Return every query of every dashboard; by default everything is chosen."""
    values = {**VARIABLES, **{f"${name}": value for name, value in chosen.items()}}
    return [
        Query(dashboard["uid"], panel["title"], target["refId"], filled_in(target["expr"], values))
        for dashboard in dashboards()
        for panel in panels(dashboard)
        for target in targets(panel)
    ]
