"""`together-otel doctor` with each generation of the SDK: a set-up that is well, and in use."""

import json
import os
import sys

from generation import RELEASE
from processes import run_to_end

GOOD = {
    "OTEL_METRICS_EXPORTER": "console",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


def test_all_is_well():
    """Exit code 0, the release is supported, and its methods are watched."""
    done = run_to_end(
        [sys.executable, "-m", "together_otel", "doctor", "--json"],
        env={"PATH": os.environ["PATH"], **GOOD},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert {one["level"] for one in found} == {"ok"}
    said = "\n".join(one["text"] for one in found)
    assert f"together {RELEASE} is supported" in said
    assert "methods of client libraries are instrumented" in said
