"""`together-otel doctor` where only other clients than Together's own are installed."""

import json
import os
import sys

from processes import run_to_end


def test_all_is_well():
    """Exit code 0: methods of the client at hand, whichever it is, are instrumented."""
    exporters = {"OTEL_METRICS_EXPORTER": "console"}
    exporters |= {"OTEL_TRACES_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    done = run_to_end(
        [sys.executable, "-m", "together_otel", "doctor", "--json"],
        env={"PATH": os.environ["PATH"], **exporters},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    said = "\n".join(one["text"] for one in json.loads(done.stdout))
    assert "methods of client libraries are instrumented" in said
