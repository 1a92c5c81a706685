"""For Prometheus, and the rulers of Mimir and Thanos: the files of rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.cli.export.source import Source


def files(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the files of rules."""
    for name, text in source.rules.items():
        yield f"prometheus/{name}", text
