"""The files to import: dashboards, rules, and configuration of Grafana and Alertmanager.

A wheel contains them as data; in a checkout they are read from ``dashboards/``.
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

from together_otel.rules import Options, render_alerts, render_recording
from together_otel.settings import DEFAULT_RUNBOOK_URL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

Kind = Literal["dashboards", "rules", "alertmanager", "grafana-provisioning", "kubernetes"]

KINDS: tuple[Kind, ...] = get_args(Kind)

NEXT_STEPS: dict[Kind, str] = {
    "dashboards": "import into Grafana, or put into a folder that it provisions from",
    "rules": "name in rule_files of Prometheus, or load into the ruler of Mimir or Thanos",
    "alertmanager": "fill in the receivers and Grafana's address, then start Alertmanager with it",
    "grafana-provisioning": "fill in the URLs, then mount as /etc/grafana/provisioning",
    "kubernetes": "kubectl apply -f, where prometheus-operator runs",
}
"""Where files go, by their kind."""

_RULES = ("alerts.yaml", "recording.yaml")
_ALERTMANAGER = ("alertmanager.yaml", "templates/together.tmpl")
_PROVISIONING = ("dashboards/together.yaml", "datasources/together.yaml")
_DATASOURCE = "together-prometheus"
"""The uid that Prometheus is provisioned with."""

_MANIFEST = """\
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


class File(NamedTuple):
    """One file: its path is below the folder that it is written into."""

    kind: Kind
    path: Path
    text: str


class FilesExist(Exception):  # noqa: N818 - it is not an error by itself, as FileExistsError
    """``args`` are the files that would be overwritten; nothing was written."""


def files(
    kinds: Collection[Kind] = KINDS,
    *,
    runbook_url: str = DEFAULT_RUNBOOK_URL,
    datasource: str | None = None,
    jobs: Sequence[str] = (),
) -> list[File]:
    """Return the files of some kinds.

    Args:
        kinds: which.
        runbook_url: where the runbook is, without an anchor; of characters that are themselves
            in YAML, JSON, Markdown and a Prometheus template.
        datasource: uid of the Prometheus data source that dashboards begin with, ``None`` for
            Grafana's default one. Another can still be chosen. The data source that is
            provisioned has it too.
        jobs: names of the jobs that the rules are for, all by default; dashboards begin with them.
            Of characters that are themselves in YAML, JSON and PromQL.
    """
    return [
        File(kind, path, text.replace(DEFAULT_RUNBOOK_URL, runbook_url))
        for kind, path, text in _all(datasource, jobs)
        if kind in kinds
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


def _all(datasource: str | None, jobs: Sequence[str]) -> Iterator[File]:
    for path in sorted((_shipped() / "grafana").glob("*.json")):
        text = path.read_text(encoding="utf-8")
        if datasource is not None or jobs:
            text = _beginning_with(text, datasource, jobs)
        yield File("dashboards", Path("grafana", path.name), text)
    rules = _rules(jobs)
    for path, text in rules.items():
        yield File("rules", path, text)
    for path, text in _read("alertmanager", _ALERTMANAGER).items():
        yield File("alertmanager", path, text)
    for path, text in _read("grafana/provisioning", _PROVISIONING).items():
        yield File(
            "grafana-provisioning", path, text.replace(_DATASOURCE, datasource or _DATASOURCE)
        )
    yield File("kubernetes", Path("kubernetes", "prometheusrule.yaml"), _manifest(rules.values()))


def _read(folder: str, names: Iterable[str]) -> dict[Path, str]:
    return {
        Path(folder, name): (_shipped() / folder / name).read_text(encoding="utf-8")
        for name in names
    }


def _shipped() -> Path:
    """Return the folder that holds what is generated: a wheel's data, or a checkout's."""
    package = Path(__file__).parents[2]
    data = package / "_data"
    return data if data.is_dir() else package.parent / "dashboards"


def _rules(jobs: Sequence[str]) -> dict[Path, str]:
    if not jobs:
        return _read("prometheus", _RULES)
    options = Options(jobs="|".join(job.replace(".", "[.]") for job in jobs))
    made = (render_alerts(options), render_recording(options))
    return {Path("prometheus", name): text for name, text in zip(_RULES, made, strict=True)}


def _beginning_with(dashboard: str, datasource: str | None, jobs: Sequence[str]) -> str:
    content: dict[str, Any] = json.loads(dashboard)
    for variable in content["templating"]["list"]:
        if (variable["type"], variable["query"]) == ("datasource", "prometheus") and datasource:
            # Grafana goes by the value; the text would be a name, which is not known here.
            variable["current"] = {"text": datasource, "value": datasource}
        if variable["name"] == "job" and jobs:
            variable["current"] = {"text": list(jobs), "value": list(jobs)}
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def _manifest(rules: Iterable[str]) -> str:
    # YAML in block style may be indented as a whole: it is then the value of the key above it.
    groups = (text.partition("\ngroups:\n")[2] for text in rules)
    return _MANIFEST + textwrap.indent("".join(groups), "  ")
