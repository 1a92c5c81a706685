"""Tables of what several queries of one moment find, as the dashboards have them."""

from __future__ import annotations

from string import ascii_uppercase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import common
from grafana_foundation_sdk.builders import table as grid
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue
from panels import GREEN, ORANGE, RED, instant, made

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MERGE = DataTransformerConfig(id_val="merge", options={})
"""One row for rows of several queries that have the same labels."""
_CUSTOM = {"width", "cellOptions", "align", "filterable"}
"""Properties that only a table's columns have."""


def table(
    title: str,
    description: str,
    queries: Sequence[str],
    shown: Mapping[str, str],
    sorted_by: str,
    empty: str,
    columns: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
) -> Any:
    """Return a table of what expressions have at one moment, called A, B and so on.

    Columns are ``shown`` in order, by their labels and values; the row with the most of
    ``sorted_by`` comes first. ``columns`` has their ``unit``, ``width``, ``mappings`` and so on.
    """
    targets = [instant(expr, ref) for expr, ref in zip(queries, ascii_uppercase, strict=False)]
    panel = made(grid.Panel(), title, description, *targets)
    if len(targets) > 1:
        panel = panel.with_transformation(_MERGE)
    organized = DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {name: place for place, name in enumerate(shown)},
            "renameByName": dict(shown),
        },
    )
    first = common.TableSortByFieldState().display_name(sorted_by).desc(desc=True)
    panel = panel.with_transformation(organized).sort_by([first]).unit("locale").no_value(empty)
    for name, properties in columns.items():
        values = [
            DynamicConfigValue(id_val=f"custom.{key}" if key in _CUSTOM else key, value=value)
            for key, value in properties.items()
        ]
        panel = panel.override_by_name(name, values)
    return panel.height(6).span(24)


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
