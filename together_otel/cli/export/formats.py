"""Export formats: their files, their next steps, and the options that they take."""

import json
import textwrap
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from together_otel.cli.export.source import Source, read, shipped, written
from together_otel.rules import alert_groups, recording_groups
from together_otel.rules.document import Group, Rule
from together_otel.rules.logs import render_logs

Texts = Mapping[str, str]
"""Texts of files by path."""


_DATASOURCE = "together-prometheus"
"""UID of the Prometheus data source that is provisioned in Grafana."""
_INPUT = "${DS_PROMETHEUS}"
_GRAFANA = "11.6.0"
"""Grafana release whose JSON model the dashboards use."""

_DASHBOARD = """\
apiVersion: grafana.integreatly.org/v1beta1
kind: GrafanaDashboard
metadata:
  name: {uid}
spec:
  # The labels of your Grafana resource. For one in another namespace, add
  # allowCrossNamespaceImport: true.
  instanceSelector:
    matchLabels:
      dashboards: grafana
  folder: Together
  json: |
"""

_PROMETHEUSRULE = """\
# Written by together-otel export: all rules, for prometheus-operator. Made for scrape and
# evaluation intervals of 15 s.
#
# By the labels prometheus and role kube-prometheus selects rules, by release the chart
# kube-prometheus-stack: its value is to be the name of your release.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: together-otel
  labels:
    app.kubernetes.io/name: together-otel
    prometheus: k8s
    release: kube-prometheus-stack
    role: alert-rules
spec:
  groups:
"""

_VMRULE = """\
# Written by together-otel export: all rules, for VictoriaMetrics' operator. A VMAlert takes them
# by its ruleSelector; one with selectAllByDefault takes all.
#
# The groups that page are evaluated every 5 s: vmalert writes what a rule records only after it has
# evaluated the group, so that an alert comes one interval later for each series that it is made of.
apiVersion: operator.victoriametrics.com/v1beta1
kind: VMRule
metadata:
  name: together-otel
  labels:
    app.kubernetes.io/name: together-otel
spec:
  groups:
"""


def _in(folder: str, texts: Texts) -> Texts:
    return {f"{folder}/{name}": text for name, text in texts.items()}


def _routes(folder: str, source: Source) -> Texts:
    return {path: source.grouped(text) for path, text in read(folder).items()}


def _provisioning(source: Source) -> Texts:
    uid = source.datasource or _DATASOURCE
    files = read("grafana/provisioning")
    return {path: text.replace(_DATASOURCE, uid) for path, text in files.items()}


def _vmrule(source: Source) -> str:
    text = source.below(_VMRULE)
    for group in alert_groups(source.options):
        if not group.interval and any(one.labels.get("severity") == "page" for one in group.rules):
            name = f"  - name: {group.name}\n"
            text = text.replace(name, f"{name}    interval: 5s\n")
    return text


def _grafana_com(board: dict[str, Any]) -> dict[str, Any]:
    """Return a dashboard whose data source is an input of the import."""
    rows = [panel for row in board["panels"] for panel in row.get("panels", ())]
    kinds = {panel["type"] for panel in (*board["panels"], *rows)} - {"row"}
    for variable in board["templating"]["list"]:
        if variable["query"] == "prometheus":
            variable["current"] = {"text": _INPUT, "value": _INPUT}
    prometheus = {"id": "prometheus", "name": "Prometheus"}
    return {
        **board,
        "__inputs": [
            {
                "name": _INPUT.strip("${}"),
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


def _grafana_operator(source: Source) -> Texts:
    return {
        f"{name.removesuffix('.json')}.yaml": _DASHBOARD.format(uid=json.loads(text)["uid"])
        + textwrap.indent(text, " " * 4)
        for name, text in source.dashboards.items()
    }


def _bundle(folder: str, source: Source, rules: Texts) -> Texts:
    """Return the shipped files of a folder, with rules and dashboards in folders below."""
    return {**read(folder), **_in("rules", rules), **_in("dashboards", source.dashboards)}


def _mixin_rules(source: Source) -> Texts:
    """Return the rule files as JSON, as jsonnet does not support YAML aliases."""
    groups = {"alerts": alert_groups, "recording": recording_groups}
    return {
        f"{name}.json": written({"groups": [_plain(group) for group in made(source.options)]})
        for name, made in groups.items()
    }


def _plain(group: Group) -> dict[str, object]:
    return _filled(name=group.name, interval=group.interval, rules=[*map(_rule, group.rules)])


def _rule(rule: Rule) -> dict[str, object]:
    more = {"for": rule.wait, "keep_firing_for": rule.keep, rule.word: rule.name}
    return _filled(expr=rule.expr, labels=rule.labels, annotations=rule.annotations, **more)


def _filled(**fields: object) -> dict[str, object]:
    return {key: value for key, value in fields.items() if value}


class Format(NamedTuple):
    """An export format: its texts by path, the next step, and the options that affect them."""

    make: Callable[[Source], Texts]
    next_step: str
    takes: tuple[str, ...] = ()


RULES = ("job", "set", "severity", "group_by", "config")
"""Options that affect the rules."""
_BOARDS = ("datasource", "job")

FORMATS = {
    "dashboards": Format(
        lambda source: _in("grafana", source.dashboards),
        "import into Grafana, or put into a folder that it provisions from",
        _BOARDS,
    ),
    "rules": Format(
        lambda source: _in("prometheus", source.rules),
        "name in rule_files of Prometheus, or load into the ruler of Mimir or Thanos",
        RULES,
    ),
    "alertmanager": Format(
        lambda source: _in("alertmanager", _routes("alertmanager", source)),
        "fill in the receivers and Grafana's address, then start Alertmanager with it",
        ("group_by", "config"),
    ),
    "grafana-provisioning": Format(
        lambda source: _in("grafana/provisioning", _provisioning(source)),
        "fill in the URLs, then mount as /etc/grafana/provisioning",
        ("datasource",),
    ),
    "grafana-com": Format(
        lambda source: {
            f"grafana.com/{name}": written(_grafana_com(json.loads(text)))
            for name, text in source.dashboards.items()
        },
        "upload to grafana.com, or import if Grafana should ask for the data source",
        _BOARDS,
    ),
    "grafana-operator": Format(
        lambda source: _in("grafana-operator", _grafana_operator(source)),
        "kubectl apply -f, where grafana-operator runs",
        _BOARDS,
    ),
    "kubernetes": Format(
        lambda source: {
            "kubernetes/prometheusrule.yaml": source.below(_PROMETHEUSRULE),
            **_in("kubernetes", _routes("kubernetes", source)),
        },
        "fill in the receivers, then kubectl apply -f, where prometheus-operator runs",
        RULES,
    ),
    "victoriametrics": Format(
        lambda source: {"victoriametrics/vmrule.yaml": _vmrule(source)},
        "kubectl apply -f, where VictoriaMetrics' operator runs",
        RULES,
    ),
    "helm": Format(
        lambda source: _in("helm/together-otel", _bundle("helm", source, source.rules)),
        "adapt values.yaml if needed, then helm install together-otel",
        ("datasource", *RULES),
    ),
    "mixin": Format(
        lambda source: _in("mixin", _bundle("mixin", source, _mixin_rules(source))),
        "import mixin.libsonnet, and override _config if needed",
        ("datasource", *RULES),
    ),
    "loki": Format(
        lambda source: {"loki/rules.yaml": render_logs(source.options)},
        "put into a folder of Loki's ruler, one for each tenant",
        RULES,
    ),
    "runbook": Format(
        lambda _: {"runbook.md": (shipped() / "runbook.md").read_text(encoding="utf-8")},
        "publish it for your team, and export again with its URL as --runbook-url",
    ),
}
"""Formats by their name for ``--only``."""
