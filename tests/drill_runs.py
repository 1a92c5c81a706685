"""Drills and how they end: as processes, and by this one."""

import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from subprocess import CompletedProcess
from unittest import mock

from together_otel.cli import main

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
    """Run a drill to its end in this process, which starts the application's; compare its code."""
    words = ["drill", "--cause", cause, "--duration", duration, *arguments]
    with (
        mock.patch.dict(os.environ, environment(variables), clear=True),
        redirect_stdout(StringIO()) as out,
        redirect_stderr(StringIO()) as err,
    ):
        done = CompletedProcess(words, main(words))
    done.stdout, done.stderr = out.getvalue(), err.getvalue()
    assert done.returncode == code, done.stdout + done.stderr
    return done
