"""`together-otel drill --client openai`: the causes that depend on the client."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "cause", ["revoked", "missing", "empty", "wrong_variable", "wrong_provider", "overridden"]
)
def test_drill(cause: str, tmp_path: Path) -> None:
    """It is all that is counted, as often as the drill says, and what follows is accepted."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "together_otel", "drill", "--client", "openai"),
            *("--cause", cause, "--duration", "0.5s"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "TOGETHER_OTEL_TEXTFILE": str(tmp_path),
        },
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All failures were counted, each with its cause." in done.stdout
    assert f"cause={cause}" in done.stderr
    assert "client.library=openai" in done.stderr
