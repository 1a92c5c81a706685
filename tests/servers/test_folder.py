"""PROMETHEUS_MULTIPROC_DIR as people set it: what cannot be used is said, and the service runs."""

import os
from pathlib import Path

import pytest
from running import PROGRAMS, get, successes

from together_otel.testing.ports import free_port

NAME = "PROMETHEUS_MULTIPROC_DIR"


def run(start, variable, value):
    """Run a family of two until each has made a call."""
    port = free_port()
    family = start(
        "python", "family.py", "1", "1",
        **{variable: value, "TOGETHER_OTEL_PROMETHEUS_PORT": str(port)},
    )  # fmt: skip
    family.until(lambda: family.output().count("called") == 2)
    return family, port


@pytest.mark.parametrize("case", ["not there yet", "old name", "relative"])
def test_usable(case, start, tmp_path):
    """It is made, in the place that was meant, although the family changes its directory."""
    folder = tmp_path / "deep" / "metrics"
    family, port = run(
        start,
        NAME.lower() if case == "old name" else NAME,
        os.path.relpath(folder, PROGRAMS) if case == "relative" else str(folder),
    )
    family.until(lambda: get(port, "/metrics"))
    assert successes(get(port, "/metrics")) == 2
    assert len(family.output().splitlines()) == 3, family.output()
    assert list(folder.glob("counter_*.db"))
    assert family.finish() == 0


@pytest.mark.parametrize("case", ["file", "read-only", "empty"])
def test_unusable(case, start, tmp_path):
    """One warning that says why and what to do; each process counts for itself."""
    place = tmp_path / "place"
    if case == "file":
        place.touch()
    elif os.getuid() == 0:
        place = Path("/proc")  # nobody may write there, not even root
    else:
        place.mkdir(mode=0o500)
    family, port = run(start, NAME, "" if case == "empty" else str(place))
    (warning,) = (
        line for line in family.output().splitlines() if not line.startswith(("httpx", "called"))
    )
    assert f"{NAME} cannot be used (" in warning
    assert "TOGETHER_OTEL_METRICS" in warning
    family.until(lambda: get(port, "/metrics"))
    assert successes(get(port, "/metrics")) <= 1
    assert family.finish() == 0
