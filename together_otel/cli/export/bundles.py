"""Files that are shipped as they are, with rules and dashboards beside them where they need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from together_otel.cli.export.source import read, shipped, written
from together_otel.rules.files import alert_groups, recording_groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from together_otel.cli.export.source import Source
    from together_otel.rules.document import Group, Rule


def alertmanager(source: Source) -> Iterator[tuple[str, str]]:
    """Yield Alertmanager's routes and templates."""
    for path, text in read("alertmanager").items():
        yield f"alertmanager/{path}", source.grouped(text)


def mixin(source: Source) -> Iterator[tuple[str, str]]:
    """Yield a jsonnet mixin, as kubernetes-mixin is one."""
    groups = {"alerts": alert_groups, "recording": recording_groups}
    rules = {
        f"{name}.json": written({"groups": [_plain(group) for group in made(source.options)]})
        for name, made in groups.items()
    }
    # JSON, as jsonnet reads no aliases in YAML.
    yield from _bundle("mixin", "mixin", source, rules)


def helm(source: Source) -> Iterator[tuple[str, str]]:
    """Yield a Helm chart."""
    yield from _bundle("helm", "helm/together-otel", source, source.rules)


def runbook(source: Source) -> Iterator[tuple[str, str]]:
    """Yield the runbook."""
    del source
    yield "runbook.md", (shipped() / "runbook.md").read_text(encoding="utf-8")


def _bundle(
    folder: str, into: str, source: Source, rules: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    for path, text in read(folder).items():
        yield f"{into}/{path}", text
    for name, text in rules.items():
        yield f"{into}/rules/{name}", text
    for name, text in source.dashboards.items():
        yield f"{into}/dashboards/{name}", text


def _plain(group: Group) -> dict[str, object]:
    every = {"name": group.name, "interval": group.interval, "rules": [*map(_rule, group.rules)]}
    return {key: value for key, value in every.items() if value}


def _rule(rule: Rule) -> dict[str, object]:
    every = {
        rule.word: rule.name,
        "expr": rule.expr,
        "for": rule.wait,
        "keep_firing_for": rule.keep,
        "labels": rule.labels,
        "annotations": rule.annotations,
    }
    return {key: value for key, value in every.items() if value}
