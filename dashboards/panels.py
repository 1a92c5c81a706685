"""The kinds of panel that the dashboards are made of, all on the data source variable."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
)
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

SOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")


def query(expr: str, ref: str = "A", legend: str = "") -> prometheus.Dataquery:
    """Return a range query."""
    return prometheus.Dataquery().datasource(SOURCE).expr(expr).ref_id(ref).legend_format(legend)


def instant(expr: str, ref: str = "A") -> prometheus.Dataquery:
    """Return a query of one moment, for stats and tables."""
    return query(expr, ref).instant().format(PromQueryFormat.TABLE)


def steps(*limits: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Return thresholds: a colour from each value on."""
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=color) for value, color in limits])
    )


def number(
    title: str, description: str, expr: str, unit: str, limits: dashboard.ThresholdsConfig
) -> Any:
    """Return one big number."""
    return (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(instant(expr))
        .unit(unit)
        .thresholds(limits)
        .color_mode(BigValueColorMode.BACKGROUND)
        .graph_mode(BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).fields("/^Value$/"))
        .no_value("never")
        .height(4)
    )


def lines(title: str, description: str, expr: str, legend: str, unit: str) -> timeseries.Panel:
    """Return a panel of lines over time."""
    return (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .with_target(query(expr, legend=legend))
        .unit(unit)
        .min(0)
        .fill_opacity(10)
        .legend(
            common.VizLegendOptions()
            .display_mode(LegendDisplayMode.TABLE)
            .placement(LegendPlacement.RIGHT)
            .calcs(["lastNotNull", "max"])
            .show_legend(True)  # noqa: FBT003 - the builder's own signature
        )
        .tooltip(
            common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
        )
        .height(8)
        .span(12)
    )


def bars(panel: timeseries.Panel) -> timeseries.Panel:
    """Return the same panel as stacked bars."""
    return (
        panel.draw_style(GraphDrawStyle.BARS)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    )


def rows(title: str, description: str, *targets: prometheus.Dataquery) -> table.Panel:
    """Return a table of instant queries merged by their labels."""
    panel = table.Panel().title(title).description(description).datasource(SOURCE).height(8)
    for target in targets:
        panel = panel.with_target(target)
    return panel.span(12)


def columns(**shown: str) -> DataTransformerConfig:
    """Return a transformation that renames columns and hides the time."""
    return DataTransformerConfig(
        id_val="organize",
        options={
            "excludeByName": {"Time": True},
            "indexByName": {name: place for place, name in enumerate(shown)},
            "renameByName": shown,
        },
    )


MERGE = DataTransformerConfig(id_val="merge", options={})
