"""The dashboards' queries as Prometheus gets them: variables filled in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "dashboards" / "grafana"
VARIABLES = {
    "$__rate_interval": "1m",
    "$__range": "5m",
    "$job": ".+",
    "$instance": ".+",
}


def dashboards() -> list[dict[str, Any]]:
    """Return every dashboard that is shipped."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Return a dashboard's panels, those inside rows as well."""
    found = []
    for panel in dashboard["panels"]:
        found += [panel, *panel.get("panels", ())]
    return [panel for panel in found if panel["type"] != "row"]


def filled_in(expr: str) -> str:
    """Return an expression with every variable replaced."""
    for name, value in VARIABLES.items():
        expr = expr.replace(name, value)
    return expr


def dashboard_queries() -> list[tuple[str, str]]:
    """Return panel title and expression of every query of every dashboard."""
    return [
        (panel["title"], filled_in(target["expr"]))
        for dashboard in dashboards()
        for panel in panels(dashboard)
        for target in panel.get("targets", ())
    ]
