"""``together-otel doctor``: finds what keeps telemetry from arriving."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from together_otel.cli.output import write
from together_otel.cli.parsing import CANNOT_WORK, GOOD, UNKNOWN, without_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from together_otel.cli.doctor.finding import Finding
    from together_otel.cli.parsing import Commands

_WIDTH = 9
_DESCRIPTION = """\
Finds what keeps telemetry from arriving and suggests a fix for each problem.
Checks what is installed, the environment it is called in, and what
opentelemetry-instrument makes of it; with --scrape, a live endpoint instead.
"""
_EPILOG = """\
exit codes:
  0   no problem, though there may be warnings
  1   a problem
  2   with --scrape: the endpoint cannot be read
  64  the arguments are invalid

Call it in the application's environment. Settings are environment variables:
what is the flag --metrics_exporter of opentelemetry-instrument is
OTEL_METRICS_EXPORTER here.

examples:
  OTEL_METRICS_EXPORTER=prometheus together-otel doctor
  together-otel doctor --scrape http://localhost:9464/metrics
"""


def add(commands: Commands) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="find what keeps telemetry from arriving, and how to fix it",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--scrape",
        metavar="URL",
        type=_url,
        help="fetch this endpoint and report what is missing from it",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON list of findings")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    # Here, as most commands need none of it: the trial alone imports half of OpenTelemetry.
    from together_otel.cli.doctor.endpoint import CannotRead, look_at  # noqa: PLC0415
    from together_otel.cli.doctor.examination import examine  # noqa: PLC0415

    code = GOOD
    findings: Iterable[Finding]
    if options.scrape is None:
        findings = examine(os.environ)
    else:
        try:
            findings = look_at(options.scrape)
        except CannotRead as exc:
            findings, code = (exc.finding,), UNKNOWN
    reported = []
    for finding in findings:
        reported.append(finding)
        if not options.json:
            write(_lines(finding))
    if options.json:
        found = [
            {name: without_key(value) for name, value in dataclasses.asdict(one).items()}
            for one in reported
        ]
        write(json.dumps(found, indent=2) + "\n")
    else:
        write(_verdict(reported))
    if code == GOOD and any(one.level == "problem" for one in reported):
        code = CANNOT_WORK
    return code


def _lines(finding: Finding) -> str:
    said = [f"{finding.level:{_WIDTH}}{finding.about}: {finding.text}"]
    if finding.fix:
        said.append(f"{'':{_WIDTH}}fix: {finding.fix}")
    # Text of variables and of servers may contain terminal escape sequences.
    return "".join(
        "".join(one if one.isprintable() else ascii(one)[1:-1] for one in without_key(line)) + "\n"
        for line in said
    )


def _verdict(reported: list[Finding]) -> str:
    counts = {
        level: sum(one.level == level for one in reported) for level in ("problem", "warning")
    }
    said = [f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items()]
    return f"\n{', '.join(said)}.\n"


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
