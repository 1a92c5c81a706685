"""Sources of all formats: rules, dashboards and shipped files."""

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from together_otel.rules import Options, render_alerts, render_recording


def shipped() -> Path:
    """Return the folder of files that are not generated at run time, in a wheel or a checkout."""
    package = Path(__file__).parents[2]
    data = package / "_data"
    return data if data.is_dir() else package.parent / "dashboards"


def read(folder: str) -> dict[str, str]:
    """Return the texts of all files in a shipped folder, by their paths in it."""
    root = shipped() / folder
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@dataclass(frozen=True)
class Source:
    """Source of all formats: the rules' options, and what dashboards select initially."""

    options: Options = field(default_factory=Options)
    datasource: str | None = None
    jobs: Sequence[str] = ()

    @cached_property
    def rules(self) -> Mapping[str, str]:
        """Texts of the rule files by name."""
        return {
            "alerts.yaml": render_alerts(self.options),
            "recording.yaml": render_recording(self.options),
        }

    def below(self, manifest: str) -> str:
        """Add both files' groups to a manifest that ends in the key ``groups``, at two spaces."""
        groups = "".join(text.partition("\ngroups:\n")[2] for text in self.rules.values())
        # Block-style YAML that is indented as a whole becomes the value of the key above it.
        return manifest + textwrap.indent(groups, "  ")

    def grouped(self, text: str) -> str:
        """Return a shipped file's text with the labels that the rules group by."""
        in_a_line = text.replace(", ".join(Options().group_by), ", ".join(self.options.group_by))
        separator = r"(\n +- )"
        below = separator + r"\1".join(Options().group_by)
        return re.sub(
            below, lambda found: "".join(found[1] + one for one in self.options.group_by), in_a_line
        )

    @cached_property
    def dashboards(self) -> Mapping[str, str]:
        """JSON of the dashboards by file name."""
        return {
            name: self._chosen(self.grouped(text))
            for name, text in read("grafana").items()
            if name.endswith(".json")
        }

    def _chosen(self, text: str) -> str:
        content: dict[str, Any] = json.loads(text)
        for variable in content["templating"]["list"]:
            if self.datasource and variable["query"] == "prometheus":
                # Grafana uses the value. The text would be the data source's name, which is unknown.
                variable["current"] = {"text": self.datasource, "value": self.datasource}
            if variable["name"] == "objective":
                variable["query"] = f"{self.options.objective:g}"
            if self.jobs and variable["name"] == "job":
                variable["current"] = {"text": list(self.jobs), "value": list(self.jobs)}
        return written(content)


def written(content: object) -> str:
    """Return JSON in the layout of the dashboard files."""
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
