"""For Grafana: dashboards to import, and provisioning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel.cli.export.source import read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.cli.export.source import Source

_DATASOURCE = "together-prometheus"
"""The uid that Prometheus is provisioned with."""


def dashboards(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the dashboards."""
    for name, text in source.dashboards.items():
        yield f"grafana/{name}", text


def provisioning(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the providers of dashboards and data sources."""
    for path, text in read("grafana/provisioning").items():
        uid = source.datasource or _DATASOURCE
        yield f"grafana/provisioning/{path}", text.replace(_DATASOURCE, uid)
