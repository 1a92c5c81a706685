"""Tables of what several queries of one moment find, as the dashboards have them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import common, prometheus
from grafana_foundation_sdk.builders.table import Panel
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue
from panels import GREEN, ORANGE, RED, SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping

MERGE = DataTransformerConfig(id_val="merge", options={})
"""One row for rows of several queries that have the same labels."""


def rows(title: str, description: str, *targets: prometheus.Dataquery) -> Panel:
    """Return a table of queries of one moment, each for a column, merged by their labels."""
    panel = Panel().title(title).description(description).datasource(SOURCE)
    for target in targets:
        panel = panel.with_target(target)
    return panel.with_transformation(MERGE) if len(targets) > 1 else panel


def table(panel: Panel, shown: Mapping[str, str], sorted_by: str, empty: str, height: int) -> Panel:
    """Return a table with columns named and in order, the largest of one of them first."""
    columns = DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {name: place for place, name in enumerate(shown)},
            "renameByName": dict(shown),
        },
    )
    first = common.TableSortByFieldState().display_name(sorted_by).desc(desc=True)
    return (
        panel.with_transformation(columns)
        .sort_by([first])
        .unit("locale")
        .no_value(empty)
        .height(height)
        .span(24)
    )


def styled(panel: Panel, columns: Mapping[str, Mapping[str, Any]]) -> Panel:
    """Return a table with properties of columns: ``unit``, ``width``, ``mappings`` and so on."""
    own = {"width", "cellOptions", "align", "filterable"}
    for name, properties in columns.items():
        values = [
            DynamicConfigValue(id_val=f"custom.{key}" if key in own else key, value=value)
            for key, value in properties.items()
        ]
        panel = panel.override_by_name(name, values)
    return panel


FILLED = {"type": "color-background", "mode": "basic"}
"""A cell of its value's colour."""
WRITTEN = {"type": "color-text"}
"""A cell whose text has its value's colour."""


def limits(*steps_: tuple[float | None, str]) -> dict[str, Any]:
    """Return the same as `steps`, as a column's property."""
    return {"mode": "absolute", "steps": [{"value": at, "color": name} for at, name in steps_]}


def worse(bad: float, worst: float) -> dict[str, Any]:
    """Return the colours of a share that is to be 0."""
    return limits((None, GREEN), (bad, ORANGE), (worst, RED))
