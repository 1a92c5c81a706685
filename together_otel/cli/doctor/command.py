"""``together-otel doctor``: finds what keeps telemetry from arriving."""

import argparse
import dataclasses
import os
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from together_otel.cli.doctor.command_line import CommandLine, parse, started
from together_otel.cli.doctor.endpoint import CannotRead, look_at
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
from together_otel.cli.output import paint, write
from together_otel.cli.parsing import CANNOT_WORK, GOOD, UNKNOWN, Parser, without_key, write_json
from together_otel.keys import escape_controls
from together_otel.plain.spelling import count_of

_WIDTH = 9
_COLOURS = {"ok": "good", "warning": "warning", "problem": "bad"}
HELP = "find what keeps telemetry from arriving, and how to fix it"
DESCRIPTION = """\
Finds what keeps telemetry from arriving and suggests a fix for each problem.
Checks what is installed, this environment, and what opentelemetry-instrument
makes of it. With a command line, what that would be started with.
"""
EPILOG = """\
exit codes: 0 no problem, though there may be warnings; 1 a problem; 2 with
--scrape, the endpoint cannot be read; 64 the arguments are invalid

examples:
  together-otel doctor -- opentelemetry-instrument --metrics_exporter \\
      prometheus python app.py
  together-otel doctor --scrape http://localhost:9464/metrics
"""


def add(parser: Parser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "--scrape",
        metavar="URL",
        type=_url,
        help="fetch this endpoint and report what is missing from it",
    )
    parser.add_argument(
        "command_line",
        metavar="-- COMMAND",
        nargs="*",
        help="how the application is started, with its arguments",
    )


def run(_: Parser, options: argparse.Namespace) -> int:
    """Run the command; return the exit code."""
    findings: Iterable[Finding]
    is_read = True
    try:
        if options.scrape is None:
            findings = examine(parse(options.command_line, os.environ))
        else:
            findings = look_at(options.scrape)
    except CannotRead as exc:
        findings, is_read = (exc.finding,), False
    reported = []
    for finding in findings:
        reported.append(finding)
        if not options.json:
            write(_lines(finding))
    if options.json:
        write_json([dataclasses.asdict(one) for one in reported])
    else:
        write(_verdict(reported))
    if not is_read:
        return UNKNOWN
    return CANNOT_WORK if any(one.level == "problem" for one in reported) else GOOD


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


def _lines(finding: Finding) -> str:
    level = paint(f"{finding.level:{_WIDTH}}", _COLOURS[finding.level])
    said = [f"{level}{_shown(f'{finding.about}: {finding.text}')}\n"]
    if finding.fix:
        said.append(f"{'':{_WIDTH}}{_shown(f'fix: {finding.fix}')}\n")
    return "".join(said)


def _shown(text: str) -> str:
    # Text of variables and of servers may contain terminal escape sequences.
    return escape_controls(without_key(text))


def _verdict(reported: list[Finding]) -> str:
    counts = {
        level: sum(one.level == level for one in reported) for level in ("problem", "warning")
    }
    said = ", ".join(count_of(count, level) for level, count in counts.items())
    return f"\n{said}.\n"


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        known = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise argparse.ArgumentTypeError(
            "expected a URL such as http://localhost:9464/metrics, as Prometheus scrapes it"
        )
    return text if parts.path.strip("/") else parts._replace(path="/metrics").geturl()
