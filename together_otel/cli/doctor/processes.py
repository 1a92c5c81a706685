"""Checks of servers with several processes: does a scrape cover all of them?"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from together_otel import settings as variables
from together_otel.cli.doctor.command_line import CommandLine
from together_otel.cli.doctor.exporters import exporters_of
from together_otel.cli.doctor.finding import Finding, Topic
from together_otel.settings import Settings, folder_of

_WORKERS = Topic("workers")

_NUMBERS = ("WEB_CONCURRENCY", "UVICORN_WORKERS")
_ARGUMENTS = "GUNICORN_CMD_ARGS"
_COUNT = re.compile(r"(?:^|\s)(?:-w|--workers)[=\s]*(\d+)(?=\s|$)")
_FIX = (
    f"Set {variables.MULTIPROC_DIR} to an empty directory, {variables.PROMETHEUS_PORT} to a free"
    " port, and OTEL_METRICS_EXPORTER=none."
)


def processes(line: CommandLine, settings: Settings) -> Iterator[Finding]:
    """Check whether the metrics of all workers are exported."""
    environ = line.environ
    shared = bool(folder_of(environ)) and settings.metrics == "prometheus"
    exporter = "prometheus" in exporters_of("metrics", environ)
    workers, said_by = _workers(line)
    if shared and exporter:
        yield _WORKERS.warning(
            "OpenTelemetry's Prometheus exporter is on in addition to prometheus_client: a spawned"
            " worker finds its port in use and is not instrumented.",
            "Set OTEL_METRICS_EXPORTER=none.",
        )
    if exporter and (reloader := _reloader(line.words)):
        yield _WORKERS.problem(
            f"{reloader} starts the application in a second process, where OpenTelemetry's"
            " Prometheus exporter finds its port in use: nothing is instrumented there.",
            f"Set OTEL_METRICS_EXPORTER=none and {variables.PROMETHEUS_PORT} to a free port, or"
            " start it without the reloader.",
        )
    if workers is None:
        return
    several = f"{said_by} sets {workers} processes"
    if settings.metrics == "otel" and exporter:
        yield _WORKERS.problem(
            f"{several}, and OpenTelemetry's Prometheus exporter shows the metrics of at most one"
            " of them.",
            _FIX,
        )
    elif settings.metrics == "prometheus" and not shared:
        yield _WORKERS.problem(
            f"{several}, and each has its own metrics: a scrape shows only one of them.", _FIX
        )
    elif shared:
        yield _WORKERS.ok(f"{several}, which share {variables.MULTIPROC_DIR}.")
    else:
        yield _WORKERS.ok(f"{several}, and each exports its own metrics.")


def _workers(line: CommandLine) -> tuple[int | None, str]:
    """Return the number of processes if several are set, and what sets it."""
    environ = line.environ
    found = {
        "The command line": _argument(" ".join(line.words)),
        _ARGUMENTS: _argument(environ.get(_ARGUMENTS, "")),
        **{name: environ.get(name, "").strip() for name in _NUMBERS},
    }
    for name, text in found.items():
        if text.isdecimal() and int(text) > 1:
            return int(text), name
    return None, ""


def _argument(text: str) -> str:
    return next(reversed(_COUNT.findall(text)), "")


def _reloader(words: Sequence[str]) -> str:
    """Return the argument that turns on a development server's reloader, or ``""``."""
    if "runserver" in words and "--noreload" not in words:
        return "runserver"
    is_flask = any(Path(word).name == "flask" for word in words)
    wanted = ("--reload", "--debug") if is_flask else ("--reload",)
    return next((word for word in words if word in wanted), "")
