"""The real Prometheus programs for tests: found, or the test is skipped and says why."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RULES = ROOT / "dashboards" / "prometheus" / "alerts.yaml"
TOOLS = ROOT / ".tools" / "usr" / "bin"
NEWEST = ROOT / ".tools" / "newest" / "usr" / "bin"
"""Where `tools/fetch_newest.sh` puts those of Debian's newest suite."""
NAMES = {
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "pushgateway": ("prometheus-pushgateway", "pushgateway"),
}
"""Debian's name first."""


def find(name):
    """Return a program of `.tools/` or of PATH, ``None`` if it is in neither."""
    for folder in (str(TOOLS), None):
        for candidate in NAMES.get(name, (name,)):
            if found := shutil.which(candidate, path=folder):
                return Path(found)
    return None


def require(name):
    """Return a program, or skip the test; under CI a missing one is a failure."""
    if found := find(name):
        return found
    reason = f"{name} is not here: run tools/fetch_prometheus.sh"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def require_newest(name: str) -> Path:
    """Return a program of the newest suite, or skip the test: not every machine can have it."""
    for candidate in NAMES.get(name, (name,)):
        if found := shutil.which(candidate, path=str(NEWEST)):
            return Path(found)
    pytest.skip(f"the newest {name} is not here: run tools/fetch_newest.sh")
