"""For VictoriaMetrics' operator: the rules as a VMRule. Its vmalert also reads Prometheus' files."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.cli.export.source import Source

_MANIFEST = """\
# Written by together-otel export: all rules, for VictoriaMetrics' operator. A VMAlert takes them
# by its ruleSelector; one with selectAllByDefault takes all.
apiVersion: operator.victoriametrics.com/v1beta1
kind: VMRule
metadata:
  name: together-otel
  labels:
    app.kubernetes.io/name: together-otel
spec:
  groups:
"""


def files(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the manifest."""
    yield "victoriametrics/vmrule.yaml", source.below(_MANIFEST)
