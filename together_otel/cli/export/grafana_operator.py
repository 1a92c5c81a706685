"""For grafana-operator: a GrafanaDashboard of each dashboard."""

from __future__ import annotations

import json
import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.cli.export.source import Source

_MANIFEST = """\
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


def files(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the manifests."""
    for name, text in source.dashboards.items():
        manifest = _MANIFEST.format(uid=json.loads(text)["uid"])
        path = f"grafana-operator/{name.removesuffix('.json')}.yaml"
        yield path, manifest + textwrap.indent(text, " " * 4)
