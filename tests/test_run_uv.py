"""uv is run with the package indexes that pip is set to, and what the caller set for uv itself."""

import os
import sys
from pathlib import Path

import pytest
from processes import run_to_end

SCRIPT = Path(__file__).parents[1] / "tools" / "run_uv.py"
SETTINGS = """\
[global]
index-url = https://index.example/simple
extra-index-url =
    https://one.example/simple
    https://two.example/simple
find-links = wheels more-wheels
[install]
constraint = constraints.txt
[wheel]
find-links = not-for-installing
"""


@pytest.fixture
def told(tmp_path):
    """Return what uv is started with, which here prints its variables."""
    (tmp_path / "uv.py").write_text("def find_uv_bin():\n    return '/usr/bin/env'\n")
    (tmp_path / "pip.conf").write_text(SETTINGS)

    def told(**more):
        kept = {name: value for name, value in os.environ.items() if "PIP_" not in name}
        kept = {name: value for name, value in kept.items() if not name.startswith(("SSL", "UV"))}
        own = {"PYTHONPATH": str(tmp_path), "PIP_CONFIG_FILE": str(tmp_path / "pip.conf")}
        done = run_to_end([sys.executable, SCRIPT], env=kept | own | more, check=True)
        return dict(line.split("=", 1) for line in done.stdout.splitlines() if "=" in line)

    return told


def test_indexes(told):
    """Several values are written as uv separates them; other commands' sections do not count."""
    variables = told()
    assert variables["UV_DEFAULT_INDEX"] == "https://index.example/simple"
    assert variables["UV_INDEX"] == "https://one.example/simple https://two.example/simple"
    assert variables["UV_FIND_LINKS"] == "wheels,more-wheels"
    assert variables["UV_CONSTRAINT"] == "constraints.txt"
    assert variables["UV_INDEX_STRATEGY"] == "unsafe-best-match"


def test_variables(told):
    """A variable of pip's overrides its file, and one of uv's own both."""
    variables = told(PIP_INDEX_URL="https://other.example/simple", PIP_CERT="ca.pem")
    assert variables["UV_DEFAULT_INDEX"] == "https://other.example/simple"
    assert variables["SSL_CERT_FILE"] == "ca.pem"
    assert told(UV_DEFAULT_INDEX="mine")["UV_DEFAULT_INDEX"] == "mine"
