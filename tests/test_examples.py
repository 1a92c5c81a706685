"""Each example runs by the command that its first line names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("example", "says", "tells"),
    [
        ("broken_key", "The SDK says: ", "together.client.auth_failed cause=empty"),
        ("fixed_key", "The model says: ", ""),
        ("manual_setup", 'together_auth_cause="revoked"} 1.0', "cause=revoked"),
    ],
)
def test_example(example, says, tells):
    """It ends well, says what the SDK said, and together_otel tells the rest."""
    script = ROOT / "examples" / f"{example}.py"
    command = script.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split()
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": path, "TOGETHER_NO_BANNER": "1", "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert says in done.stdout
    assert tells in done.stderr
    if not tells:
        assert "ERROR" not in done.stderr
        assert "auth_failed" not in done.stderr
