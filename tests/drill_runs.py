"""Drills as processes, and how they end."""

import os
import sys

from processes import run_to_end

NOWHERE = {
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
    "OTEL_SERVICE_NAME": "shop",
}


def command(*arguments):
    return [sys.executable, "-m", "together_otel", "drill", *arguments]


def environment(variables):
    return {"PATH": os.environ["PATH"], **NOWHERE, **variables}


def drilled(*arguments, cause="revoked", duration="0.5s", code=0, **variables):
    """Run a drill to its end, and compare its exit code."""
    done = run_to_end(
        command("--cause", cause, "--duration", duration, *arguments),
        env=environment(variables),
        timeout=90,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done
