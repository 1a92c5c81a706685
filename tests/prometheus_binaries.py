"""The real Prometheus programs for tests: found, or the test is skipped and says why."""

import os
import shutil
from pathlib import Path

import pytest
from processes import run_to_end

ROOT = Path(__file__).parents[1]
RULES = ROOT / "dashboards" / "prometheus" / "alerts.yaml"
TOOLS = ROOT / ".tools" / "usr" / "bin"
NEWEST = ROOT / ".tools" / "newest" / "usr" / "bin"
"""Where `tools/fetch_newest.sh` puts those of Debian's newest suite."""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
"""What that script needs: the newest suite is had on a Debian only."""
NAMES = {
    "alertmanager": ("prometheus-alertmanager", "alertmanager"),
    "pushgateway": ("prometheus-pushgateway", "pushgateway"),
}
"""Debian's name first."""


def find(name, *, newest=False):
    """Return a program of `.tools/` or of PATH, ``None`` if it is in neither.

    Args:
        name: of the program.
        newest: whether it is to be that of Debian's newest suite.
    """
    for folder in (str(NEWEST),) if newest else (str(TOOLS), None):
        for candidate in NAMES.get(name, (name,)):
            if found := shutil.which(candidate, path=folder):
                return Path(found)
    return None


def require(name, *, newest=False):
    """Return a program, or skip the test; under CI a missing one is a failure, if it can be had."""
    if found := find(name, newest=newest):
        return found
    script = "fetch_newest" if newest else "fetch_prometheus"
    reason = f"{name} is not here: run tools/{script}.sh"
    if os.environ.get("CI") and (KEYRING.exists() or not newest):
        pytest.fail(reason)
    pytest.skip(reason)


def run(name, *arguments, newest=False, **options):
    """Run a program to its end; return what it prints, and fail with it.

    Args:
        name: of the program.
        arguments: its own.
        newest: as `require` takes it.
        options: further ones of `run_to_end`.
    """
    done = run_to_end([require(name, newest=newest), *map(str, arguments)], **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
