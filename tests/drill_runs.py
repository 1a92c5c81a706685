"""Short drills as processes, whose counts go to a folder."""

import os
import sys

from processes import run_to_end


def run_drill(folder, cause, *arguments, **variables):
    """Run a drill of half a second, and see that it ends well.

    Args:
        folder: where its counts are written, as for node_exporter's textfile collector.
        cause: what is played.
        arguments: further ones of the command.
        variables: further ones of its environment.

    Returns:
        ``subprocess.CompletedProcess``, with what it printed as text.
    """
    done = run_to_end(
        [
            *(sys.executable, "-m", "together_otel", "drill", *arguments),
            *("--cause", cause, "--duration", "0.5s"),
        ],
        env={
            "PATH": os.environ["PATH"],
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_LOGS_EXPORTER": "none",
            "TOGETHER_OTEL_TEXTFILE": str(folder),
            **variables,
        },
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
