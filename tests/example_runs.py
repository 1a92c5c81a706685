"""The examples, each run by the command that its first line names."""

import os
import sys
from pathlib import Path

from processes import run_to_end

ROOT = Path(__file__).parents[1]


def run_example(name, *arguments):
    """Run an example in an environment without keys, and see that it ends well.

    Returns:
        ``subprocess.CompletedProcess``, with what it printed as text.
    """
    script = ROOT / "examples" / f"{name}.py"
    command = script.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ").split()
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    done = run_to_end(
        [*command, *arguments],
        cwd=ROOT,
        env={"PATH": path, "TOGETHER_NO_BANNER": "1", "PYTHONWARNINGS": "ignore"},
    )
    assert done.returncode == 0, done.stderr
    return done
