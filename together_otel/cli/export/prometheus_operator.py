"""For prometheus-operator: the rules as a PrometheusRule, the routes as an AlertmanagerConfig."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel.cli.export.source import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.cli.export.source import Source

_RULES = """\
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


def files(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the manifests."""
    yield "kubernetes/prometheusrule.yaml", source.below(_RULES)
    for name, text in read("kubernetes").items():
        yield f"kubernetes/{name}", source.grouped(text)
