"""A folder of metrics that fails takes neither the process nor the other signals with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Run = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its limits are Linux's")
TIMES = 120
EACH_ONCE = ("ChatCompletion", "AuthenticationError", "APIError", "TogetherError")
EXPECTED = {
    "got": dict.fromkeys(EACH_ONCE, TIMES),
    **dict.fromkeys(("line", "record", "span"), 3 * TIMES),
}


def run(fault: str, folder: Path, run_program: Run) -> float:
    """Make calls, whose failures are to be reported; return how many failures the folder counts."""
    folder.chmod(0o755)
    found = run_program("folder.py", fault, str(TIMES), PROMETHEUS_MULTIPROC_DIR=str(folder))
    assert found == EXPECTED
    folder.mkdir(exist_ok=True)
    families = MultiProcessCollector(CollectorRegistry(), str(folder)).collect()
    name = "together_client_auth_failures_total"
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name)


@pytest.mark.parametrize("fault", ["none"])
def test_open_files_still_count(fault: str, tmp_path: Path, run_program: Run) -> None:
    """Those of failures are open from the start."""
    assert run(fault, tmp_path, run_program) == 3 * TIMES


@pytest.mark.parametrize("fault", ["files too large"])
def test_failures_that_are_not_counted_are_reported(
    fault: str, tmp_path: Path, run_program: Run
) -> None:
    run(fault, tmp_path, run_program)
