"""Files that are shipped as they are, with rules and dashboards beside them where they need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel.cli.export.source import read, shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from together_otel.cli.export.source import Source


def alertmanager(source: Source) -> Iterator[tuple[str, str]]:
    """Yield Alertmanager's routes and templates."""
    for path, text in read("alertmanager").items():
        yield f"alertmanager/{path}", source.grouped(text)


def mixin(source: Source) -> Iterator[tuple[str, str]]:
    """Yield a jsonnet mixin, as kubernetes-mixin is one."""
    yield from _bundle("mixin", "mixin", source)


def helm(source: Source) -> Iterator[tuple[str, str]]:
    """Yield a Helm chart."""
    yield from _bundle("helm", "helm/together-otel", source)


def runbook(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the runbook."""
    del source
    yield "runbook.md", (shipped() / "runbook.md").read_text(encoding="utf-8")


def _bundle(folder: str, into: str, source: Source) -> Iterator[tuple[str, str]]:
    for path, text in read(folder).items():
        yield f"{into}/{path}", text
    for name, text in source.rules.items():
        yield f"{into}/rules/{name}", text
    for name, text in source.dashboards.items():
        yield f"{into}/dashboards/{name}", text
