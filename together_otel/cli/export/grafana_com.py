"""For grafana.com, and for *Import* where the data source is to be asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from together_otel.cli.export.source import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.cli.export.source import Source

_INPUT = "DS_PROMETHEUS"
_GRAFANA = "11.6.0"
"""The release whose JSON the dashboards are."""


def files(source: Source) -> Iterator[tuple[str, str]]:
    """Yield each dashboard with the data source as an input."""
    for name, text in source.dashboards.items():
        yield f"grafana.com/{name}", written(_shared(json.loads(text)))


def _shared(board: dict[str, Any]) -> dict[str, Any]:
    rows = [panel for row in board["panels"] for panel in row.get("panels", ())]
    kinds = {panel["type"] for panel in (*board["panels"], *rows)} - {"row"}
    for variable in board["templating"]["list"]:
        if variable["query"] == "prometheus":
            variable["current"] = {"text": f"${{{_INPUT}}}", "value": f"${{{_INPUT}}}"}
    prometheus = {"id": "prometheus", "name": "Prometheus"}
    return {
        **board,
        "__inputs": [
            {
                "name": _INPUT,
                "label": "Prometheus",
                "description": "It holds the metrics of together_otel and evaluates its rules.",
                "type": "datasource",
                "pluginId": prometheus["id"],
                "pluginName": prometheus["name"],
            }
        ],
        "__elements": {},
        "__requires": [
            {"type": "grafana", "id": "grafana", "name": "Grafana", "version": _GRAFANA},
            {"type": "datasource", **prometheus, "version": "1.0.0"},
            *({"type": "panel", "id": kind, "name": kind, "version": ""} for kind in sorted(kinds)),
        ],
    }
