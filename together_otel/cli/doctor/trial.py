"""What ``opentelemetry-instrument`` makes of this environment: it is asked, by a process of its own.

That process takes free ports and a folder of its own, and exports nothing.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from together_otel import settings as variables
from together_otel.cli.doctor.exporters import exporters_of
from together_otel.cli.doctor.finding import Finding, ok, problem, warning
from together_otel.cli.doctor.installation import ZERO_CODE, launcher
from together_otel.cli.doctor.ports import OTEL_PORT
from together_otel.cli.doctor.switches import folder_of, share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from together_otel.settings import Settings

LIMIT = 30.0
"""Seconds that the process may take."""

_LATER = dict.fromkeys(
    ("OTEL_METRIC_EXPORT_INTERVAL", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BLRP_SCHEDULE_DELAY"),
    str(3_600_000),
)
"""When exporters would send what they have: long after the end."""

_FAILED = "Failed to auto initialize OpenTelemetry"
_EXCEPTION = re.compile(r"^[A-Za-z_][\w.]*(?:: .*)?$")
_LOST = {
    "metrics": "metrics of Together's calls are lost",
    "traces": "spans are lost",
    "logs": "log events are no LogRecords",
}


def trial(environ: Mapping[str, str], settings: Settings) -> Iterator[Finding]:
    """Start a process as the application is started, and look at what is set up in it."""
    program = launcher()
    if program is None:  # a finding of its own
        return
    try:
        temporary = tempfile.TemporaryDirectory(prefix="together-otel-")
    except OSError:
        yield warning(
            "trial",
            "No process was started under opentelemetry-instrument, as no folder for temporary"
            " files can be written to.",
            "Set TMPDIR to one that can, an emptyDir in Kubernetes, and run this again.",
        )
        return
    with temporary as folder:
        answer = Path(folder) / "answer.json"
        try:
            done = subprocess.run(  # noqa: S603 - this environment's own programs
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
        except subprocess.TimeoutExpired:
            yield problem(
                "trial",
                f"A process under opentelemetry-instrument was not up within {LIMIT:g} s.",
                "Start opentelemetry-instrument python -c pass, and see what it waits for.",
            )
            return
        found = json.loads(answer.read_text(encoding="utf-8")) if answer.exists() else None
    if found is None:
        yield problem(
            "trial",
            "A process under opentelemetry-instrument did not come up:"
            f" {last_exception(done.stderr) or f'exit code {done.returncode}'}.",
            "Start opentelemetry-instrument python -c pass to see all of it.",
        )
        return
    if _FAILED in done.stderr:
        yield problem(
            "trial",
            "opentelemetry-instrument gives up, and the application runs without telemetry:"
            f" {last_exception(done.stderr)}.",
            "Cure what was found above, or start opentelemetry-instrument python -c pass to see"
            " all of it.",
        )
        return
    yield _instrumented(found)
    yield from _providers(found, settings)
    for text in found["others"]:
        yield warning(
            "others",
            text,
            "Name the other one in OTEL_PYTHON_DISABLED_INSTRUMENTATIONS, or uninstall it.",
        )
    if found["instrumented"] and found["patched"]:  # or else it is a consequence
        yield from _log_events(found, exported=bool(exporters_of("logs", environ)))


def _apart(environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """Return the environment with ports and a folder that the application does not have."""
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
        return ok(
            "trial",
            "opentelemetry-instrument turns the instrumentation on:"
            f" {found['patched']} methods of the SDK are watched.",
        )
    state = "on, and no method of the SDK is watched" if found["instrumented"] else "not on"
    return problem(
        "trial",
        f"In a process under opentelemetry-instrument the instrumentation is {state}.",
        "Cure what was found above.",
    )


def _providers(found: dict[str, Any], settings: Settings) -> Iterator[Finding]:
    for signal, is_set in found["providers"].items():
        if is_set:
            continue
        if signal == "metrics" and settings.metrics == "prometheus":
            continue  # they need none
        make = problem if signal == "metrics" else warning
        yield make(
            "providers",
            f"opentelemetry-instrument sets no provider of {signal}: {_LOST[signal]}.",
            f"{ZERO_CODE}, or set one in the application.",
        )
    if all(found["providers"].values()):
        yield ok("providers", "Providers of metrics, traces and logs are set.")


def _log_events(found: dict[str, Any], *, exported: bool) -> Iterator[Finding]:
    levels = found["levels"]
    if not levels:
        yield warning(
            "log events",
            "No handler makes LogRecords of log events: warnings and errors are on standard error"
            " only, or where the application's own logging puts them.",
            "pip install opentelemetry-instrumentation-logging, and let neither"
            " OTEL_PYTHON_DISABLED_INSTRUMENTATIONS nor OTEL_PYTHON_LOG_AUTO_INSTRUMENTATION turn"
            " it off.",
        )
        return
    level = max(min(levels), found["level"])
    if level > logging.INFO:
        kept = "errors only" if level > logging.WARNING else "warnings and errors only"
        yield warning(
            "log events",
            f"LogRecords are made of {kept}: that a key is good, or accepted again, is not told.",
            "Set OTEL_PYTHON_LOG_HANDLER_LEVEL to info, or unset it.",
        )
    elif exported:
        yield ok("log events", "Log events become LogRecords, from INFO on, and are exported.")
    else:
        yield ok(
            "log events",
            "Log events become LogRecords that are not exported; on standard error are warnings"
            " and errors, and where the application's own logging has a handler, all.",
        )
