"""The demonstration as `make demo` runs it."""

import sys

import pytest
from processes import run_to_end
from prometheus_binaries import require

from together_otel.testing.programs import CHECKOUT


@pytest.mark.slow
def test_the_demonstration_ends_with_the_page():
    """Nothing left out, nothing on standard error."""
    require("prometheus")
    require("alertmanager")
    done = run_to_end([sys.executable, "-m", "together_otel", "demo"], cwd=CHECKOUT)
    assert done.returncode == 0, done.stdout
    assert "alertname=TogetherAuthFailing, job=together-demo" in " ".join(done.stdout.split())
    assert "Left out" not in done.stdout
    assert done.stderr == ""
