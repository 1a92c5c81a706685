"""The alert rules: lint, unit tests, names and links."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import prometheus_binaries
import pytest
import yaml

from together_otel import names

ROOT = Path(__file__).parents[2]
RULES = ROOT / "dashboards" / "prometheus" / "alerts.yaml"
RUNBOOK = ROOT / "dashboards" / "runbook.md"
sys.path.insert(0, str(ROOT / "dashboards"))

import build  # noqa: E402 - found by the path above


def promtool(*arguments: str, cwd: Path = ROOT) -> str:
    """Run promtool; return what it says, and fail with it."""
    done = subprocess.run(
        [prometheus_binaries.require("promtool"), *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    return said


def anchors() -> set[str]:
    """Return the anchors of the runbook's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", RUNBOOK.read_text(encoding="utf-8"), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def test_generated_files_are_up_to_date() -> None:
    """Run `python dashboards/build.py` when this fails."""
    for path, text in build.outputs().items():
        assert path.read_text(encoding="utf-8") == text, path.name


@pytest.mark.skipif(sys.version_info < (3, 11), reason="Grafana's builder needs Python 3.11")
def test_the_dashboards_are_among_the_generated_files() -> None:
    """Where their builder can be installed, leaving it out would compare nothing."""
    if not os.environ.get("CI"):
        pytest.importorskip("grafana_foundation_sdk", reason="install the group lint")
    assert {path.suffix for path in build.outputs()} == {".yaml", ".json"}


def test_lint() -> None:
    assert "4 rules found" in promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


def test_each_fires_and_does_not_fire(tmp_path: Path) -> None:
    """The rules pass unit tests of their own, run by promtool."""
    shutil.copy(RULES, tmp_path)
    shutil.copy(Path(__file__).parent / "alerts_test.yaml", tmp_path)
    promtool("test", "rules", "alerts_test.yaml", cwd=tmp_path)


def test_every_alert_has_what_a_person_needs() -> None:
    """Summary, cause, remedy, severity, and a link to an entry that exists."""
    (group,) = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    assert len(group["rules"]) == 4
    for rule in group["rules"]:
        notes = rule["annotations"]
        assert "{{ $labels.job }}" in notes["summary"]
        assert "{{ $labels.together_auth_cause }}" in notes["description"]
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert notes["runbook_url"].partition("#")[2] in anchors()


def test_every_cause_has_an_entry_in_the_runbook() -> None:
    """The log event's link leads there."""
    assert {f"cause-{cause}" for cause in names.CAUSES} <= anchors()


def test_rules_use_only_names_that_exist() -> None:
    """Metrics and labels are the contract's, or Prometheus' own."""
    text = " ".join(
        rule["expr"]
        for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
    )
    found = set(re.findall(r"\b(?:together|gen_ai)_\w+", text))
    known = {metric.prometheus for metric in names.METRICS}
    known |= {label for metric in names.METRICS for label in metric.labels}
    assert found <= known
    assert found
