"""The dashboards, by the rules of grafana/dashboard-linter that apply, and a few of ours."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from queries import dashboard_queries, dashboards, panels
from test_alerts import anchors, promtool

from together_otel import names

if TYPE_CHECKING:
    from pathlib import Path

EVERY = pytest.mark.parametrize("dashboard", dashboards(), ids=lambda one: one["uid"])


@EVERY
def test_dashboard_imports_anywhere(dashboard: dict[str, Any]) -> None:
    """No id of one Grafana's database, a fixed uid, the data source a variable."""
    assert dashboard.get("id") is None
    assert re.fullmatch(r"[a-z-]{3,40}", dashboard["uid"])
    assert dashboard["title"].startswith("Together / ")
    assert dashboard["schemaVersion"] >= 36
    assert "together-otel" in dashboard["tags"]
    for panel in panels(dashboard):
        if panel["type"] != "text":
            assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            for target in panel["targets"]:
                assert target["datasource"]["uid"] == "${datasource}"


@EVERY
def test_variables(dashboard: dict[str, Any]) -> None:
    """The data source, then job and instance: several at once, `.+` for all."""
    source, job, instance = dashboard["templating"]["list"]
    assert (source["name"], source["type"], source["query"]) == (
        "datasource",
        "datasource",
        "prometheus",
    )
    for variable, name in ((job, "job"), (instance, "instance")):
        assert (variable["name"], variable["allValue"]) == (name, ".+")
        assert variable["multi"]
        assert variable["includeAll"]
        assert variable["datasource"]["uid"] == "${datasource}"


@EVERY
def test_panels(dashboard: dict[str, Any]) -> None:
    """Each has a title, a description, a unit where there are numbers; none overlaps another."""
    taken: set[tuple[int, int]] = set()
    for panel in panels(dashboard):
        assert panel["title"]
        assert panel["description"].endswith(".")
        if panel["type"] in {"stat", "timeseries"}:
            assert panel["fieldConfig"]["defaults"]["unit"]
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


@EVERY
def test_queries_follow_the_variables(dashboard: dict[str, Any]) -> None:
    """Every query selects job and instance; every rate over time uses `$__rate_interval`."""
    for panel in panels(dashboard):
        for target in panel.get("targets", ()):
            expr = target["expr"]
            selectors = re.findall(r"\{([^}]*)\}", expr)
            assert selectors
            for selector in selectors:
                assert 'job=~"$job"' in selector
                assert 'instance=~"$instance"' in selector
            if panel["type"] == "timeseries":
                windows = re.findall(r"\[([^\]]+)\]", expr)
                assert set(windows) == {"$__rate_interval"}
                assert "sum by" in expr


@EVERY
def test_links_and_annotation(dashboard: dict[str, Any]) -> None:
    """To the other dashboards with variables and time, to the runbook; alerts on the graphs."""
    others, runbook = dashboard["links"]
    assert others["tags"] == ["together-otel"]
    assert others["includeVars"]
    assert others["keepTime"]
    assert runbook["url"].endswith("runbook.md")
    (annotation,) = [
        one for one in dashboard["annotations"]["list"] if "ALERTS" in str(one.get("expr"))
    ]
    assert 'alertname=~"Together.*"' in annotation["expr"]


def test_runbook_links_of_panels_lead_somewhere() -> None:
    text = str([panel for dashboard in dashboards() for panel in panels(dashboard)])
    linked = set(re.findall(r"runbook\.md#([\w-]+)", text))
    assert linked == {f"cause-{cause}" for cause in names.CAUSES}
    assert linked <= anchors()


def test_queries_use_only_names_that_exist() -> None:
    """A typo in a metric or label would be an empty panel."""
    found = set()
    for _, expr in dashboard_queries():
        found |= set(re.findall(r"\b(?:together|gen_ai)_\w+", expr))
    known = {metric.prometheus for metric in names.METRICS}
    known |= {label for metric in names.METRICS for label in metric.labels}
    assert found <= known
    assert len(found) > 8


def test_promtool_takes_every_query(tmp_path: Path) -> None:
    """Each query is valid PromQL: promtool reads them as recording rules."""
    rules = [
        {"record": f"test:query_{number}", "expr": expr}
        for number, (_, expr) in enumerate(dashboard_queries())
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", str(path))
