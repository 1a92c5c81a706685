"""The kinds of panel that the dashboards are made of, all on the data source variable."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from grafana_foundation_sdk.builders import common, dashboard, heatmap, prometheus, stat, timeseries
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")

GREEN, ORANGE, RED, GREY = "green", "orange", "red", "text"
NOTHING = "–"  # noqa: RUF001 - a dash to be read, of a stat that has nothing to say


# ── queries ──────────────────────────────────────────────────────────────────────────


def query(expr: str, ref: str = "A", legend: str = "") -> prometheus.Dataquery:
    """Return a range query."""
    return prometheus.Dataquery().datasource(SOURCE).expr(expr).ref_id(ref).legend_format(legend)


def each(label: str, expr: str) -> prometheus.Dataquery:
    """Return a range query whose lines are named by a label."""
    return query(expr, legend=f"{{{{{label}}}}}")


def instant(expr: str, ref: str = "A") -> prometheus.Dataquery:
    """Return a query of one moment whose labels are columns, for tables and words."""
    return query(expr, ref).instant().format(PromQueryFormat.TABLE)


def now(expr: str, ref: str = "A", legend: str = "") -> prometheus.Dataquery:
    """Return a query of one moment, for numbers."""
    return query(expr, ref, legend).instant()


# ── how values are shown ─────────────────────────────────────────────────────────────


def steps(*limits: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Return thresholds: a colour from each value on."""
    return (
        dashboard.ThresholdsConfig()
        .mode(models.ThresholdsMode.ABSOLUTE)
        .steps([models.Threshold(value=value, color=color) for value, color in limits])
    )


def values(shown: Mapping[str, tuple[str, str | None]]) -> models.ValueMap:
    """Return a mapping of values to what is shown for them, and its colour."""
    return models.ValueMap(
        {
            value: models.ValueMappingResult(text=text, color=color, index=place)
            for place, (value, (text, color)) in enumerate(shown.items())
        }
    )


def nothing(text: str, color: str = GREY) -> models.SpecialValueMap:
    """Return the mapping of what is not there."""
    return models.SpecialValueMap(
        models.DashboardSpecialValueMapOptions(
            match=models.SpecialValueMatch.NULL_AND_NAN,
            result=models.ValueMappingResult(text=text, color=color),
        )
    )


def anything(color: str) -> models.RegexMap:
    """Return the mapping that colours whatever there is."""
    return models.RegexMap(
        models.DashboardRegexMapOptions(pattern=".+", result=models.ValueMappingResult(color=color))
    )


def made(panel: Any, title: str, description: str, *targets: prometheus.Dataquery) -> Any:
    """Return a panel with what all have, and its queries."""
    panel = panel.title(title).description(description).datasource(SOURCE)
    for target in targets:
        panel = panel.with_target(target)
    return panel


# ── big numbers and words ────────────────────────────────────────────────────────────


def number(
    title: str,
    description: str,
    target: prometheus.Dataquery,
    unit: str,
    limits: dashboard.ThresholdsConfig,
    empty: str = NOTHING,
) -> stat.Panel:
    """Return one big number, or several beside each other, of `now` queries."""
    return (
        made(stat.Panel(), title, description, target)
        .unit(unit)
        .thresholds(limits)
        .color_mode(looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .orientation(looks.VizOrientation.VERTICAL)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(empty)
        .height(4)
        .span(4)
    )


def letters() -> common.VizTextDisplayOptions:
    """Return the size of words in a stat: three fit below each other."""
    return common.VizTextDisplayOptions().value_size(21)


def words(
    title: str, description: str, expr: str, label: str, mappings: list[models.ValueMapping]
) -> stat.Panel:
    """Return the values of a label in big letters, three at most, below each other."""
    return (
        made(stat.Panel(), title, description, instant(expr))
        .unit("string")
        .mappings(mappings)
        .thresholds(steps((None, GREY)))
        .color_mode(looks.BigValueColorMode.VALUE)
        .graph_mode(looks.BigValueGraphMode.NONE)
        .text_mode(looks.BigValueTextMode.VALUE)
        .text(letters())
        .orientation(looks.VizOrientation.HORIZONTAL)
        .reduce_options(
            common.ReduceDataOptions()
            .values(values=True)
            .limit(3)
            .calcs(["lastNotNull"])
            .fields(f"/^{label}$/")
        )
        .height(4)
        .span(4)
    )


# ── graphs ───────────────────────────────────────────────────────────────────────────


def lines(
    title: str,
    description: str,
    unit: str,
    *targets: prometheus.Dataquery,
    colors: Mapping[str, str] = MappingProxyType({}),
) -> timeseries.Panel:
    """Return a panel of lines over time; some have the same colour wherever they are shown."""
    panel = made(timeseries.Panel(), title, description, *targets)
    for name, fixed in colors.items():
        color = models.DynamicConfigValue(
            id_val="color", value={"mode": "fixed", "fixedColor": fixed}
        )
        panel = panel.override_by_name(name, [color])
    return (
        panel.unit(unit)
        .min(0)
        .line_width(2)
        .fill_opacity(0)
        .no_value("Nothing in this time")
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.TABLE)
            .placement(looks.LegendPlacement.RIGHT)
            .calcs(["lastNotNull", "max"])
            .sort_by("Max")
            .sort_desc(sort_desc=True)
            .show_legend(show_legend=True)
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(looks.TooltipDisplayMode.MULTI)
            .sort(looks.SortOrder.DESCENDING)
        )
        .height(8)
        .span(12)
    )


def stacked(*shown: Any, **more: Any) -> timeseries.Panel:
    """Return `lines` on top of each other."""
    return (
        lines(*shown, **more)
        .fill_opacity(40)
        .line_width(1)
        .stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL).group("A"))
    )


def bars(title: str, description: str, target: prometheus.Dataquery, **more: Any) -> Any:
    """Return counts as bars on top of each other, a minute or more wide."""
    return (
        stacked(title, description, "short", target, **more)
        .draw_style(looks.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .line_width(0)
        .axis_soft_max(10)
        .interval("1m")
    )


def long(*shown: Any, **more: Any) -> timeseries.Panel:
    """Return `lines` whose names are long: the legend is below them."""
    return lines(*shown, **more).legend(
        common.VizLegendOptions()
        .display_mode(looks.LegendDisplayMode.LIST)
        .placement(looks.LegendPlacement.BOTTOM)
        .calcs([])
        .show_legend(show_legend=True)
    )


def heat(title: str, description: str, unit: str, expr: str) -> heatmap.Panel:
    """Return how a histogram's buckets fill over time."""
    target = query(expr, legend="{{le}}").format(PromQueryFormat.HEATMAP)
    return (
        made(heatmap.Panel(), title, description, target)
        .calculate(calculate=False)
        .rows_frame(heatmap.RowsHeatmapOptions().layout(looks.HeatmapCellLayout.LE))
        .y_axis(heatmap.YAxisConfig().unit(unit))
        .cell_values(heatmap.CellValues().unit("reqps"))
        .filter_values(heatmap.FilterValueRange().le(1e-9))
        .unit("reqps")
        .no_value("Nothing in this time")
        .interval("1m")
        .height(8)
        .span(12)
    )
