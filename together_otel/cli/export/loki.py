"""For Loki's ruler: alerts on the log events of processes that no scrape has seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel.rules.logs import render_logs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.cli.export.source import Source


def files(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the file of rules."""
    yield "loki/rules.yaml", render_logs(source.options)
