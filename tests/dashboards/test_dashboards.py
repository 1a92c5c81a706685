"""The dashboards' own promises: what they show, where they lead, which names they use.

Those of any dashboard are in `test_linter`; what the queries find is in the end-to-end tests.
"""

import random
import re
import sys

import pytest
import yaml
from prometheus_binaries import run
from queries import AUTHENTICATION, FOLDER, dashboards, every_query, panels, targets
from test_alerts import ROOT, anchors, rules

from together_otel import names
from together_otel.clients import error_types

sys.path[:0] = [str(ROOT / "dashboards"), str(ROOT / "dashboards" / "preview")]

import night  # noqa: E402 - found by the path above
from rules import records  # noqa: E402 - the same

EVERY = pytest.mark.parametrize("dashboard", dashboards(), ids=lambda one: one["uid"])
OURS = re.compile(r"(?<![\w:])(?:together|gen_ai)_\w+")
RECORDED = re.compile(r"\b\w+:\w+:\w+\b")
PARTS = ("_bucket", "_count", "_sum")
KNOWN = {name for metric in names.METRICS for name in (metric.prometheus, *metric.labels)}


@pytest.fixture
def authentication():
    """The dashboard that alerts lead to."""
    (found,) = (one for one in dashboards() if one["uid"] == AUTHENTICATION)
    return found


def test_uids_are_those_that_alerts_and_links_lead_to():
    """They never change: bookmarks and other people's links would break."""
    assert [one["uid"] for one in dashboards()] == [
        "together-authentication",
        "together-fleet",
        "together-requests",
    ]


@pytest.mark.parametrize("file", ["alerts.yaml", "recording.yaml"])
def test_what_is_recorded_is_used(file):
    """By a panel or by another rule: a series that nobody looks at costs what others do."""
    asked = {name for one in every_query() for name in RECORDED.findall(one.expr)}
    shared = {
        name
        for rule in rules()
        for name in RECORDED.findall(rule["expr"])
        if name != rule.get("record")
    }
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    # Prices are recorded by whoever knows them.
    assert asked - {records.PRICES} <= recorded
    text = (ROOT / "dashboards" / "prometheus" / file).read_text(encoding="utf-8")
    assert {name for name in recorded if f"record: {name}" in text} <= asked | shared


@EVERY
def test_dashboard_imports_anywhere(dashboard):
    """No id of one Grafana's database, no `__inputs` to be asked for, one tag for all."""
    assert dashboard.get("id") is None
    assert "__inputs" not in dashboard
    assert dashboard["title"].startswith("Together / ")
    assert dashboard["schemaVersion"] >= 36
    assert dashboard["tags"] == ["together-otel"]


@EVERY
def test_layout(dashboard):
    """Panels fill rows of 24 columns from the left, and none overlaps another."""
    taken = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    height = max(y for _, y in taken) + 1
    assert len(taken) == 24 * height


@EVERY
def test_descriptions_are_sentences(dashboard):
    assert [one["title"] for one in panels(dashboard) if not one["description"].endswith(".")] == []


@EVERY
def test_links_and_annotation(dashboard):
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
    assert 'job=~"$job"' in annotation["expr"]


def links(panel):
    """Return where a table's cells lead."""
    return [
        link["url"]
        for override in panel["fieldConfig"]["overrides"]
        for one in override["properties"]
        if one["id"] == "links"
        for link in one["value"]
    ]


def test_links_of_cells_lead_to_dashboards_that_exist():
    """With the job, the data source and the time of where one comes from."""
    found = [
        url
        for dashboard in dashboards()
        for panel in panels(dashboard)
        if panel["type"] == "table"
        for url in links(panel)
        if url.startswith("/d/")
    ]
    assert {re.match(r"/d/([\w-]+)", url)[1] for url in found} == {
        "together-authentication",
        "together-requests",
    }
    for url in found:
        assert "${datasource:queryparam}" in url
        assert "var-job=${__" in url
        assert "${__url_time_range}" in url


def test_runbook_links_of_panels_lead_somewhere(authentication):
    """The table of causes has them all; a row of what fails now leads to its own."""
    linked = set(re.findall(r"runbook\.md#([\w-]+\w)\)", str(authentication)))
    assert linked == {f"cause-{cause}" for cause in names.CAUSES}
    assert linked <= anchors()
    assert "runbook.md#cause-${__value.raw}" in str(authentication)


def test_the_runbook_names_panels_that_exist():
    """And dashboards, in italics."""
    text = (ROOT / "dashboards" / "runbook.md").read_text(encoding="utf-8")
    named = set(re.findall(r"(?<!\*)\*([A-Z][\w ,]+)\*(?!\*)", text))
    assert named <= {
        title.removeprefix("Together / ")
        for one in dashboards()
        for title in (one["title"], *(panel["title"] for panel in panels(one)))
    }


def test_the_top_row_asks_what_a_person_on_call_asks(authentication):
    """And what to do comes right below it."""
    top = [one["title"] for one in authentication["panels"] if one["gridPos"]["y"] == 0]
    assert top == ["Is it failing?", "Where?", "Why?", "Since when?", "Which key?", "How much?"]
    below = authentication["panels"][len(top)]
    assert below["title"] == "What to do now"
    (told,) = (
        one["value"][0]["options"]
        for override in below["fieldConfig"]["overrides"]
        if override["matcher"]["options"] == "What to do"
        for one in override["properties"]
        if one["id"] == "mappings"
    )
    assert {cause: one["text"] for cause, one in told.items()} == names.CAUSE_REMEDIES


def test_log_events_are_asked_for_by_name(authentication):
    """In a row that is closed: without Loki nothing fails until it is opened."""
    row = authentication["panels"][-1]
    assert (row["type"], row["collapsed"]) == ("row", True)
    (panel,) = row["panels"]
    (target,) = panel["targets"]
    asked = set(re.findall(r"together[.\w\[\]]+", target["expr"]))
    known = {event.name for event in names.EVENTS}
    assert names.AUTH_FAILED.name in {name.replace("[.]", ".") for name in asked} <= known


def base(name):
    """Return a metric's name without what a histogram's series have on top."""
    for part in PARTS:
        if name.endswith(part):
            return name.removesuffix(part)
    return name


def test_queries_use_only_names_that_exist():
    """A typo in a metric or label would be an empty panel; so would one in a legend or column."""
    for dashboard in dashboards():
        text = str([dashboard["templating"], *panels(dashboard)])
        assert {base(name) for name in OURS.findall(text)} <= KNOWN | {"together_otel"}


def test_values_of_labels_are_of_their_closed_sets():
    """As a typo in a name, one in a value would be an empty panel."""
    sets = {names.AUTH_CAUSE: names.CAUSES, names.REQUEST_OUTCOME: names.OUTCOMES}
    expressions = " ".join(one.expr for one in every_query())
    for attribute, known in sets.items():
        label = names.label_of(attribute)
        for values in re.findall(rf'{label}[=!]~?"([^"]*)"', expressions):
            assert set(values.split("|")) <= set(known)


def test_colours_are_of_values_that_exist():
    """An override of a name that is no value any more colours nothing."""
    known = {*names.CAUSES, *names.OUTCOMES, "none"}
    coloured = {
        override["matcher"]["options"]
        for dashboard in dashboards()
        for panel in panels(dashboard)
        if panel["type"] == "timeseries"
        for override in panel["fieldConfig"]["overrides"]
    }
    assert coloured
    errors = {name for name in coloured - known if name.partition(".")[0] in error_types.PACKAGES}
    assert coloured <= known | errors


def test_every_metric_is_on_a_panel_or_in_an_alert():
    """What nobody looks at need not be counted, but for what users may switch on."""
    text = " ".join([*(rule["expr"] for rule in rules()), *(one.expr for one in every_query())])
    used = {base(name) for name in OURS.findall(text)}
    usual = {*names.OWN_METRICS, *names.LATEST_METRICS} - {*names.CHUNK_METRICS}
    assert [one.name for one in usual if one.prometheus not in used] == []


def test_promtool_takes_every_query(tmp_path):
    """Each query is valid PromQL: promtool reads them as recording rules."""
    asked = [
        {"record": f"test:query_{number}", "expr": query.expr}
        for number, query in enumerate(every_query())
    ]
    path = tmp_path / "rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": asked}]}))
    assert f"{len(asked)} rules found" in run("promtool", "check", "rules", path)


@EVERY
def test_columns_that_are_named_exist(dashboard):
    """What a table's overrides and sorting name is what its columns are renamed to."""
    for panel in panels(dashboard):
        if panel["type"] == "table":
            (shown,) = (
                one["options"]["renameByName"]
                for one in panel["transformations"]
                if one["id"] == "organize"
            )
            named = {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]}
            named |= {one["displayName"] for one in panel.get("options", {}).get("sortBy", ())}
            assert named <= set(shown.values())
            refs = {f"Value #{one['refId']}" for one in targets(panel)}
            values = {name for name in shown if name.startswith("Value")}
            assert values == (refs if len(refs) > 1 else {"Value"})


def test_each_dashboard_has_its_pictures():
    """`dashboards/preview/preview.py` draws them."""
    drawn = {path.name for path in (ROOT / "docs" / "images").glob("*.png")}
    assert drawn >= {
        f"{path.stem}-{moment}.png"
        for path in FOLDER.glob("*.json")
        for moment in ("healthy", "incident")
    }


def test_the_night_of_the_pictures_is_told_in_names_that_exist():
    """It is not drawn in the tests, so that what it is made of has to be looked at by itself."""
    assert {alert for alert, *_ in night.ALERTS} <= {rule.get("alert") for rule in rules()}
    assert {*night.CHANCES, *night.ERRORS} <= set(names.OUTCOMES)
    text, chance = "", random.Random(1)  # noqa: S311 - no secret
    for service in night.SERVICES:
        pod = night.Pod(service, service.pods[0], night.START, chance)
        for moment in (night.HEALTHY, night.INCIDENT):
            pod.live(moment)
        text += " ".join(name for name, _ in pod.samples())
    assert {base(name) for name in OURS.findall(text)} <= KNOWN
    assert names.KEY_LAST_REFUSED.prometheus in text
