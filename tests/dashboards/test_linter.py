"""The rules of grafana/dashboard-linter and Grafana's own linter, on every dashboard.

Where a rule does not suit, a waiver says why; a waiver that nothing needs is an error.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

import pytest
from queries import dashboards, panels, targets

from together_otel import names


class Finding(NamedTuple):
    """What a rule has to say against a dashboard."""

    rule: str
    dashboard: str
    where: str
    what: str


@dataclass(frozen=True)
class Waiver:
    """Why findings of a rule are let be; ``where`` and ``what`` are regular expressions."""

    rule: str
    reason: str
    where: str = ".*"
    what: str = ".*"

    def covers(self, finding):
        """Tell whether a finding is let be."""
        return (
            self.rule == finding.rule
            and re.fullmatch(self.where, finding.where) is not None
            and re.fullmatch(self.what, finding.what, re.DOTALL) is not None
        )


WAIVERS = (
    Waiver(
        "template-datasource-rule",
        "`datasource` is what links, exports and provisioning set, on every dashboard alike; that"
        " one of them may ask Loki as well changes nothing of it.",
        what=r"datasource|loki|Loki",
    ),
    Waiver(
        "template-instance-rule",
        "Panels read what the rules record of whole jobs; a row of one instance has a variable of"
        " its own.",
    ),
    Waiver(
        "template-required-model",
        "Operations such as models.list have no model: `.+` would hide them.",
        what="all value",
    ),
    Waiver(
        "target-counter-agg-rule",
        "A constructor is called once or so in a process's life: a rate would show nothing.",
        where="Keys that clients were made of",
        what=names.KEY_CHECKS.prometheus,
    ),
    Waiver(
        "target-counter-agg-rule",
        "Times 0, a counter tells which instances have asked at all.",
        where="Instances by outcome",
        what=names.REQUESTS.prometheus,
    ),
    Waiver(
        "target-job-rule",
        "Loki knows the job by the name of the service.",
        where="Log events of authentication",
    ),
    Waiver(
        "target-instance-rule",
        "Loki has no label that equals Prometheus's instance, and what the rules record is of whole"
        " jobs. Tables show every instance.",
    ),
    Waiver(
        "uneditable-dashboard",
        "Whoever imports a dashboard may change it; a provisioned one cannot be saved anyway.",
    ),
)

UNITS = {
    *("none", "string", "short", "percent", "percentunit", "locale"),
    *("s", "ms", "dateTimeFromNow", "dateTimeAsIsoNoDateIfToday"),
    *("ops", "reqps", "bool_yes_no", "currencyUSD"),
}
"""Those of Grafana's units that the dashboards use."""

RULES = {}


def rule(name):
    """Register a rule: dashboard → where and what of each finding."""

    def register(check):
        RULES[name] = check
        return check

    return register


def variables(dashboard, kind):
    """Return a dashboard's variables of a type."""
    return [one for one in dashboard["templating"]["list"] if one["type"] == kind]


@rule("template-datasource-rule")
def _(dashboard):
    sources = variables(dashboard, "datasource")
    for source in sources:
        query = source["query"]
        named, labelled = {f"{query}_datasource"}, {f"{query.title()} data source"}
        if len(sources) == 1:
            named.add("datasource")
            labelled.add("Data source")
        if source["name"] not in named:
            yield "", source["name"]
        elif source["label"] not in labelled:
            yield "", source["label"]
    if not sources:
        yield "", "none"


def template(dashboard, name):
    """Check one variable as the rules for job and instance do."""
    found = [one for one in variables(dashboard, "query") if one["name"] == name]
    if not found:
        yield "", "missing"
    for one in found:
        expected = {
            "label": one["label"] == name.title(),
            "data source": one["datasource"]["uid"] == "${datasource}",
            "several": one.get("multi"),
            "all": one.get("includeAll"),
            "all value": one.get("allValue") == ".+",
        }
        yield from (("", what) for what, holds in expected.items() if not holds)


@rule("template-required-model")
def _(dashboard):
    if "$model" in str(dashboard["panels"]):
        yield from template(dashboard, "model")


@rule("template-label-promql-rule")
def _(dashboard):
    for one in variables(dashboard, "query"):
        if not re.fullmatch(r"label_values\(([\w:]+(\{[^{}]+\})?|\{[^{}]+\}), \w+\)", one["query"]):
            yield "", one["query"]


@rule("template-on-time-change-reload-rule")
def _(dashboard):
    on_time_range_changed = 2
    for one in variables(dashboard, "query"):
        if one["refresh"] != on_time_range_changed:
            yield "", one["name"]


@rule("panel-datasource-rule")
def _(dashboard):
    known = {f"${{{one['name']}}}" for one in variables(dashboard, "datasource")}
    for panel in panels(dashboard):
        if panel["type"] == "text":
            continue
        for source in (panel, *panel["targets"]):
            if source["datasource"]["uid"] not in known:
                yield panel["title"], source["datasource"]["uid"]


@rule("panel-title-description-rule")
def _(dashboard):
    for panel in panels(dashboard):
        if not (panel.get("title") and panel.get("description")):
            yield panel.get("title", ""), "title or description"


@rule("panel-no-targets-rule")
def _(dashboard):
    for panel in panels(dashboard):
        if panel["type"] in {"stat", "table", "timeseries", "heatmap", "logs"} and not panel.get(
            "targets"
        ):
            yield panel["title"], panel["type"]


@rule("panel-units-rule")
def _(dashboard):
    for panel in panels(dashboard):
        if panel["type"] in {"stat", "table", "timeseries", "heatmap"}:
            config = panel["fieldConfig"]
            units = [config["defaults"].get("unit")]
            units += [
                one["value"]
                for override in config["overrides"]
                for one in override["properties"]
                if one["id"] == "unit"
            ]
            yield from ((panel["title"], str(unit)) for unit in units if unit not in UNITS)


def asked(dashboard):
    """Yield a panel's title and expression for each query of Prometheus."""
    for panel in panels(dashboard):
        yield from ((panel["title"], target["expr"]) for target in targets(panel))


@rule("target-rate-interval-rule")
def _(dashboard):
    for title, expr in asked(dashboard):
        for window in re.findall(r"\b(?:rate|irate|increase|delta)\([^()]*\[([^\]]+)\]", expr):
            if window != "$__rate_interval":
                yield title, window


def matched(dashboard, label):
    """Check that every selector has the variable's matcher."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            selectors = re.findall(r"\{([^{}]*)\}", target["expr"])
            if not selectors:
                yield panel["title"], target["expr"]
            for selector in selectors:
                if f'{label}=~"${label}"' not in selector.split(","):
                    yield panel["title"], selector


def bare(dashboard, kinds):
    """Find metrics with one of some endings that are in no rate."""
    for title, expr in asked(dashboard):
        counted = re.sub(r"\b(?:rate|irate|increase)\(\w+\{[^{}]*\}\[", "", expr)
        yield from ((title, one) for one in re.findall(rf"(?<![\w:])\w+_(?:{kinds})\b", counted))


@rule("uneditable-dashboard")
def _(dashboard):
    if dashboard["editable"]:
        yield "", "editable"


RULES |= {
    "template-job-rule": lambda one: template(one, "job"),
    "template-instance-rule": lambda one: template(one, "instance"),
    "target-job-rule": lambda one: matched(one, "job"),
    "target-instance-rule": lambda one: matched(one, "instance"),
    "target-counter-agg-rule": lambda one: bare(one, "total"),
    "target-histogram-rule": lambda one: bare(one, "bucket|count|sum"),
}


def findings(name):
    """Return what one rule finds in all dashboards."""
    return [
        Finding(name, dashboard["uid"], *found)
        for dashboard in dashboards()
        for found in RULES[name](dashboard)
    ]


@pytest.mark.parametrize("name", RULES)
def test_rule(name):
    """Whatever a rule finds is waived with a reason."""
    assert [
        found for found in findings(name) if not any(waiver.covers(found) for waiver in WAIVERS)
    ] == []


@pytest.mark.parametrize("waiver", WAIVERS, ids=lambda one: f"{one.rule} {one.where}")
def test_waiver_is_needed(waiver):
    """One that covers nothing any more would hide the next mistake."""
    assert any(waiver.covers(found) for found in findings(waiver.rule))
    assert waiver.reason.endswith(".")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("template-job-rule", {"templating": {"list": []}}),
        ("template-datasource-rule", {"templating": {"list": []}}),
        ("target-job-rule", {"expr": "up"}),
        ("target-rate-interval-rule", {"expr": "rate(x_total[3m])"}),
        ("target-counter-agg-rule", {"expr": "sum(x_total)"}),
        ("target-histogram-rule", {"expr": "sum(x_bucket)"}),
        ("panel-units-rule", {"unit": "parsec"}),
        ("panel-title-description-rule", {"title": ""}),
        ("panel-datasource-rule", {"uid": "P1809F7CD0C75ACF3"}),
    ],
)
def test_rule_finds(name, change):
    """A rule that never finds anything would be none."""
    source = {"type": "prometheus", "uid": change.get("uid", "${datasource}")}
    panel = {
        "type": "timeseries",
        "title": change.get("title", "Title"),
        "description": "Text.",
        "datasource": source,
        "fieldConfig": {"defaults": {"unit": change.get("unit", "short")}, "overrides": []},
        "targets": [{"datasource": source, "expr": change.get("expr", "up{}")}],
    }
    variable = {"type": "datasource", "name": "datasource", "query": "prometheus"}
    templating = change.get("templating", {"list": [variable]})
    assert list(RULES[name]({"templating": templating, "panels": [panel]}))
