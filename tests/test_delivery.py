"""What `together-otel export` writes, each format by a program or schema of those who read it.

`npm --prefix tools/schemas install` brings the operators' schemas and Loki's grammar.
"""

import asyncio
import json
import logging
import os
import re
import shutil
from pathlib import Path

import prometheus_binaries
import pytest
import yaml
from kubernetes_api import rendered
from processes import run_to_end

import together_otel
from together_otel import names
from together_otel.cli import main
from together_otel.cli.explain.command import entries
from together_otel.cli.export import files as export
from together_otel.cli.export.source import Source
from together_otel.rules import Options
from together_otel.rules.settings import SEVERITIES
from together_otel.settings import DEFAULT_RUNBOOK_URL
from together_otel.testing import TogetherServer, behaviours

ROOT = Path(__file__).parents[1]
CHECK = ROOT / "tools" / "schemas" / "check.mjs"
CHART = ROOT / "dashboards" / "helm"


def texts(*kinds, **settings):
    """Return the text of every file of some kinds by its path."""
    return {file.path.as_posix(): file.text for file in export.files(kinds, **settings)}


def documents(kind):
    """Return what the YAML files of a kind hold."""
    return [yaml.safe_load(text) for text in texts(kind).values()]


def faults(resources=(), logql=()):
    """Return what the schemas and the grammar have against something."""
    if not (shutil.which("node") and (CHECK.parent / "node_modules").is_dir()):
        assert not os.environ.get("CI"), "npm --prefix tools/schemas install"
        pytest.skip("npm --prefix tools/schemas install")
    done = run_to_end(
        ["node", CHECK],
        input=json.dumps({"resources": list(resources), "logql": list(logql)}),
        check=True,
    )
    return done.stdout.splitlines()


# ── resources of the operators ───────────────────────────────────────────────────────


def test_the_operators_take_their_resources():
    """Nothing is missing, misspelt or of the wrong type."""
    resources = [*documents("kubernetes"), *documents("grafana-operator")]
    assert {one["kind"] for one in resources} == {
        *("PrometheusRule", "AlertmanagerConfig", "GrafanaDashboard")
    }
    (config,) = (one for one in resources if one["kind"] == "AlertmanagerConfig")
    # Any object is taken for a route below a route; it is one as that above it.
    below = config["spec"]["route"].pop("routes")
    resources += [{**config, "spec": {**config["spec"], "route": one}} for one in below]
    assert faults(resources) == []


def test_a_fault_of_a_resource_is_found():
    """A misspelt field passes the schemas; the test sees it all the same."""
    (rules, *_) = documents("kubernetes")
    rule = rules["spec"]["groups"][0]["rules"][0]
    rule["fro"] = "5m"
    assert faults([rules]) == [
        "PrometheusRule together-otel: unknown field /spec/groups/0/rules/0/fro"
    ]
    del rule["expr"]
    (found,) = faults([rules])
    assert "must have required property expr" in found


def test_dashboards_of_the_operator_are_the_dashboards():
    made = [json.loads(one["spec"]["json"]) for one in documents("grafana-operator")]
    assert made == [json.loads(text) for text in texts("dashboards").values()]
    assert [one["metadata"]["name"] for one in documents("grafana-operator")] == [
        one["uid"] for one in made
    ]


def test_victoriametrics_resource():
    """Its fields are those that its operator documents; no schema of it can be had."""
    (made,) = documents("victoriametrics")
    rules = [yaml.safe_load(text) for text in texts("rules").values()]
    assert (made["apiVersion"], made["kind"]) == ("operator.victoriametrics.com/v1beta1", "VMRule")
    groups = made["spec"].pop("groups")
    assert made["spec"] == {}
    quick = [group for group in groups if group.get("interval") == "5s"]
    assert [group["name"] for group in quick] == ["together_auth", "together_requests_failing"]
    for group in quick:
        del group["interval"]
    assert groups == [one for file in rules for one in file["groups"]]
    known = {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}
    for group in groups:
        assert set(group) <= {"name", "interval", "rules"}
        assert all(set(rule) <= known for rule in group["rules"])


# ── routes ───────────────────────────────────────────────────────────────────────────

NAMES = {"clientURL": "client_url", "pagerDutyLinkConfigs": "links", "alt": "text"}
FILES = {"routingKey": "routing_key_file", "apiURL": "api_url_file"}


def alertmanager_of(value):
    """Return an AlertmanagerConfig's spec as prometheus-operator hands it to Alertmanager."""
    if isinstance(value, list):
        return [alertmanager_of(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, one in value.items():
        snake = re.sub(r"[A-Z]", lambda upper: f"_{upper[0].lower()}", key)
        if key in FILES:
            made[FILES[key]] = f"/etc/alertmanager/secrets/{one['key']}"
        elif key == "details":
            made[key] = {pair["key"]: pair["value"] for pair in one}
        elif key in {"matchers", "sourceMatch", "targetMatch"}:
            made[snake.removesuffix("ers").removesuffix("_match") + "_matchers"] = [
                f'{each["name"]}{each["matchType"]}"{each["value"]}"' for each in one
            ]
        else:
            made[NAMES.get(key, snake)] = alertmanager_of(one)
    return {("matchers" if key == "match_matchers" else key): one for key, one in made.items()}


def test_the_operators_routes_are_alertmanagers(tmp_path):
    """The same routes, inhibitions and receivers; the texts need no templates beside them."""
    spec = next(one for one in documents("kubernetes") if one["kind"] == "AlertmanagerConfig")[
        "spec"
    ]
    ours = yaml.safe_load(texts("alertmanager")["alertmanager/alertmanager.yaml"])
    (route,) = ours["route"]["routes"]
    assert alertmanager_of(spec["route"]) == route
    assert alertmanager_of(spec["inhibitRules"]) == ours["inhibit_rules"]
    assert "template" not in str(spec)
    config = {
        "route": {"receiver": "nobody", "routes": [alertmanager_of(spec["route"])]},
        "inhibit_rules": alertmanager_of(spec["inhibitRules"]),
        "receivers": [{"name": "nobody"}, *alertmanager_of(spec["receivers"])],
    }
    path = tmp_path / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(config))
    prometheus_binaries.run("amtool", "check-config", path)


def test_the_namespaces_trap_is_explained():
    text = texts("kubernetes")["kubernetes/alertmanagerconfig.yaml"]
    assert "alertmanagerConfigMatcherStrategy" in text.partition("\napiVersion")[0]


# ── Grafana ──────────────────────────────────────────────────────────────────────────


def test_dashboards_have_the_objective_of_the_rules():
    source = Source(Options(objective=0.999))
    board = json.loads(source.dashboards["requests.json"])
    (objective,) = (one for one in board["templating"]["list"] if one["name"] == "objective")
    assert objective["query"] == "0.999"


def test_dashboards_join_by_the_labels_of_the_rules():
    """Scraped series with what is recorded of them, which has no others."""
    boards = Source(Options(group_by=("team", "job"))).dashboards
    assert "on (team, job, instance)" in boards["authentication.json"]
    assert "namespace, job" not in str(boards)


@pytest.mark.parametrize("name", ["authentication", "fleet", "requests"])
def test_files_for_grafana_com(name):
    """The data source is asked for; every kind of panel and data source is declared."""
    board = json.loads(texts("grafana-com")[f"grafana.com/{name}.json"])
    ours = json.loads(texts("dashboards")[f"grafana/{name}.json"])
    (asked,) = board.pop("__inputs")
    assert (asked["name"], asked["pluginId"]) == ("DS_PROMETHEUS", "prometheus")
    required = {(one["type"], one["id"]) for one in board.pop("__requires")}
    panels = [inner for panel in board["panels"] for inner in (panel, *panel.get("panels", ()))]
    assert required == {
        ("grafana", "grafana"),
        ("datasource", "prometheus"),
        *(("panel", one["type"]) for one in panels if one["type"] != "row"),
    }
    assert board.pop("__elements") == {}
    # Grafana puts the chosen one's uid for what is asked for, wherever it stands.
    assert "${DS_PROMETHEUS}" in json.dumps(board)
    (variable,) = (one for one in board["templating"]["list"] if one["query"] == "prometheus")
    (before,) = (one for one in ours["templating"]["list"] if one["query"] == "prometheus")
    assert variable.pop("current")["value"] == "${DS_PROMETHEUS}"
    before.pop("current", None)
    assert board == ours


# ── jsonnet ──────────────────────────────────────────────────────────────────────────


def evaluated(folder, config="{}"):
    """Return what a mixin is, with a configuration."""
    jsonnet = pytest.importorskip("_jsonnet")
    made = f"(import '{folder}/mixin.libsonnet') + {{ _config+:: {config} }}"
    fields = ("prometheusAlerts", "prometheusRules", "grafanaDashboards")
    shown = ", ".join(f"{field}: made.{field}" for field in fields)
    found = json.loads(jsonnet.evaluate_snippet("mixin", f"local made = {made}; {{ {shown} }}"))
    return [found[field] for field in fields]


@pytest.fixture(scope="module")
def mixin(tmp_path_factory):
    """A folder that holds the mixin."""
    folder = tmp_path_factory.mktemp("mixin")
    assert main(["export", str(folder), "--only", "mixin"]) == 0
    return folder / "mixin"


def test_the_mixin_holds_rules_and_dashboards(mixin):
    """As they are where nothing is configured."""
    alerts, recording, boards = evaluated(mixin)
    rules = [yaml.safe_load(text) for text in texts("rules").values()]
    assert [alerts, recording] == rules
    assert boards == {
        Path(path).name: json.loads(text) for path, text in texts("dashboards").items()
    }


def alerts_of(groups):
    """Return alerts by name."""
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def test_the_mixins_configuration(mixin):
    """Severities, an alert left out, labels, addresses and tags."""
    config = """{
        severities+: { TogetherAuthFailure: 'none', TogetherAuthFailing: 'sev1' },
        alertLabels+: { team: 'ml' },
        runbookURL: 'https://wiki.example/together',
        dashboardTags: ['ml'],
    }"""
    given, _, boards = evaluated(mixin, config)
    usual, *_ = evaluated(mixin)
    changed, before = alerts_of(given["groups"]), alerts_of(usual["groups"])
    assert set(before) - set(changed) == {"TogetherAuthFailure"}
    assert changed["TogetherAuthFailing"]["labels"]["severity"] == "sev1"
    for name, alert in changed.items():
        assert alert["labels"]["team"] == "ml"
        runbook = alert["annotations"]["runbook_url"]
        assert runbook == f"https://wiki.example/together#{name.lower()}"
    for board in boards.values():
        assert board["tags"] == board["links"][0]["tags"] == ["ml"]
        assert DEFAULT_RUNBOOK_URL not in json.dumps(board)


# ── Helm ─────────────────────────────────────────────────────────────────────────────


def test_helm_lints_the_chart(tmp_path):
    """Its templates are rendered with the values as they are, and those are of their schema."""
    helm = pytest.importorskip("helm_sdkpy")
    assert main(["export", str(tmp_path), "--only", "helm"]) == 0
    chart = tmp_path / "helm" / "together-otel"

    def lint():
        return asyncio.run(helm.Lint(helm.Configuration()).run(str(chart)))

    found = lint()
    assert (found["TotalChartsLinted"], found["Errors"], found["Messages"]) == (1, None, None)
    values = chart / "values.yaml"
    values.write_text(values.read_text("utf-8").replace("interval:", "intervall:"))
    assert lint()["Errors"]


def test_what_helm_installs(tmp_path):
    """The rules, the dashboards and the scrape, as the values want them."""
    helm = pytest.importorskip("helm_sdkpy")
    assert main(["export", str(tmp_path), "--only", "helm"]) == 0
    chart = tmp_path / "helm" / "together-otel"
    severities = {"TogetherAuthFailure": "none", "TogetherAuthFailing": "sev1"}
    wiki = "https://wiki.example/together"
    made = rendered(helm, chart, tmp_path, rules={"severities": severities, "runbookUrl": wiki})
    *boards, rules, monitor = sorted(made, key=lambda one: one["kind"])
    assert faults([rules, monitor]) == []
    given = alerts_of(rules["spec"]["groups"])
    ours = [yaml.safe_load(text) for text in texts("rules").values()]
    usual = alerts_of([group for file in ours for group in file["groups"]])
    assert set(usual) - set(given) == {"TogetherAuthFailure"}
    assert given["TogetherAuthFailing"]["labels"]["severity"] == "sev1"
    for name, alert in given.items():
        assert alert["expr"] == usual[name]["expr"]
        assert alert["annotations"]["runbook_url"] == f"{wiki}#{name.lower()}"
    assert {one["metadata"]["labels"]["grafana_dashboard"] for one in boards} == {"1"}
    shown = [json.loads(text) for one in boards for text in one["data"].values()]
    assert shown == [json.loads(text) for text in texts("dashboards").values()]
    assert monitor["spec"]["endpoints"] == [
        {"port": "metrics", "path": "/metrics", "interval": "15s"}
    ]


def test_the_chart_is_of_this_release():
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = (ROOT / "pyproject.toml").read_text("utf-8")
    assert f'\nversion = "{chart["version"]}"\n' in project
    assert chart["appVersion"] == chart["version"]


def test_the_charts_runbook_is_that_of_its_rules():
    """The value is put in its place, wherever the rules lead to."""
    made = texts("helm", runbook_url="https://wiki.example/together")
    chart, values = (
        yaml.safe_load(made[f"helm/together-otel/{name}"]) for name in ("Chart.yaml", "values.yaml")
    )
    assert chart["annotations"]["together-otel/runbook"] == values["rules"]["runbookUrl"]
    assert values["rules"]["runbookUrl"] in made["helm/together-otel/rules/alerts.yaml"]


# ── Loki ─────────────────────────────────────────────────────────────────────────────


def log_rules():
    """Return Loki's rules by name."""
    ((file),) = documents("loki")
    return alerts_of(file["groups"])


def test_loki_reads_the_rules():
    """By its own grammar; and a fault would be seen."""
    expressions = [rule["expr"] for rule in log_rules().values()]
    assert faults(logql=expressions) == []
    assert faults(logql=[expressions[0].replace("count_over_time(", "count_over_time((")])


def selected(expr, lines):
    """Return the labels of the lines that the first selector of a LogQL expression counts."""
    stages = re.findall(r'(\|=|!=|\|~|regexp) "((?:[^"\\]|\\.)*)"', expr.partition("unless")[0])
    tests = {
        "|=": lambda text, line: text in line,
        "!=": lambda text, line: text not in line,
        "|~": lambda text, line: re.search(text, line) is not None,
        "regexp": lambda _text, _line: True,
    }
    (pattern,) = (text for kind, text in stages if kind == "regexp")
    return [
        re.search(pattern, line).groupdict()
        for line in lines
        if all(tests[kind](text, line) for kind, text in stages)
    ]


@pytest.fixture
def logged(caplog, monkeypatch):
    """Lines of a missing key, of a refused one of the environment's, and of a caller's."""
    together = pytest.importorskip("together")
    monkeypatch.delenv("TOGETHER_API_KEY", raising=False)
    caplog.set_level(logging.INFO, "together_otel")
    messages = [{"role": "user", "content": "Hello"}]
    good = "tgp_" + "v1_" + "aB3_" * 10 + "abc"
    together_otel.instrument(log_interval=0)
    try:
        with pytest.raises(together.TogetherError):
            together.Together()
        with TogetherServer() as server:
            server.always(behaviours.refuse())
            monkeypatch.setenv("TOGETHER_API_KEY", good)
            for given in ({}, {"api_key": good.swapcase()}):
                client = together.Together(base_url=server.base_url, max_retries=0, **given)
                with client, pytest.raises(together.AuthenticationError):
                    client.chat.completions.create(model="m", messages=messages)
    finally:
        together_otel.uninstrument()
    return [f"2026-11-29 03:12:00 {record.getMessage()}" for record in caplog.records]


def test_lines_that_the_rules_of_loki_count(logged):
    """A page is of the process's own key; a ticket of any."""
    label = names.label_of(names.AUTH_CAUSE)
    page, ticket = log_rules().values()
    assert [one[label] for one in selected(page["expr"], logged)] == ["missing", "rejected"]
    assert len(selected(ticket["expr"], logged)) == 3
    recovered = [f"{line} {_short(names.RECOVERY_OUTCOME)}=recovered" for line in logged]
    assert selected(ticket["expr"], recovered) == []


def _short(attribute):
    return attribute.removeprefix("together.")


def test_alerts_of_logs_have_labels_as_those_of_metrics():
    """So that routes and inhibitions hold for them as well."""
    for name, rule in log_rules().items():
        assert name.startswith("Together")
        assert "sum by (cluster, namespace, job, together_auth_cause)" in rule["expr"]
        assert rule["annotations"]["runbook_url"] == f"{DEFAULT_RUNBOOK_URL}#{name.lower()}"
        assert name in entries()


# ── the runbook ──────────────────────────────────────────────────────────────────────


def test_the_runbook_is_exported():
    assert texts("runbook")["runbook.md"] == (ROOT / "dashboards" / "runbook.md").read_text("utf-8")


@pytest.mark.parametrize("asked", ["revoked", "TogetherAuthFailing", "togetherauthfailing"])
def test_explain(asked, capsys):
    """It prints the entry, whole."""
    assert main(["explain", asked]) == 0
    said = capsys.readouterr().out
    assert said.splitlines()[0].lower() == f"# {asked.lower()}"
    assert re.findall(r"^\*\*(.+?)\.\*\*", said, re.MULTILINE) == [
        *("Meaning", "Certainty", "Check", "Run", "Fix", "Confirm")
    ]


def test_explain_what_there_is(capsys):
    """Every cause and every alert has an entry; a wrong name lists them."""
    assert main(["explain"]) == 0
    listed = capsys.readouterr().out.split()
    assert set(listed) == {*names.CAUSES, *SEVERITIES, *log_rules()}
    with pytest.raises(SystemExit) as stopped:
        main(["explain", "nonsense"])
    assert stopped.value.code == 64
    assert ", ".join(listed) in " ".join(capsys.readouterr().err.split())


def test_every_format_with_rules_is_for_the_jobs_that_are_given():
    """Whatever reads them."""
    source = Source(Options(jobs="shop"))
    for kind, one in export.FORMATS.items():
        if kind not in {"dashboards", "grafana-com", "grafana-operator"}:
            made = "".join(one.make(source).values()).replace('\\"', '"')
            assert ('=~"shop"' in made) == ("job" in one.takes), kind
