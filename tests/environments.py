"""Environments of their own that tests run programs in."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def environment(name):
    """Return an environment's Python; skip the test where it is not there, unless in CI."""
    python = ROOT / name / "bin" / "python"
    if not python.exists():
        reason = f"{name} is not there: `make {name}/installed` makes it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return python
