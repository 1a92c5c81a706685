"""Check of what ``opentelemetry-instrument`` sets up in this environment, in a trial process.

The process uses free ports and a temporary folder, and exports nothing.
"""

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from together_otel import settings as variables
from together_otel.cli.doctor.exporters import exporters_of
from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.cli.doctor.installation import launcher, zero_code
from together_otel.cli.doctor.ports import OTEL_PORT
from together_otel.cli.doctor.switches import share
from together_otel.settings import Settings, folder_of

_TRIAL = Topic("trial")
_PROVIDERS = Topic("providers")

LIMIT = 30.0
"""Timeout of the process in seconds."""

_LATER = dict.fromkeys(
    ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY"),
    str(3_600_000),
)
"""Export intervals in ms, so long that the process exits before an export."""

_FAILED = "Failed to auto initialize OpenTelemetry"
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:: .*)?$")
_LOST = {
    "metrics": "metrics of Together's calls are lost",
    "traces": "spans are lost",
    "logs": "log events do not become LogRecords",
}


def trial(environ: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Start a process as the application is started, and check what is set up in it."""
    program = launcher()
    if program is None:  # reported by `installation`
        return
    try:
        temporary = tempfile.TemporaryDirectory(prefix="together-otel-")
    except OSError:
        yield _TRIAL.warning(
            "No process was started under opentelemetry-instrument, because there is no writable"
            " folder for temporary files.",
            "Set TMPDIR to a writable folder, an emptyDir in Kubernetes, and run this again.",
        )
        return
    with temporary as folder:
        answer = Path(folder) / "answer.json"
        try:
            done = subprocess.run(  # noqa: S603 - programs of this environment
                [program, sys.executable, "-m", "together_otel.cli.doctor.probe", answer],
                env=_apart(environ, folder),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                timeout=LIMIT,
                check=False,
            )
        except OSError as exc:
            yield _TRIAL.problem(
                f"{program} cannot be started ({exc.strerror}): it, or the Python that its first line"
                " names, was moved.",
                "Make the virtual environment anew.",
            )
            return
        except subprocess.TimeoutExpired:
            yield _TRIAL.problem(
                f"A process under opentelemetry-instrument did not start within {LIMIT:g} s.",
                "Run opentelemetry-instrument python -c pass to see what it waits for.",
            )
            return
        found = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else None
    if found is None:
        yield _TRIAL.problem(
            "A process under opentelemetry-instrument did not start:"
            f" {last_exception(done.stderr) or f'exit code {done.returncode}'}.",
            "Run opentelemetry-instrument python -c pass to see the whole error.",
        )
        return
    if _FAILED in done.stderr:
        yield _TRIAL.problem(
            "opentelemetry-instrument fails, and the application runs without telemetry:"
            f" {last_exception(done.stderr)}.",
            "Fix the problems above, or run opentelemetry-instrument python -c pass to see the"
            " whole error.",
        )
        return
    yield _instrumented(found)
    yield from _providers(found, settings)
    for text in found["others"]:
        yield Topic("others").warning(
            text, "Add the other one to OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, or uninstall it."
        )
    if found["instrumented"] and found["patched"] and found["providers"]["logs"]:
        go = "are exported" if exporters_of("logs", environ) else "are not exported"
        yield Topic("log events").ok(
            f"Log events become LogRecords that {go}; they also go to the application's log handlers"
            " or, without any, to standard error if they are warnings or errors."
        )


def _apart(environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return the environment with ports and a folder that are not the application's."""
    apart = {**environ, OTEL_PORT: "0", "TOGETHER_NO_BANNER": "1", **_LATER}
    if environ.get(variables.PROMETHEUS_PORT, "").strip():
        apart[variables.PROMETHEUS_PORT] = "0"
    if folder_of(environ):
        share(apart, Path(folder) / "metrics")
    return apart


def last_exception(said: str) -> str:
    """Return the last line of a process's standard error that names an exception."""
    lines = [line for line in said.splitlines() if _EXCEPTION.fullmatch(line) and ":" in line]
    return lines[-1] if lines else ""


def _instrumented(found: dict[str, Any]) -> Finding:
    if found["instrumented"] and found["patched"]:
        return _TRIAL.ok(
            "opentelemetry-instrument enables the instrumentation:"
            f" {found['patched']} methods of client libraries are instrumented."
        )
    state = (
        "on, but no method of a client library is instrumented"
        if found["instrumented"]
        else "not on"
    )
    return _TRIAL.problem(
        f"In a process under opentelemetry-instrument the instrumentation is {state}.",
        "Fix the problems above.",
    )


def _providers(found: dict[str, Any], settings: Settings) -> Iterator[Finding]:
    for signal, is_set in found["providers"].items():
        if is_set:
            continue
        if signal == "metrics" and settings.metrics == "prometheus":
            continue  # prometheus_client needs no provider
        make = _PROVIDERS.problem if signal == "metrics" else _PROVIDERS.warning
        yield make(
            f"opentelemetry-instrument sets no provider of {signal}: {_LOST[signal]}.",
            f"{zero_code()}, or set one in the application.",
        )
    if all(found["providers"].values()):
        yield _PROVIDERS.ok("Providers of metrics, traces and logs are set.")
