"""All checks of an environment, in the order of the report."""

from __future__ import annotations

from collections.abc import Iterator

from together_otel.cli.doctor.command_line import CommandLine, started
from together_otel.cli.doctor.exporters import exporters, limits, losses
from together_otel.cli.doctor.finding import Finding
from together_otel.cli.doctor.folders import folders
from together_otel.cli.doctor.installation import installation
from together_otel.cli.doctor.neighbours import neighbours
from together_otel.cli.doctor.ports import ports
from together_otel.cli.doctor.processes import processes
from together_otel.cli.doctor.recoveries import recoveries
from together_otel.cli.doctor.switches import backend, names, settings_of, switches
from together_otel.cli.doctor.trial import trial


def examine(line: CommandLine) -> Iterator[Finding]:
    """Yield the findings; those of the trial come last."""
    environ = line.environ
    settings, not_understood = settings_of(environ)
    yield from installation()
    yield from neighbours()
    if line.words:
        yield from started(line)
    yield from switches(environ)
    yield from not_understood
    yield from names(environ)
    yield from recoveries(settings)
    yield from backend(environ, settings)
    yield from exporters(environ, settings.metrics)
    yield from losses(environ, settings.metrics)
    yield from limits(environ)
    yield from ports(environ, settings)
    yield from folders(environ, settings)
    yield from processes(line, settings)
    yield from trial(environ, settings)
