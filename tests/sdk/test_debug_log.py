"""The SDK's debug log shows keys: it is printed as before, and becomes no LogRecord."""

import os
import sys
from pathlib import Path

import pytest
from generation import GENERATION, RELEASE, leaks
from processes import run_to_end

PROGRAM = Path(__file__).parent / "programs" / "debug_log.py"


@pytest.mark.skipif(GENERATION < 2, reason="1.x logs on its own, to stderr")
def test_no_key_in_log_records(server, key):
    """Under `opentelemetry-instrument`, whose handler on the root logger gets every record."""
    folder = Path(sys.executable).parent
    done = run_to_end(
        [folder / "opentelemetry-instrument", sys.executable, PROGRAM],
        env={
            "PATH": os.environ["PATH"],
            "TOGETHER_API_KEY": key,
            "TOGETHER_BASE_URL": server.base_url_for(RELEASE),
            "TOGETHER_LOG": "debug",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "console",
        },
        check=True,
    )

    assert leaks(done.stderr, key), "printed by the SDK's own handler, as without us"
    assert leaks(done.stdout, key) == []
    assert "together.client.key_checked" in done.stdout
