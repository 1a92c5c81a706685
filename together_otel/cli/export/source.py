"""What every format is made of: the rules, the dashboards, and the files that are shipped."""

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
    """Return the folder of what is not made at run time: a wheel's data, or a checkout's."""
    package = Path(__file__).parents[2]
    data = package / "_data"
    return data if data.is_dir() else package.parent / "dashboards"


def read(folder: str) -> dict[str, str]:
    """Return the text of every file that is shipped in a folder, by its path from there."""
    root = shipped() / folder
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


@dataclass(frozen=True)
class Source:
    """What the formats are made of.

    Attributes:
        options: of the rules.
        datasource: uid of the Prometheus data source that dashboards begin with, ``None`` for
            Grafana's default one. Another can still be chosen.
        jobs: names of the jobs that dashboards begin with, all by default.
    """

    options: Options = field(default_factory=Options)
    datasource: str | None = None
    jobs: Sequence[str] = ()

    @cached_property
    def rules(self) -> Mapping[str, str]:
        """The files of rules by name."""
        return {
            "alerts.yaml": render_alerts(self.options),
            "recording.yaml": render_recording(self.options),
        }

    def below(self, manifest: str) -> str:
        """Return a manifest that ends in a key ``groups`` of two spaces, with those of both files."""
        groups = "".join(text.partition("\ngroups:\n")[2] for text in self.rules.values())
        # YAML in block style may be indented as a whole: it is then the value of the key above it.
        return manifest + textwrap.indent(groups, "  ")

    def grouped(self, text: str) -> str:
        """Return a file that is shipped, grouping as the rules do."""
        in_a_line = text.replace(", ".join(Options().group_by), ", ".join(self.options.group_by))
        separator = r"(\n +- )"
        below = separator + r"\1".join(Options().group_by)
        return re.sub(
            below, lambda found: "".join(found[1] + one for one in self.options.group_by), in_a_line
        )

    @cached_property
    def dashboards(self) -> Mapping[str, str]:
        """The dashboards' JSON by file name."""
        return {
            name: self._chosen(self.grouped(text))
            for name, text in read("grafana").items()
            if name.endswith(".json")
        }

    def _chosen(self, text: str) -> str:
        content: dict[str, Any] = json.loads(text)
        for variable in content["templating"]["list"]:
            if self.datasource and variable["query"] == "prometheus":
                # Grafana goes by the value; the text would be a name, which is not known here.
                variable["current"] = {"text": self.datasource, "value": self.datasource}
            if variable["name"] == "objective":
                variable["query"] = f"{self.options.objective:g}"
            if self.jobs and variable["name"] == "job":
                variable["current"] = {"text": list(self.jobs), "value": list(self.jobs)}
        return written(content)


def written(content: object) -> str:
    """Return JSON as dashboards are written."""
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
