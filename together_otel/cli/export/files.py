"""All formats, each in a module of its own, and the writing of their files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from together_otel.cli.export import (
    bundles,
    grafana,
    grafana_com,
    grafana_operator,
    loki,
    prometheus,
    prometheus_operator,
    victoriametrics,
)
from together_otel.cli.export.source import Source
from together_otel.settings import DEFAULT_RUNBOOK_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator


RULES = ("job", "set", "severity", "group_by", "config")
"""Options that change the rules."""


class Format(NamedTuple):
    """One kind of files.

    Attributes:
        make: yields their paths and texts.
        next_step: where they go.
        takes: options of the command that change them.
    """

    make: Callable[[Source], Iterator[tuple[str, str]]]
    next_step: str
    takes: tuple[str, ...] = ()


FORMATS = {
    "dashboards": Format(
        grafana.dashboards,
        "import into Grafana, or put into a folder that it provisions from",
        ("datasource", "job"),
    ),
    "rules": Format(
        prometheus.files,
        "name in rule_files of Prometheus, or load into the ruler of Mimir or Thanos",
        RULES,
    ),
    "alertmanager": Format(
        bundles.alertmanager,
        "fill in the receivers and Grafana's address, then start Alertmanager with it",
        ("group_by", "config"),
    ),
    "grafana-provisioning": Format(
        grafana.provisioning,
        "fill in the URLs, then mount as /etc/grafana/provisioning",
        ("datasource",),
    ),
    "grafana-com": Format(
        grafana_com.files,
        "upload to grafana.com, or import where Grafana is to ask for the data source",
        ("datasource", "job"),
    ),
    "grafana-operator": Format(
        grafana_operator.files,
        "kubectl apply -f, where grafana-operator runs",
        ("datasource", "job"),
    ),
    "kubernetes": Format(
        prometheus_operator.files,
        "fill in the receivers, then kubectl apply -f, where prometheus-operator runs",
        RULES,
    ),
    "victoriametrics": Format(
        victoriametrics.files,
        "kubectl apply -f, where VictoriaMetrics' operator runs",
        RULES,
    ),
    "helm": Format(
        bundles.helm,
        "helm install together-otel, with values.yaml changed where you need it otherwise",
        ("datasource", *RULES),
    ),
    "mixin": Format(
        bundles.mixin,
        "import mixin.libsonnet, with _config changed where you need it otherwise",
        ("datasource", *RULES),
    ),
    "loki": Format(
        loki.files,
        "put into a folder of Loki's ruler, one for each tenant",
        RULES,
    ),
    "runbook": Format(
        bundles.runbook,
        "put where your team looks, and export again with its address as --runbook-url",
    ),
}
"""By the word for `--only`."""


class File(NamedTuple):
    """One file: its path is below the folder that it is written into."""

    kind: str
    path: Path
    text: str


class FilesExist(Exception):  # noqa: N818 - it is not an error by itself, as FileExistsError
    """``args`` are the files that would be overwritten; nothing was written."""


def files(
    kinds: Collection[str] = tuple(FORMATS),
    source: Source | None = None,
    *,
    runbook_url: str = DEFAULT_RUNBOOK_URL,
) -> list[File]:
    """Return the files of some kinds.

    Args:
        kinds: which.
        source: what they are made of, by default what is shipped.
        runbook_url: where the runbook is, without an anchor; of characters that are themselves
            in YAML, JSON, Markdown and a Prometheus template.
    """
    source = source or Source()
    return [
        File(kind, Path(path), text.replace(DEFAULT_RUNBOOK_URL, runbook_url))
        for kind, one in FORMATS.items()
        if kind in kinds
        for path, text in one.make(source)
    ]


def write_files(made: Iterable[File], folder: Path, *, force: bool = False) -> None:
    """Write files into a folder, which is created if it is missing.

    Raises:
        FilesExist: when one exists and is not to be overwritten, by ``force``.
        OSError: when one cannot be written.
    """
    texts = {folder / path: text for _, path, text in made}
    if not force and (taken := [path for path in texts if path.exists()]):
        raise FilesExist(*taken)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
