"""A folder of metrics that fails takes neither the process nor the other signals with it."""

import os
import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its limits are Linux's")
TIMES = 120
EACH_ONCE = ("ChatCompletion", "AuthenticationError", "APIError", "TogetherError")
EXPECTED = {
    "got": dict.fromkeys(EACH_ONCE, TIMES),
    **dict.fromkeys(("line", "record", "span"), 3 * TIMES),
}


def run(fault, folder, run_program):
    """Make calls, whose failures are to be reported; return how many failures the folder counts."""
    folder.chmod(0o755)
    found = run_program("folder.py", fault, str(TIMES), PROMETHEUS_MULTIPROC_DIR=str(folder))
    assert found == EXPECTED
    folder.mkdir(exist_ok=True)
    families = MultiProcessCollector(CollectorRegistry(), str(folder)).collect()
    name = "together_client_auth_failures_total"
    samples = [sample for family in families for sample in family.samples]
    return sum(sample.value for sample in samples if sample.name == name)


@pytest.mark.parametrize("fault", ["none", "another user's", "too many files"])
def test_open_files_still_count(fault, tmp_path, run_program):
    """Those of failures are open from the start."""
    assert run(fault, tmp_path, run_program) == 3 * TIMES


@pytest.mark.parametrize("fault", ["gone", "files too large"])
def test_failures_that_are_not_counted_are_reported(fault, tmp_path, run_program):
    run(fault, tmp_path, run_program)


@pytest.fixture
def small(tmp_path):
    """A disk of forty kilobytes, where one may be mounted."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "none", str(tmp_path)]
    if os.getuid() or subprocess.run(mount, check=False).returncode:
        pytest.skip("no small disk can be mounted here")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S607 - as mount


def test_full_disk(small, run_program):
    """A write to a page that there is no room for would kill the process."""
    run("full disk", small, run_program)
